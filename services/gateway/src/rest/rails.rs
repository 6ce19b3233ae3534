//! Payouts that a provider executes: how far a batch is, and trying again.

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
use crate::rest::payouts::Payout;
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;
use crate::words::PayoutState;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(batch)).routes(routes!(retry))
}

/// How far a batch is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutBatch {
    id: Id,
    /// `processing`, `completed`, `partially_completed` or `failed`.
    status: String,
    item_count: i64,
    /// How many payouts are in each state, as of now.
    counts: Vec<BatchCount>,
    created_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BatchCount {
    #[schema(value_type = PayoutState)]
    status: Option<PayoutState>,
    count: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryPayout {}

/// Shows how far a batch is.
#[utoipa::path(
    get,
    path = "/api/admin/payout-batches/{id}",
    operation_id = "getPayoutBatch",
    tag = "payouts",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = PayoutBatch))
)]
async fn batch(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<PayoutBatch>, Problem> {
    let message = wire::GetBatchRequest { batch_id: id.to_string() };
    let reply = gateway.rails().get_batch(caller.request(message)).await?.into_inner();
    let count = |count: wire::BatchCount| BatchCount {
        status: PayoutState::read(count.state),
        count: count.count,
    };
    Ok(Reply::ok(PayoutBatch {
        id: Id::new(reply.batch_id),
        status: reply.state,
        item_count: reply.item_count,
        counts: reply.counts.into_iter().map(count).collect(),
        created_by: Id::new(reply.created_by),
        created_at: time(reply.create_time),
    }))
}

/// Has a failed payout paid by its provider once more, to the account of now.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/retry",
    operation_id = "retryPayout",
    tag = "payouts",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RetryPayout,
    responses((status = 200, body = Payout))
)]
async fn retry(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(RetryPayout {}): Body<RetryPayout>,
) -> Result<Reply<Payout>, Problem> {
    let message =
        wire::RetryPayoutRequest { request_id: key.request_id(), payout_id: id.to_string() };
    let reply = gateway.rails().retry_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = Payout::from(required(reply.payout, "payout")?);
    let version = payout.version;
    Ok(Reply::ok(payout).version(version).remembered(&metadata))
}
