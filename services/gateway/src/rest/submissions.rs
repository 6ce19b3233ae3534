//! Submissions: work that is handed in for a bounty.

use axum::extract::State;
use quittance_proto::{issues::v1 as wire, payouts::v1 as payouts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::bounty_payments::BountyPayout;
use crate::rest::issue::Issue;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(submit)).routes(routes!(approve)).routes(routes!(reject))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewSubmission {
    description: String,
    /// What the bounty asks to be shown.
    evidence: Option<String>,
    /// Your claim; when absent, your active one, or a new one is made.
    claim_id: Option<Uuid>,
}

/// Hands work in for a bounty. It becomes an issue of the product.
#[utoipa::path(
    post,
    path = "/api/bounties/{id}/submissions",
    operation_id = "createSubmission",
    tag = "bounties",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewSubmission,
    responses((status = 201, body = Issue))
)]
async fn submit(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(bounty): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<NewSubmission>,
) -> Result<Reply<Issue>, Problem> {
    let message = wire::CreateSubmissionRequest {
        request_id: key.request_id(),
        bounty_id: bounty.to_string(),
        description: body.description,
        evidence: body.evidence.unwrap_or_default(),
        claim_id: body.claim_id.map(|id| id.to_string()).unwrap_or_default(),
    };
    let reply = gateway.bounties().create_submission(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let issue = Issue::from(required(reply.issue, "issue")?);
    let (cycle, id) = (issue.cycle_id.as_str(), issue.id.as_str());
    let location = format!("/api/test-cycles/{cycle}/issues/{id}");
    let version = issue.version;
    Ok(Reply::created(&location, issue).version(version).remembered(&metadata))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubmissionApproval {
    /// Only for a profit share: other points than the bounty's.
    points: Option<i64>,
    /// Only for a fixed payment: on top of its value.
    tip_minor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Decided {
    issue: Issue,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Approved {
    issue: Issue,
    /// Null for a profit share, and when the payment could not be looked at just now: it begins
    /// nevertheless.
    payout: Option<BountyPayout>,
}

/// Approves a submission. A profit share gives points at once. A fixed payment is charged and paid
/// at once, or, when the gate of the product asks for it, once the work is verified; what else
/// stands against it is told, and it begins by itself when that has passed.
#[utoipa::path(
    post,
    path = "/api/submissions/{issueId}/approve",
    operation_id = "approveSubmission",
    tag = "bounties",
    params(
        ("issueId" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = SubmissionApproval,
    responses((status = 200, body = Approved))
)]
async fn approve(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(issue): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<SubmissionApproval>,
) -> Result<Reply<Approved>, Problem> {
    let message = wire::ApproveSubmissionRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        version,
        points: body.points,
        tip_minor: body.tip_minor,
    };
    let reply = gateway
        .bounties()
        .approve_submission(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let issue = Issue::from(required(reply.issue, "issue")?);
    let version = issue.version;
    let payout = pay(&caller, &gateway, issue.id.as_str()).await;
    Ok(Reply::ok(Approved { issue, payout }).version(version).remembered(&metadata))
}

/// Has the payment begin. What cannot be done now is done by the event of the approval, so that a
/// failure here is none of the approval's.
pub(crate) async fn pay(caller: &Caller, gateway: &Gateway, issue: &str) -> Option<BountyPayout> {
    let request = caller.request(payouts::PayBountyRequest { issue_id: issue.to_owned() });
    match gateway.bounty_pay().pay_bounty(request).await {
        Ok(reply) => reply.into_inner().payment.map(BountyPayout::from),
        Err(status) => {
            tracing::warn!(issue.id = issue, code = ?status.code(), "the payment begins later");
            None
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubmissionRejection {
    /// For its author to read.
    note: String,
}

/// Rejects a submission; the bounty has room for another claim.
#[utoipa::path(
    post,
    path = "/api/submissions/{issueId}/reject",
    operation_id = "rejectSubmission",
    tag = "bounties",
    params(
        ("issueId" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = SubmissionRejection,
    responses((status = 200, body = Decided))
)]
async fn reject(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(issue): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<SubmissionRejection>,
) -> Result<Reply<Decided>, Problem> {
    let message = wire::RejectSubmissionRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        version,
        note: body.note,
    };
    let reply = gateway
        .bounties()
        .reject_submission(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let issue = Issue::from(required(reply.issue, "issue")?);
    let version = issue.version;
    Ok(Reply::ok(Decided { issue }).version(version).remembered(&metadata))
}
