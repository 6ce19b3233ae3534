//! The gRPC face: reads requests, calls use cases, writes answers. Decides nothing.

mod access;
mod convert;
mod explain;
mod ledger;
mod reconciliation;
mod statistics;

use std::pin::Pin;

use quittance_chassis::grpc::caller;
use quittance_chassis::{audit, limited};
use quittance_proto::balance::v1::balance_service_server::{BalanceService, BalanceServiceServer};
use quittance_proto::balance::v1::explanation_service_server::ExplanationServiceServer;
use quittance_proto::balance::v1::ledger_service_server::LedgerServiceServer;
use quittance_proto::balance::v1::reconciliation_service_server::ReconciliationServiceServer;
use quittance_proto::balance::v1::statistics_service_server::StatisticsServiceServer;
use quittance_proto::balance::v1::{
    ExportPaymentsRequest, ExportPaymentsResponse, GetBalanceRequest, GetBalanceResponse,
    GetOrganizationTotalsRequest, GetOrganizationTotalsResponse, ListHistoryRequest,
    ListHistoryResponse,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

pub use access::ACCESS;

use crate::app::Balances;

/// The services of this server.
pub(crate) fn routes(balances: Balances) -> Routes {
    let trail = audit::service(balances.db().clone());
    Routes::new(limited!(BalanceServiceServer::new(balances.clone())))
        .add_service(limited!(ExplanationServiceServer::new(balances.clone())))
        .add_service(limited!(LedgerServiceServer::new(balances.clone())))
        .add_service(limited!(ReconciliationServiceServer::new(balances.clone())))
        .add_service(limited!(StatisticsServiceServer::new(balances)))
        .add_service(trail)
}

#[tonic::async_trait]
impl BalanceService for Balances {
    type ExportPaymentsStream =
        Pin<Box<dyn Stream<Item = Result<ExportPaymentsResponse, Status>> + Send>>;

    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let as_of = convert::optional_instant("as_of", request.into_inner().as_of)?;
        let balance = match as_of {
            Some(instant) => self.balance_as_of(&ctx, instant).await?,
            None => self.balance(&ctx).await?,
        };
        Ok(Response::new(convert::balance(balance, as_of.unwrap_or(ctx.now))))
    }

    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let ListHistoryRequest { page_size, page_token, cycle_id } = request.into_inner();
        let cycle = convert::optional_id("cycle_id", &cycle_id)?;
        let page = self.history(&ctx, cycle, page_size, &page_token).await?;
        Ok(Response::new(convert::history(page)))
    }

    async fn export_payments(
        &self,
        request: Request<ExportPaymentsRequest>,
    ) -> Result<Response<Self::ExportPaymentsStream>, Status> {
        let ctx = caller(&request)?.ctx;
        let ExportPaymentsRequest { from, to, trailer } = request.into_inner();
        let period = convert::period(from, to)?;
        let export = self.export(&ctx, period, trailer);
        let chunks = ReceiverStream::new(export).map(|chunk| match chunk {
            Ok(chunk) => Ok(ExportPaymentsResponse { chunk }),
            Err(error) => Err(error.into()),
        });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn get_organization_totals(
        &self,
        request: Request<GetOrganizationTotalsRequest>,
    ) -> Result<Response<GetOrganizationTotalsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let totals = self.organization_totals(&ctx).await?;
        Ok(Response::new(convert::totals(totals)))
    }
}
