//! The approval service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::approval_service_server::ApprovalService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::payouts::key;
use super::plans::reply as answered;
use super::{convert, plan_convert};
use crate::app::{Error, Payouts};
use crate::domain::approval::{PayoutPolicy, Proposal, Wanted};

const APPROVE: &str = "quittance.payouts.v1.ApprovalService/ApprovePlan";
const CONFIRM: &str = "quittance.payouts.v1.ApprovalService/ConfirmPayoutPolicy";

#[tonic::async_trait]
impl ApprovalService for Payouts {
    async fn approve_plan(
        &self,
        request: Request<proto::ApprovePlanRequest>,
    ) -> Result<Response<proto::ApprovePlanResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, APPROVE, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("plan_id", &message.plan_id)?;
        if message.digest.is_empty() {
            return Err(invalid("digest", "must be given"));
        }
        let payouts = self.clone();
        let approved = detached(async move {
            let (now, which) = (caller.ctx.now, (id, message.digest.as_str()));
            let reply =
                |plan: &_| proto::ApprovePlanResponse { plan: Some(plan_convert::plan(plan, now)) };
            payouts.approve_plan(&caller.ctx, which, key.as_ref(), reply).await
        });
        Ok(answered(approved.await?))
    }

    async fn list_payout_policies(
        &self,
        request: Request<proto::ListPayoutPoliciesRequest>,
    ) -> Result<Response<proto::ListPayoutPoliciesResponse>, Status> {
        let caller = caller(&request)?;
        let policies = self.policies(&caller.ctx).await?;
        let policies = policies.iter().map(policy).collect();
        let proposals = self.proposals(&caller.ctx).await?.iter().map(proposal).collect();
        Ok(Response::new(proto::ListPayoutPoliciesResponse { policies, proposals }))
    }

    async fn set_payout_policy(
        &self,
        request: Request<proto::SetPayoutPolicyRequest>,
    ) -> Result<Response<proto::SetPayoutPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let currency = message
            .currency_code
            .parse()
            .map_err(|_| invalid("currency_code", "must be an ISO 4217 code"))?;
        let wanted = Wanted::new(currency, message.above_minor, message.approvers.into())
            .map_err(Error::from)?;
        let payouts = self.clone();
        let set = detached(async move { payouts.set_policy(&caller.ctx, &wanted).await });
        let (holds, proposed) = set.await?;
        Ok(Response::new(proto::SetPayoutPolicyResponse {
            policy: Some(policy(&holds)),
            proposal: proposed.as_ref().map(proposal),
        }))
    }

    async fn confirm_payout_policy(
        &self,
        request: Request<proto::ConfirmPayoutPolicyRequest>,
    ) -> Result<Response<proto::ConfirmPayoutPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, CONFIRM, || message.encode_to_vec()).map_err(Error::from)?;
        let id = message.proposal_id.parse::<Uuid>();
        let id = id.map_err(|_| invalid("proposal_id", "must be a UUID"))?;
        let payouts = self.clone();
        let confirmed = detached(async move {
            let reply = |of: &_| proto::ConfirmPayoutPolicyResponse { policy: Some(policy(of)) };
            payouts.confirm_policy(&caller.ctx, id, key.as_ref(), reply).await
        });
        Ok(answered(confirmed.await?))
    }
}

fn proposal(proposal: &Proposal) -> proto::PolicyProposal {
    let wanted = &proposal.wanted;
    proto::PolicyProposal {
        proposal_id: proposal.id.to_string(),
        currency_code: wanted.currency.code().to_owned(),
        above_minor: wanted.above_minor,
        approvers: i32::try_from(wanted.approvers).unwrap_or(i32::MAX),
        proposed_by: proposal.proposed_by.to_string(),
        propose_time: Some(convert::time(proposal.proposed_at)),
    }
}

fn policy(policy: &PayoutPolicy) -> proto::PayoutPolicy {
    proto::PayoutPolicy {
        currency_code: policy.currency.code().to_owned(),
        above_minor: policy.above_minor,
        approvers: i32::try_from(policy.approvers).unwrap_or(i32::MAX),
        version: policy.version,
        updated_by: policy.updated_by.to_string(),
        update_time: Some(convert::time(policy.updated_at)),
    }
}
