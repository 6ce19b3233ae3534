//! Money of placements that is kept back, for platform admins (S2-21 to S2-26).

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::held::Hold;
use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::shapes::{Page, Patch, stamp};
use crate::state::Gateway;
use crate::words::{HoldState, Method};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, remove))
        .routes(routes!(release))
        .routes(routes!(cancel))
        .merge(super::held::routes())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewHold {
    placement_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: String,
    reason: String,
    /// When it is released by itself; null or absent: when somebody releases it.
    release_scheduled_date: Option<DateTime<Utc>>,
    /// The schedule that it keeps back; null or absent: all of the placement.
    schedule_id: Option<Uuid>,
    /// How its money is paid once it is released; null or absent: it only keeps schedules back.
    method: Option<Method>,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HoldChange {
    reason: Option<String>,
    /// Null: only somebody releases it.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    release_scheduled_date: Patch<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReleaseHold {
    /// All of it, when absent.
    amount_minor: Option<i64>,
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CancelHold {
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EndedHold {
    #[serde(flatten)]
    hold: Hold,
    /// The part that was split off and released; null when it was all, or cancelled.
    released: Option<Hold>,
    /// Schedules that became due by it.
    unblocked_schedules: i64,
}

fn reply(of: Option<wire::Hold>) -> Result<Reply<Hold>, Problem> {
    let hold = Hold::from(required(of, "hold")?);
    let version = hold.version;
    Ok(Reply::ok(hold).version(version))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HoldFilter {
    placement: Option<Uuid>,
    schedule: Option<Uuid>,
    status: Option<HoldState>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists holds, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/escrow-holds",
    operation_id = "listEscrowHolds",
    tag = "holds",
    params(HoldFilter),
    responses((status = 200, body = Page<Hold>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<HoldFilter>,
) -> Result<Json<Page<Hold>>, Problem> {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let request = caller.request(wire::ListHoldsRequest {
        placement_id: text(filter.placement),
        schedule_id: text(filter.schedule),
        state: filter.status.map(HoldState::number).unwrap_or_default(),
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let found = gateway.escrow().list_holds(request).await?.into_inner();
    Ok(Json(Page::of(found.holds, found.next_page_token)))
}

/// Keeps money of a placement back: while it is active, its schedule, or all schedules of the
/// placement, are not paid.
#[utoipa::path(
    post,
    path = "/api/v2/escrow-holds",
    operation_id = "createEscrowHold",
    tag = "holds",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewHold,
    responses((status = 201, body = Hold))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewHold>,
) -> Result<Reply<Hold>, Problem> {
    let amount = common::Money { minor_units: body.amount_minor, currency_code: body.currency };
    let message = wire::CreateHoldRequest {
        request_id: key.request_id(),
        placement_id: body.placement_id.to_string(),
        schedule_id: body.schedule_id.map(|id| id.to_string()).unwrap_or_default(),
        payee_id: body.payee_id.to_string(),
        amount: Some(amount),
        method: body.method.map(Method::number).unwrap_or_default(),
        reason: body.reason,
        release_scheduled_date: body.release_scheduled_date.map(stamp),
    };
    let created = gateway.escrow().create_hold(key.request(&caller, message)).await?;
    let (metadata, created, _) = created.into_parts();
    let hold = Hold::from(required(created.hold, "hold")?);
    let (version, at) = (hold.version, format!("/api/v2/escrow-holds/{}", hold.id.as_str()));
    Ok(Reply::created(&at, hold).version(version).remembered(&metadata))
}

/// Shows a hold.
#[utoipa::path(
    get,
    path = "/api/v2/escrow-holds/{id}",
    operation_id = "getEscrowHold",
    tag = "holds",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Hold))
)]
async fn get(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Hold>, Problem> {
    let request = caller.request(wire::GetHoldRequest { hold_id: id.to_string() });
    reply(gateway.escrow().get_hold(request).await?.into_inner().hold)
}

/// Changes a hold while it is active.
#[utoipa::path(
    patch,
    path = "/api/v2/escrow-holds/{id}",
    operation_id = "updateEscrowHold",
    tag = "holds",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)
    ),
    request_body = HoldChange,
    responses((status = 200, body = Hold))
)]
async fn update(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<HoldChange>,
) -> Result<Reply<Hold>, Problem> {
    let (at, clear_release) = match body.release_scheduled_date {
        Patch::Absent => (None, false),
        Patch::Null => (None, true),
        Patch::Value(at) => (Some(stamp(at)), false),
    };
    let message = wire::UpdateHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version,
        reason: body.reason,
        release_scheduled_date: at,
        clear_release,
    };
    let done = gateway.escrow().update_hold(key.request(&caller, message)).await;
    let done = done.map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, done, _) = done.into_parts();
    Ok(reply(done.hold)?.remembered(&metadata))
}

/// Cancels a hold. It stays, as `cancelled`.
#[utoipa::path(
    delete,
    path = "/api/v2/escrow-holds/{id}",
    operation_id = "deleteEscrowHold",
    tag = "holds",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)
    ),
    responses((status = 200, body = Hold))
)]
async fn remove(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
) -> Result<Reply<Hold>, Problem> {
    let message = wire::CancelHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version,
        reason: "deleted".to_owned(),
    };
    let done = gateway.escrow().cancel_hold(key.request(&caller, message)).await;
    let done = done.map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, done, _) = done.into_parts();
    Ok(reply(done.hold)?.remembered(&metadata))
}

/// Releases a hold, or a part of it: schedules without another hold become due at once.
#[utoipa::path(
    post,
    path = "/api/v2/escrow-holds/{id}/release",
    operation_id = "releaseEscrowHold",
    tag = "holds",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ReleaseHold,
    responses((status = 200, body = EndedHold))
)]
async fn release(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<ReleaseHold>,
) -> Result<Reply<EndedHold>, Problem> {
    // Zero would mean all of it to the service.
    if body.amount_minor.is_some_and(|minor| minor <= 0) {
        return Err(Problem::field("INVALID_AMOUNT", "amountMinor", "must be greater than zero"));
    }
    let message = wire::ReleaseHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version: 0,
        amount_minor: body.amount_minor.unwrap_or_default(),
        reason: body.reason,
    };
    let done = gateway.escrow().release_hold(key.request(&caller, message)).await?;
    let (metadata, done, _) = done.into_parts();
    let hold = Hold::from(required(done.hold, "hold")?);
    let version = hold.version;
    let released = done.part.map(Hold::from);
    let ended = EndedHold { hold, released, unblocked_schedules: done.unblocked_schedules };
    Ok(Reply::ok(ended).version(version).remembered(&metadata))
}

/// Takes a hold back: nothing of it is paid, and schedules without another hold become due at once.
#[utoipa::path(
    post,
    path = "/api/v2/escrow-holds/{id}/cancel",
    operation_id = "cancelEscrowHold",
    tag = "holds",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CancelHold,
    responses((status = 200, body = EndedHold))
)]
async fn cancel(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<CancelHold>,
) -> Result<Reply<EndedHold>, Problem> {
    let message = wire::CancelHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version: 0,
        reason: body.reason,
    };
    let done = gateway.escrow().cancel_hold(key.request(&caller, message)).await?;
    let (metadata, done, _) = done.into_parts();
    let hold = Hold::from(required(done.hold, "hold")?);
    let version = hold.version;
    let ended = EndedHold { hold, released: None, unblocked_schedules: done.unblocked_schedules };
    Ok(Reply::ok(ended).version(version).remembered(&metadata))
}
