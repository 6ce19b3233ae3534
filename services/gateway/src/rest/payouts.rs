//! Payouts: movements of money.

use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;
use crate::words::{Method, PayoutState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(one))
}

/// One movement of money to one payee in one currency by one method.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payout {
    pub(super) id: Id,
    /// Null for a single payment.
    batch_id: Option<Id>,
    payee_id: Id,
    /// What was paid: the items' sum less `nettedMinor`.
    amount_minor: i64,
    currency: String,
    /// What the payee owed and was kept back.
    netted_minor: i64,
    /// Null until it is known how the money moves.
    method: Option<Method>,
    reference: String,
    #[schema(value_type = PayoutState)]
    status: Option<PayoutState>,
    item_count: i32,
    paid_at: Option<DateTime<Utc>>,
    created_by: Option<Id>,
    pub(super) version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Payout> for Payout {
    fn from(payout: wire::Payout) -> Self {
        let money = payout.amount.unwrap_or_default();
        Self {
            id: Id::new(payout.payout_id),
            batch_id: Id::optional(payout.batch_id),
            payee_id: Id::new(payout.payee_id),
            amount_minor: money.minor_units,
            currency: money.currency_code,
            netted_minor: payout.netted_minor,
            method: Method::read(payout.method),
            reference: payout.reference,
            status: PayoutState::read(payout.state),
            item_count: payout.item_count,
            paid_at: time(payout.pay_time),
            created_by: Id::optional(payout.created_by),
            version: payout.version,
            created_at: time(payout.create_time),
            updated_at: time(payout.update_time),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutDetail {
    #[serde(flatten)]
    payout: Payout,
    /// The first 1,000; `itemCount` tells how many there are.
    items: Vec<PayoutItem>,
    /// What happened to it after it was made, in order.
    steps: Vec<PayoutStep>,
}

/// One step of a payout.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutStep {
    #[schema(value_type = PayoutState)]
    from: Option<PayoutState>,
    /// As `from` when only some items became void.
    #[schema(value_type = PayoutState)]
    to: Option<PayoutState>,
    reason: String,
    actor_id: Id,
    #[schema(value_type = DateTime<Utc>)]
    at: Option<DateTime<Utc>>,
    item_count: i32,
    amount_minor: i64,
    currency: String,
}

impl From<wire::PayoutStep> for PayoutStep {
    fn from(step: wire::PayoutStep) -> Self {
        let money = step.amount.unwrap_or_default();
        Self {
            from: PayoutState::read(step.from),
            to: PayoutState::read(step.to),
            reason: step.reason,
            actor_id: Id::new(step.actor_id),
            at: time(step.time),
            item_count: step.item_count,
            amount_minor: money.minor_units,
            currency: money.currency_code,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutItem {
    id: Id,
    earning_id: Id,
    /// Null for what no issue has earned.
    issue_id: Option<Id>,
    amount_minor: i64,
    currency: String,
    /// Whether it still counts: not void, not returned, not cancelled.
    live: bool,
}

impl From<wire::PayoutItem> for PayoutItem {
    fn from(item: wire::PayoutItem) -> Self {
        let money = item.amount.unwrap_or_default();
        Self {
            id: Id::new(item.payout_item_id),
            earning_id: Id::new(item.earning_id),
            issue_id: Id::optional(item.issue_id),
            amount_minor: money.minor_units,
            currency: money.currency_code,
            live: item.live,
        }
    }
}

/// Gets a payout with what it covers and what happened to it.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/{id}",
    operation_id = "getPayout",
    tag = "payouts",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = PayoutDetail))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<PayoutDetail>, Problem> {
    let request = caller.request(wire::GetPayoutRequest { payout_id: id.to_string() });
    let reply = gateway.payouts().get_payout(request).await?.into_inner();
    let payout = Payout::from(required(reply.payout, "payout")?);
    let version = payout.version;
    let items = reply.items.into_iter().map(PayoutItem::from).collect();
    let steps = reply.steps.into_iter().map(PayoutStep::from).collect();
    Ok(Reply::ok(PayoutDetail { payout, items, steps }).version(version))
}
