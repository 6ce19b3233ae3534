//! Payouts: movements of money.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, Page, time};
use crate::state::Gateway;
use crate::words::{Method, PayoutState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// One movement of money to one payee in one currency by one method.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payout {
    id: Id,
    /// Null for a single payment.
    batch_id: Option<Id>,
    payee_id: Id,
    /// What was paid: the items' sum less `nettedMinor`.
    amount_minor: i64,
    currency: String,
    /// What the payee owed and was kept back.
    netted_minor: i64,
    #[schema(value_type = Method)]
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
    issue_id: Id,
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
            issue_id: Id::new(item.issue_id),
            amount_minor: money.minor_units,
            currency: money.currency_code,
            live: item.live,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PayoutFilter {
    payee: Option<Uuid>,
    status: Option<PayoutState>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists payouts, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/list",
    operation_id = "listPayouts",
    tag = "payouts",
    params(PayoutFilter),
    responses((status = 200, body = Page<Payout>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<PayoutFilter>,
) -> Result<Json<Page<Payout>>, Problem> {
    let request = caller.request(wire::ListPayoutsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        payee_id: filter.payee.map(|id| id.to_string()).unwrap_or_default(),
        state: filter.status.map(PayoutState::number).unwrap_or_default(),
    });
    let reply = gateway.payouts().list_payouts(request).await?.into_inner();
    Ok(Json(Page::of(reply.payouts, reply.next_page_token)))
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
