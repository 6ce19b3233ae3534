//! The lifecycle service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_kernel::IssueId;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::lifecycle_service_server::LifecycleService;
use tonic::{Request, Response, Status};

use super::convert;
use super::payouts::key;
use super::plans::reply;
use crate::app::{Error, Payouts};
use crate::domain::lifecycle::{LifecycleError, Undo, Undone, Voided, Wish, reason};
use crate::domain::order::MAX_ISSUES;

const VOID_PAYOUT: &str = "quittance.payouts.v1.LifecycleService/VoidPayout";
const RETURN_PAYOUT: &str = "quittance.payouts.v1.LifecycleService/ReturnPayout";
const CANCEL_PAYOUT: &str = "quittance.payouts.v1.LifecycleService/CancelPayout";
const VOID_EARNINGS: &str = "quittance.payouts.v1.LifecycleService/VoidEarnings";

#[tonic::async_trait]
impl LifecycleService for Payouts {
    async fn void_payout(
        &self,
        request: Request<proto::VoidPayoutRequest>,
    ) -> Result<Response<proto::VoidPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, VOID_PAYOUT, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("payout_id", &message.payout_id)?;
        let wish = wish(Undo::Void, &message.reason, &message.issue_ids)?;
        let payouts = self.clone();
        let answer = |undone: &Undone| proto::VoidPayoutResponse {
            payout: Some(convert::payout(undone.payout.clone())),
            issue_ids: issue_ids(undone),
            receivable: Some(convert::money(undone.amount)),
        };
        let done =
            detached(
                async move { payouts.undo(&caller.ctx, id, &wish, key.as_ref(), answer).await },
            );
        Ok(reply(done.await?))
    }

    async fn return_payout(
        &self,
        request: Request<proto::ReturnPayoutRequest>,
    ) -> Result<Response<proto::ReturnPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key =
            key(&request_id, RETURN_PAYOUT, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("payout_id", &message.payout_id)?;
        let wish = wish(Undo::Return, &message.reason, &[])?;
        let payouts = self.clone();
        let answer = |undone: &Undone| proto::ReturnPayoutResponse {
            payout: Some(convert::payout(undone.payout.clone())),
            issue_ids: issue_ids(undone),
        };
        let done =
            detached(
                async move { payouts.undo(&caller.ctx, id, &wish, key.as_ref(), answer).await },
            );
        Ok(reply(done.await?))
    }

    async fn cancel_payout(
        &self,
        request: Request<proto::CancelPayoutRequest>,
    ) -> Result<Response<proto::CancelPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key =
            key(&request_id, CANCEL_PAYOUT, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("payout_id", &message.payout_id)?;
        let wish = wish(Undo::Cancel, &message.reason, &[])?;
        let payouts = self.clone();
        let answer = |undone: &Undone| proto::CancelPayoutResponse {
            payout: Some(convert::payout(undone.payout.clone())),
            issue_ids: issue_ids(undone),
        };
        let done =
            detached(
                async move { payouts.undo(&caller.ctx, id, &wish, key.as_ref(), answer).await },
            );
        Ok(reply(done.await?))
    }

    async fn void_earnings(
        &self,
        request: Request<proto::VoidEarningsRequest>,
    ) -> Result<Response<proto::VoidEarningsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key =
            key(&request_id, VOID_EARNINGS, || message.encode_to_vec()).map_err(Error::from)?;
        let issues = issues(&message.issue_ids)?;
        let reason = reason(&message.reason).map_err(Error::from)?;
        let payouts = self.clone();
        let answer = |voided: &Voided| proto::VoidEarningsResponse {
            issue_ids: voided.issues.iter().map(ToString::to_string).collect(),
            totals: convert::totals(&voided.totals),
        };
        let done = detached(async move {
            payouts.void_earnings(&caller.ctx, &issues, &reason, key.as_ref(), answer).await
        });
        Ok(reply(done.await?))
    }
}

fn wish(undo: Undo, text: &str, issue_ids: &[String]) -> Result<Wish, Status> {
    let reason = reason(text).map_err(Error::from)?;
    Ok(Wish { undo, reason, issues: issues(issue_ids)? })
}

fn issues(texts: &[String]) -> Result<Vec<IssueId>, Status> {
    // Counted before anything is parsed: too many are refused whatever they look like.
    if texts.len() > MAX_ISSUES {
        return Err(Error::from(LifecycleError::Count(texts.len())).into());
    }
    let issue = |(place, text): (usize, &String)| convert::id(&format!("issue_ids[{place}]"), text);
    texts.iter().enumerate().map(issue).collect()
}

fn issue_ids(undone: &Undone) -> Vec<String> {
    let issues = undone.items.iter().filter(|item| item.earning.is_of_issue());
    issues.map(|item| item.earning.issue.to_string()).collect()
}
