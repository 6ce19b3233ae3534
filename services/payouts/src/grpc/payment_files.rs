//! Payment files over gRPC.

use quittance_chassis::grpc::{caller, detached};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payment_file_service_server::PaymentFileService;
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::{Error, Payouts};
use crate::domain::payment_file::Debtor;

#[tonic::async_trait]
impl PaymentFileService for Payouts {
    async fn create_payment_file(
        &self,
        request: Request<proto::CreatePaymentFileRequest>,
    ) -> Result<Response<proto::CreatePaymentFileResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let plan = convert::id("plan_id", &message.plan_id)?;
        let debtor = Debtor::parse(
            &message.debtor_name,
            &message.debtor_iban,
            &message.debtor_bic,
            &message.execution_date,
            caller.ctx.now,
        )
        .map_err(Error::from)?;
        let payouts = self.clone();
        let file = detached(async move { payouts.payment_file(&caller, plan, &debtor).await });
        let file = file.await?;
        let total = |(sum, count): (quittance_kernel::Money, i64)| common::Total {
            amount: Some(common::Money {
                minor_units: sum.minor(),
                currency_code: sum.currency().code().to_owned(),
            }),
            count,
        };
        Ok(Response::new(proto::CreatePaymentFileResponse {
            content: file.content.into_bytes().into(),
            digest: file.digest,
            totals: file.totals.into_iter().map(total).collect(),
        }))
    }
}
