//! Verifying many issues at once.

use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Body;
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(verify))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Verification {
    /// 1 to 100.
    issue_ids: Vec<Uuid>,
}

#[derive(Serialize, ToSchema)]
struct VerifyResults {
    results: Vec<VerifyResult>,
}

/// What became of one issue.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VerifyResult {
    issue_id: Id,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<Id>,
    /// Whether the issue can be paid now, when ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    payable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i64>,
    /// The stable reason, when not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<wire::VerifyResult> for VerifyResult {
    fn from(result: wire::VerifyResult) -> Self {
        Self {
            issue_id: Id::new(result.issue_id),
            ok: result.ok,
            resolved_at: time(result.resolve_time),
            verified_by: Id::optional(result.verified_by),
            payable: result.ok.then_some(result.payable),
            version: result.ok.then_some(result.version),
            code: some(result.code),
            detail: some(result.detail),
        }
    }
}

/// Verifies 1 to 100 issues; each stands for itself and has its own result.
#[utoipa::path(
    post,
    path = "/api/issues/bulk-verify",
    operation_id = "bulkVerify",
    tag = "issues",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Verification,
    responses((status = 200, body = VerifyResults))
)]
async fn verify(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<Verification>,
) -> Result<Reply<VerifyResults>, Problem> {
    let issue_ids = body.issue_ids.iter().map(Uuid::to_string).collect();
    let message = wire::BulkVerifyRequest { request_id: key.request_id(), issue_ids };
    let reply = gateway.issues().bulk_verify(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let results = reply.results.into_iter().map(VerifyResult::from).collect();
    Ok(Reply::ok(VerifyResults { results }).remembered(&metadata))
}
