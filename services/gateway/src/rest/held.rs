//! Holds as they are shown, and what is held of a placement.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::schedules::Pages;
use crate::auth::Caller;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;
use crate::words::{HoldState, Method};

pub(super) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(of_placement))
        .routes(routes!(of_placement_as_the_seed_writes_it))
        .routes(routes!(total))
        .routes(routes!(total_as_the_seed_writes_it))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hold {
    pub(super) id: Id,
    placement_id: Id,
    /// Null: it keeps back all schedules of the placement.
    schedule_id: Option<Id>,
    payee_id: Id,
    amount_minor: i64,
    currency: String,
    /// How its money is paid once it is released; null: it only keeps schedules back.
    method: Option<Method>,
    reason: String,
    release_scheduled_date: Option<DateTime<Utc>>,
    #[schema(value_type = HoldState)]
    status: Option<HoldState>,
    /// The hold that it was split off from.
    parent_id: Option<Id>,
    /// When it was released or cancelled.
    ended_at: Option<DateTime<Utc>>,
    /// By whom; null when its time had come.
    ended_by: Option<Id>,
    end_reason: Option<String>,
    created_by: Id,
    pub(super) version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Hold> for Hold {
    fn from(of: wire::Hold) -> Self {
        let amount = of.amount.unwrap_or_default();
        Self {
            id: Id::new(of.hold_id),
            placement_id: Id::new(of.placement_id),
            schedule_id: Id::optional(of.schedule_id),
            payee_id: Id::new(of.payee_id),
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            method: Method::read(of.method),
            reason: of.reason,
            release_scheduled_date: time(of.release_scheduled_date),
            status: HoldState::read(of.state),
            parent_id: Id::optional(of.parent_id),
            ended_at: time(of.end_time),
            ended_by: Id::optional(of.ended_by),
            end_reason: some(of.end_reason),
            created_by: Id::new(of.created_by),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

/// What was held of a placement, in one currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeldTotal {
    #[schema(example = "USD")]
    currency: String,
    active_minor: i64,
    released_minor: i64,
    cancelled_minor: i64,
    active_count: i64,
}

#[derive(Serialize, ToSchema)]
struct HeldTotals {
    totals: Vec<HeldTotal>,
}

async fn page(
    caller: &Caller,
    gateway: &Gateway,
    placement: Uuid,
    pages: Pages,
) -> Result<Json<Page<Hold>>, Problem> {
    let request = caller.request(wire::ListHoldsRequest {
        placement_id: placement.to_string(),
        schedule_id: String::new(),
        state: 0,
        page_size: pages.page_size.unwrap_or_default(),
        page_token: pages.page_token.unwrap_or_default(),
    });
    let found = gateway.escrow().list_holds(request).await?.into_inner();
    Ok(Json(Page::of(found.holds, found.next_page_token)))
}

async fn sums(
    caller: &Caller,
    gateway: &Gateway,
    placement: Uuid,
) -> Result<Json<HeldTotals>, Problem> {
    let message = wire::GetHeldTotalRequest { placement_id: placement.to_string() };
    let found = gateway.escrow().get_held_total(caller.request(message)).await?.into_inner();
    let total = |of: wire::HeldTotal| HeldTotal {
        currency: of.currency_code,
        active_minor: of.active_minor,
        released_minor: of.released_minor,
        cancelled_minor: of.cancelled_minor,
        active_count: of.active_count,
    };
    Ok(Json(HeldTotals { totals: found.totals.into_iter().map(total).collect() }))
}

/// Lists the holds of a placement, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/placements/{placementId}/escrow-holds",
    operation_id = "listHoldsOfPlacement",
    tag = "holds",
    params(("placementId" = Uuid, Path), Pages),
    responses((status = 200, body = Page<Hold>))
)]
async fn of_placement(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
    Params(pages): Params<Pages>,
) -> Result<Json<Page<Hold>>, Problem> {
    page(&caller, &gateway, placement, pages).await
}

/// The same.
#[utoipa::path(
    get,
    path = "/api/placements/{placementId}/escrow-holds",
    operation_id = "listHoldsOfPlacementV1",
    tag = "holds",
    params(("placementId" = Uuid, Path), Pages),
    responses((status = 200, body = Page<Hold>))
)]
async fn of_placement_as_the_seed_writes_it(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
    Params(pages): Params<Pages>,
) -> Result<Json<Page<Hold>>, Problem> {
    page(&caller, &gateway, placement, pages).await
}

/// Sums up what was held of a placement, by currency.
#[utoipa::path(
    get,
    path = "/api/v2/placements/{placementId}/escrow-holds/total",
    operation_id = "getHeldTotal",
    tag = "holds",
    params(("placementId" = Uuid, Path)),
    responses((status = 200, body = HeldTotals))
)]
async fn total(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
) -> Result<Json<HeldTotals>, Problem> {
    sums(&caller, &gateway, placement).await
}

/// The same.
#[utoipa::path(
    get,
    path = "/api/placements/{placementId}/escrow-holds/total",
    operation_id = "getHeldTotalV1",
    tag = "holds",
    params(("placementId" = Uuid, Path)),
    responses((status = 200, body = HeldTotals))
)]
async fn total_as_the_seed_writes_it(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
) -> Result<Json<HeldTotals>, Problem> {
    sums(&caller, &gateway, placement).await
}
