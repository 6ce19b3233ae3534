//! The rail service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::rail_service_server::RailService;
use tonic::{Request, Response, Status};

use super::convert;
use super::payouts::key;
use super::plans::reply;
use crate::app::{Error, Payouts};
use crate::domain::payout::{Payout, PayoutState};

const RETRY_PAYOUT: &str = "quittance.payouts.v1.RailService/RetryPayout";

#[tonic::async_trait]
impl RailService for Payouts {
    async fn get_batch(
        &self,
        request: Request<proto::GetBatchRequest>,
    ) -> Result<Response<proto::GetBatchResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("batch_id", &request.get_ref().batch_id)?;
        let batch = self.batch(&caller.ctx, id).await?;
        let count = |(word, count): &(String, i64)| {
            let state = PayoutState::ALL.iter().find(|state| state.as_str() == word)?;
            Some(proto::BatchCount { state: convert::wire_state(*state).into(), count: *count })
        };
        Ok(Response::new(proto::GetBatchResponse {
            batch_id: batch.id.to_string(),
            counts: batch.counts.iter().filter_map(count).collect(),
            state: batch.state,
            item_count: batch.item_count,
            created_by: batch.created_by.to_string(),
            create_time: Some(convert::time(batch.created_at)),
        }))
    }

    async fn retry_payout(
        &self,
        request: Request<proto::RetryPayoutRequest>,
    ) -> Result<Response<proto::RetryPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key =
            key(&request_id, RETRY_PAYOUT, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("payout_id", &message.payout_id)?;
        let payouts = self.clone();
        let answer = |payout: &Payout| proto::RetryPayoutResponse {
            payout: Some(convert::payout(payout.clone())),
        };
        let done =
            detached(async move { payouts.retry(&caller.ctx, id, key.as_ref(), answer).await });
        Ok(reply(done.await?))
    }

    async fn receive_webhook(
        &self,
        request: Request<proto::ReceiveWebhookRequest>,
    ) -> Result<Response<proto::ReceiveWebhookResponse>, Status> {
        let caller = caller(&request)?;
        let proto::ReceiveWebhookRequest { payload, signature } = request.into_inner();
        let payouts = self.clone();
        let work = async move { payouts.receive_webhook(&caller.ctx, &payload, &signature).await };
        let done: Result<(), Status> = detached(work).await;
        done?;
        Ok(Response::new(proto::ReceiveWebhookResponse {}))
    }
}
