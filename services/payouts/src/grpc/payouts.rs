//! The payout service.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use prost::Message as _;
use quittance_chassis::db::{Idempotency, IdempotencyError};
use quittance_chassis::grpc::{caller, detached};
use quittance_kernel::{IssueId, MemberId};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::batch_pay_response::Outcome as BatchOutcome;
use quittance_proto::payouts::v1::pay_issue_response::Outcome as IssueOutcome;
use quittance_proto::payouts::v1::payout_service_server::PayoutService;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::{Error, ListPayouts, Paid, Payouts};
use crate::domain::decision::Excluded;
use crate::domain::order::{Group, Order};

const BATCH_PAY: &str = "quittance.payouts.v1.PayoutService/BatchPay";
const PAY_ISSUE: &str = "quittance.payouts.v1.PayoutService/PayIssue";

#[tonic::async_trait]
impl PayoutService for Payouts {
    async fn batch_pay(
        &self,
        request: Request<proto::BatchPayRequest>,
    ) -> Result<Response<proto::BatchPayResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, BATCH_PAY, || message.encode_to_vec()).map_err(Error::from)?;
        let order = convert::batch(message)?;
        let payouts = self.clone();
        let paid = detached(async move {
            payouts.pay(&caller, &order, key.as_ref(), convert::batch_paid).await
        });
        Ok(reply(paid.await?, |excluded| proto::BatchPayResponse {
            outcome: Some(BatchOutcome::Refused(proto::BatchRefused {
                excluded: excluded.iter().map(convert::excluded).collect(),
            })),
        }))
    }

    async fn pay_issue(
        &self,
        request: Request<proto::PayIssueRequest>,
    ) -> Result<Response<proto::PayIssueResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, PAY_ISSUE, || message.encode_to_vec()).map_err(Error::from)?;
        let method = convert::method("method", message.method())?;
        let group = Group {
            payee: None,
            issues: vec![convert::id::<IssueId>("issue_id", &message.issue_id)?],
            method,
            reference: message.reference,
        };
        let cycle = convert::optional_id("cycle_id", &message.cycle_id)?;
        let order = Order::single(group, cycle).map_err(Error::from)?;
        let payouts = self.clone();
        let paid = detached(async move {
            payouts.pay(&caller, &order, key.as_ref(), convert::issue_paid).await
        });
        Ok(reply(paid.await?, |excluded| proto::PayIssueResponse {
            outcome: excluded.first().map(convert::excluded).map(IssueOutcome::Refused),
        }))
    }

    async fn get_payout(
        &self,
        request: Request<proto::GetPayoutRequest>,
    ) -> Result<Response<proto::GetPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("payout_id", &request.get_ref().payout_id)?;
        let (payout, items, steps) = self.payout(&caller.ctx, id).await?;
        Ok(Response::new(proto::GetPayoutResponse {
            payout: Some(convert::payout(payout)),
            items: items.into_iter().map(convert::item).collect(),
            steps: steps.into_iter().map(convert::step).collect(),
        }))
    }

    async fn list_payouts(
        &self,
        request: Request<proto::ListPayoutsRequest>,
    ) -> Result<Response<proto::ListPayoutsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let list = ListPayouts {
            payee: convert::optional_id::<MemberId>("payee_id", &message.payee_id)?,
            state: convert::optional_state("state", message.state)?,
            page_size: message.page_size,
            page_token: message.page_token,
        };
        let page = self.payouts(&caller.ctx, &list).await?;
        Ok(Response::new(proto::ListPayoutsResponse {
            payouts: page.payouts.into_iter().map(convert::payout).collect(),
            next_page_token: page.next,
        }))
    }

    async fn list_pay_queue(
        &self,
        request: Request<proto::ListPayQueueRequest>,
    ) -> Result<Response<proto::ListPayQueueResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let page = self.pay_queue(&caller.ctx, message.page_size, &message.page_token).await?;
        Ok(Response::new(convert::queue(page)))
    }

    type StreamEarningsStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamEarningsResponse, Status>> + Send>>;

    async fn stream_earnings(
        &self,
        request: Request<proto::StreamEarningsRequest>,
    ) -> Result<Response<Self::StreamEarningsStream>, Status> {
        let caller = caller(&request)?;
        let after = convert::optional_id("after_issue_id", &request.get_ref().after_issue_id)?;
        let pages = self.earnings(caller.ctx.organization(), after).map(|page| {
            let earnings = page?.into_iter().map(convert::earning).collect();
            Ok(proto::StreamEarningsResponse { earnings })
        });
        Ok(Response::new(Box::pin(pages)))
    }
}

/// The key of a request, if it has one. The body is only needed then.
pub(super) fn key(
    request_id: &str,
    method: &str,
    body: impl FnOnce() -> Vec<u8>,
) -> Result<Option<Idempotency>, IdempotencyError> {
    let body = if request_id.is_empty() { Vec::new() } else { body() };
    Idempotency::new(request_id, method, &body)
}

fn reply<R>(paid: Paid<R>, refusal: impl FnOnce(Vec<Excluded>) -> R) -> Response<R> {
    match paid {
        Paid::Now(answer) => Response::new(answer),
        Paid::Before(answer) => {
            let mut response = Response::new(answer);
            let replayed = MetadataValue::from_static("true");
            response.metadata_mut().insert("idempotency-replayed", replayed);
            response
        }
        Paid::Refused(excluded) => Response::new(refusal(excluded)),
    }
}
