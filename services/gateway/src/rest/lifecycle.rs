//! What can still happen to a payout after it was made: void, return, cancel. And the void of what
//! is owed and not paid.

use axum::extract::State;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::payouts::Payout;
use crate::rest::shapes::{Amount, Id, Total, ids, totals};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(void))
        .routes(routes!(give_back))
        .routes(routes!(cancel))
        .routes(routes!(void_earnings))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VoidPayout {
    reason: String,
    /// Everything that is still paid, when absent.
    issue_ids: Option<Vec<Uuid>>,
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Because {
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VoidEarnings {
    issue_ids: Vec<Uuid>,
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VoidedPayout {
    payout: Payout,
    /// What became void now.
    issue_ids: Vec<Id>,
    /// What the payee owes for it.
    receivable: Amount,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UndonePayout {
    payout: Payout,
    /// What can be paid again.
    issue_ids: Vec<Id>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VoidedEarnings {
    issue_ids: Vec<Id>,
    /// What is no longer owed.
    totals: Vec<Total>,
}

fn texts(issues: &[Uuid]) -> Vec<String> {
    issues.iter().map(Uuid::to_string).collect()
}

fn undone(
    payout: Option<wire::Payout>,
    issues: Vec<String>,
    metadata: &MetadataMap,
) -> Result<Reply<UndonePayout>, Problem> {
    let payout = Payout::from(required(payout, "payout")?);
    let version = payout.version;
    let undone = UndonePayout { payout, issue_ids: ids(issues) };
    Ok(Reply::ok(undone).version(version).remembered(metadata))
}

/// Declares a paid payout, or some of its issues, void: the payment stays visible, and the payee
/// owes the money back.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/void",
    operation_id = "voidPayout",
    tag = "payouts",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = VoidPayout,
    responses((status = 200, body = VoidedPayout))
)]
async fn void(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<VoidPayout>,
) -> Result<Reply<VoidedPayout>, Problem> {
    // An empty list would mean everything to the service, and nothing to whoever wrote it.
    if body.issue_ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(Problem::invalid("issueIds", "must not be empty; leave it out to void all"));
    }
    let message = wire::VoidPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        reason: body.reason,
        issue_ids: texts(&body.issue_ids.unwrap_or_default()),
    };
    let reply = gateway.lifecycle().void_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = Payout::from(required(reply.payout, "payout")?);
    let receivable = Amount::from(required(reply.receivable, "receivable")?);
    let version = payout.version;
    let voided = VoidedPayout { payout, issue_ids: ids(reply.issue_ids), receivable };
    Ok(Reply::ok(voided).version(version).remembered(&metadata))
}

/// Notes that the money of a payout came back: its issues can be paid again.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/return",
    operation_id = "returnPayout",
    tag = "payouts",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Because,
    responses((status = 200, body = UndonePayout))
)]
async fn give_back(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<Because>,
) -> Result<Reply<UndonePayout>, Problem> {
    let message = wire::ReturnPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        reason: body.reason,
    };
    let reply = gateway.lifecycle().return_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    undone(reply.payout, reply.issue_ids, &metadata)
}

/// Gives up a payout that was approved and not paid.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/cancel",
    operation_id = "cancelPayout",
    tag = "payouts",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Because,
    responses((status = 200, body = UndonePayout))
)]
async fn cancel(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<Because>,
) -> Result<Reply<UndonePayout>, Problem> {
    let message = wire::CancelPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        reason: body.reason,
    };
    let reply = gateway.lifecycle().cancel_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    undone(reply.payout, reply.issue_ids, &metadata)
}

/// Declares void what is owed for issues and not paid, all or nothing.
#[utoipa::path(
    post,
    path = "/api/admin/earnings/void",
    operation_id = "voidEarnings",
    tag = "payouts",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = VoidEarnings,
    responses((status = 200, body = VoidedEarnings))
)]
async fn void_earnings(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<VoidEarnings>,
) -> Result<Reply<VoidedEarnings>, Problem> {
    let message = wire::VoidEarningsRequest {
        request_id: key.request_id(),
        issue_ids: texts(&body.issue_ids),
        reason: body.reason,
    };
    let reply = gateway.lifecycle().void_earnings(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let voided = VoidedEarnings { issue_ids: ids(reply.issue_ids), totals: totals(reply.totals) };
    Ok(Reply::ok(voided).remembered(&metadata))
}
