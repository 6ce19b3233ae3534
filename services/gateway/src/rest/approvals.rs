//! Approvals of plans by others than their authors, and the amounts from which they are needed.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::plans::Plan;
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(approve))
        .routes(routes!(policies, set_policy))
        .routes(routes!(confirm))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanApprovalRequest {
    /// Of the plan as you have seen it.
    digest: String,
}

/// Approves an open plan of somebody else as it was shown. To approve it again changes nothing.
#[utoipa::path(
    post,
    path = "/api/admin/payout-plans/{id}/approve",
    operation_id = "approvePlan",
    tag = "plans",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = PlanApprovalRequest,
    responses((status = 200, body = Plan))
)]
async fn approve(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<PlanApprovalRequest>,
) -> Result<Reply<Plan>, Problem> {
    let message = wire::ApprovePlanRequest {
        request_id: key.request_id(),
        plan_id: id.to_string(),
        digest: body.digest,
    };
    let reply = gateway.approvals().approve_plan(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let plan = required(reply.plan, "plan")?;
    let version = plan.version;
    Ok(Reply::ok(Plan::from(plan)).version(version).remembered(&metadata))
}

/// What needs approvals in one currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutPolicy {
    /// ISO 4217.
    #[schema(example = "KZT")]
    currency: String,
    /// Payments of more than this, in minor units, need a plan that was approved.
    above_minor: i64,
    /// By how many others than its author; 0 is none.
    approvers: i32,
    version: i64,
    updated_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::PayoutPolicy> for PayoutPolicy {
    fn from(policy: wire::PayoutPolicy) -> Self {
        Self {
            currency: policy.currency_code,
            above_minor: policy.above_minor,
            approvers: policy.approvers,
            version: policy.version,
            updated_by: Id::new(policy.updated_by),
            updated_at: time(policy.update_time),
        }
    }
}

/// A policy that asks for less than the one that holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PolicyProposal {
    id: Id,
    /// ISO 4217.
    #[schema(example = "KZT")]
    currency: String,
    above_minor: i64,
    approvers: i32,
    /// Another admin has to confirm it.
    proposed_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    proposed_at: Option<DateTime<Utc>>,
}

impl From<wire::PolicyProposal> for PolicyProposal {
    fn from(proposal: wire::PolicyProposal) -> Self {
        Self {
            id: Id::new(proposal.proposal_id),
            currency: proposal.currency_code,
            above_minor: proposal.above_minor,
            approvers: proposal.approvers,
            proposed_by: Id::new(proposal.proposed_by),
            proposed_at: time(proposal.propose_time),
        }
    }
}

/// What holds after a policy was set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PolicySet {
    #[serde(flatten)]
    policy: PayoutPolicy,
    /// What was asked for, if it waits for another admin; null if it holds.
    proposal: Option<PolicyProposal>,
}

#[derive(Serialize, ToSchema)]
struct PayoutPolicies {
    items: Vec<PayoutPolicy>,
    /// What waits for another admin.
    proposals: Vec<PolicyProposal>,
}

/// Lists the amounts from which plans need approvals, one per currency.
#[utoipa::path(
    get,
    path = "/api/admin/payout-policies",
    operation_id = "listPayoutPolicies",
    tag = "plans",
    responses((status = 200, body = PayoutPolicies))
)]
async fn policies(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<PayoutPolicies>, Problem> {
    let request = caller.request(wire::ListPayoutPoliciesRequest {});
    let reply = gateway.approvals().list_payout_policies(request).await?.into_inner();
    Ok(Json(PayoutPolicies {
        items: reply.policies.into_iter().map(Into::into).collect(),
        proposals: reply.proposals.into_iter().map(Into::into).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedPolicy {
    /// ISO 4217.
    #[schema(example = "KZT")]
    currency: String,
    /// Not negative.
    above_minor: i64,
    /// 0 to 10.
    approvers: i32,
}

/// Sets the amount from which plans need approvals in one currency. Holds at once, for plans that
/// are open too, unless it asks for less than before: then another admin has to confirm it.
#[utoipa::path(
    put,
    path = "/api/admin/payout-policies",
    operation_id = "setPayoutPolicy",
    tag = "plans",
    request_body = WantedPolicy,
    responses((status = 200, body = PolicySet))
)]
async fn set_policy(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<WantedPolicy>,
) -> Result<Reply<PolicySet>, Problem> {
    let request = caller.request(wire::SetPayoutPolicyRequest {
        currency_code: body.currency,
        above_minor: body.above_minor,
        approvers: body.approvers,
    });
    let reply = gateway.approvals().set_payout_policy(request).await?.into_inner();
    let proposal = reply.proposal.map(PolicyProposal::from);
    Ok(Reply::ok(PolicySet { policy: required(reply.policy, "policy")?.into(), proposal }))
}

/// Confirms a policy that another admin has proposed; it holds from then on.
#[utoipa::path(
    post,
    path = "/api/admin/payout-policies/{id}/confirm",
    operation_id = "confirmPayoutPolicy",
    tag = "plans",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = PayoutPolicy))
)]
async fn confirm(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<PayoutPolicy>, Problem> {
    let (request_id, proposal_id) = (key.request_id(), id.to_string());
    let message = wire::ConfirmPayoutPolicyRequest { request_id, proposal_id };
    let reply = gateway.approvals().confirm_payout_policy(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let policy = PayoutPolicy::from(required(reply.policy, "policy")?);
    Ok(Reply::ok(policy).remembered(&metadata))
}
