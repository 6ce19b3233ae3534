//! Payouts that are due on a date, for platform admins (S2-4 to S2-10).

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

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::shapes::{Id, Page, Patch, some, stamp, time};
use crate::state::Gateway;
use crate::words::{Method, ScheduleState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, cancel))
        .routes(routes!(trigger))
        .routes(routes!(of_placement))
        .routes(routes!(of_placement_as_the_seed_writes_it))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewSchedule {
    placement_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: String,
    method: Method,
    scheduled_date: DateTime<Utc>,
    /// Null or absent: there is no guarantee to wait for.
    guarantee_completion_date: Option<DateTime<Utc>>,
    reference: Option<String>,
    notes: Option<String>,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScheduleChange {
    payee_id: Option<Uuid>,
    /// With its currency.
    amount_minor: Option<i64>,
    currency: Option<String>,
    method: Option<Method>,
    scheduled_date: Option<DateTime<Utc>>,
    /// Null: there is no guarantee to wait for.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    guarantee_completion_date: Patch<DateTime<Utc>>,
    reference: Option<String>,
    notes: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    id: Id,
    placement_id: Id,
    payee_id: Id,
    amount_minor: i64,
    currency: String,
    #[schema(value_type = Method)]
    method: Option<Method>,
    reference: String,
    notes: String,
    #[schema(value_type = DateTime<Utc>)]
    scheduled_date: Option<DateTime<Utc>>,
    guarantee_completion_date: Option<DateTime<Utc>>,
    #[schema(value_type = ScheduleState)]
    status: Option<ScheduleState>,
    /// The last payout that was made of it.
    payout_id: Option<Id>,
    processed_at: Option<DateTime<Utc>>,
    /// Why it failed the last time.
    failure_reason: Option<String>,
    retry_count: i32,
    last_retry_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    next_attempt_at: Option<DateTime<Utc>>,
    /// What stood in its way when it was looked at.
    waiting_for: Vec<String>,
    /// The released hold whose money it pays.
    hold_id: Option<Id>,
    created_by: Id,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Schedule> for Schedule {
    fn from(of: wire::Schedule) -> Self {
        let amount = of.amount.unwrap_or_default();
        let waiting_for = of.waiting_for.split(',').filter(|word| !word.is_empty());
        Self {
            id: Id::new(of.schedule_id),
            placement_id: Id::new(of.placement_id),
            payee_id: Id::new(of.payee_id),
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            method: Method::read(of.method),
            reference: of.reference,
            notes: of.notes,
            scheduled_date: time(of.scheduled_date),
            guarantee_completion_date: time(of.guarantee_completion_date),
            status: ScheduleState::read(of.state),
            payout_id: Id::optional(of.payout_id),
            processed_at: time(of.process_time),
            failure_reason: some(of.failure_reason),
            retry_count: of.retry_count,
            last_retry_at: time(of.last_retry_time),
            next_attempt_at: time(of.next_attempt_time),
            waiting_for: waiting_for.map(str::to_owned).collect(),
            hold_id: Id::optional(of.hold_id),
            created_by: Id::new(of.created_by),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

fn reply(of: Option<wire::Schedule>) -> Result<Reply<Schedule>, Problem> {
    let schedule = Schedule::from(required(of, "schedule")?);
    let version = schedule.version;
    Ok(Reply::ok(schedule).version(version))
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ScheduleFilter {
    placement: Option<Uuid>,
    payee: Option<Uuid>,
    status: Option<ScheduleState>,
    /// Those that are looked at before then; the instant itself is excluded.
    due_before: Option<DateTime<Utc>>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// The pages of a list that the path has narrowed.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Pages {
    pub(super) page_size: Option<i32>,
    pub(super) page_token: Option<String>,
}

async fn page(
    caller: &Caller,
    gateway: &Gateway,
    filter: ScheduleFilter,
) -> Result<Json<Page<Schedule>>, Problem> {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let request = caller.request(wire::ListSchedulesRequest {
        placement_id: text(filter.placement),
        payee_id: text(filter.payee),
        state: filter.status.map(ScheduleState::number).unwrap_or_default(),
        due_before: filter.due_before.map(stamp),
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let found = gateway.schedules().list_schedules(request).await?.into_inner();
    Ok(Json(Page::of(found.schedules, found.next_page_token)))
}

/// Lists schedules, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/payout-schedules",
    operation_id = "listPayoutSchedules",
    tag = "schedules",
    params(ScheduleFilter),
    responses((status = 200, body = Page<Schedule>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<ScheduleFilter>,
) -> Result<Json<Page<Schedule>>, Problem> {
    page(&caller, &gateway, filter).await
}

/// Schedules a payout. It is due when its date is reached, its guarantee completed and no hold on it.
#[utoipa::path(
    post,
    path = "/api/v2/payout-schedules",
    operation_id = "createPayoutSchedule",
    tag = "schedules",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewSchedule,
    responses((status = 201, body = Schedule))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewSchedule>,
) -> Result<Reply<Schedule>, Problem> {
    let amount = common::Money { minor_units: body.amount_minor, currency_code: body.currency };
    let message = wire::CreateScheduleRequest {
        request_id: key.request_id(),
        placement_id: body.placement_id.to_string(),
        payee_id: body.payee_id.to_string(),
        amount: Some(amount),
        method: body.method.number(),
        reference: body.reference.unwrap_or_default(),
        notes: body.notes.unwrap_or_default(),
        scheduled_date: Some(stamp(body.scheduled_date)),
        guarantee_completion_date: body.guarantee_completion_date.map(stamp),
    };
    let request = key.request(&caller, message);
    let (metadata, created, _) = gateway.schedules().create_schedule(request).await?.into_parts();
    let schedule = Schedule::from(required(created.schedule, "schedule")?);
    let (version, at) =
        (schedule.version, format!("/api/v2/payout-schedules/{}", schedule.id.as_str()));
    Ok(Reply::created(&at, schedule).version(version).remembered(&metadata))
}

/// Shows a schedule.
#[utoipa::path(
    get,
    path = "/api/v2/payout-schedules/{id}",
    operation_id = "getPayoutSchedule",
    tag = "schedules",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Schedule))
)]
async fn get(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Schedule>, Problem> {
    let request = caller.request(wire::GetScheduleRequest { schedule_id: id.to_string() });
    reply(gateway.schedules().get_schedule(request).await?.into_inner().schedule)
}

/// Changes a schedule that is pending or failed.
#[utoipa::path(
    patch,
    path = "/api/v2/payout-schedules/{id}",
    operation_id = "updatePayoutSchedule",
    tag = "schedules",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = ScheduleChange,
    responses((status = 200, body = Schedule))
)]
async fn update(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<ScheduleChange>,
) -> Result<Reply<Schedule>, Problem> {
    let amount = match (body.amount_minor, body.currency) {
        (None, None) => None,
        (Some(minor_units), Some(currency_code)) => {
            Some(common::Money { minor_units, currency_code })
        }
        (Some(_), None) => return Err(Problem::required("currency")),
        (None, Some(_)) => return Err(Problem::required("amountMinor")),
    };
    let (guarantee, clear_guarantee) = match body.guarantee_completion_date {
        Patch::Absent => (None, false),
        Patch::Null => (None, true),
        Patch::Value(at) => (Some(stamp(at)), false),
    };
    let message = wire::UpdateScheduleRequest {
        request_id: key.request_id(),
        schedule_id: id.to_string(),
        version,
        payee_id: body.payee_id.map(|id| id.to_string()),
        amount,
        method: body.method.map(Method::number).unwrap_or_default(),
        reference: body.reference,
        notes: body.notes,
        scheduled_date: body.scheduled_date.map(stamp),
        guarantee_completion_date: guarantee,
        clear_guarantee,
    };
    let done = gateway.schedules().update_schedule(key.request(&caller, message)).await;
    let done = done.map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, done, _) = done.into_parts();
    Ok(reply(done.schedule)?.remembered(&metadata))
}

/// Gives up a schedule that is pending or failed. It stays, as `cancelled`.
#[utoipa::path(
    delete,
    path = "/api/v2/payout-schedules/{id}",
    operation_id = "cancelPayoutSchedule",
    tag = "schedules",
    params(("id" = Uuid, Path), ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Schedule))
)]
async fn cancel(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
) -> Result<Reply<Schedule>, Problem> {
    let message = wire::CancelScheduleRequest {
        request_id: key.request_id(),
        schedule_id: id.to_string(),
        version,
        reason: String::new(),
    };
    let done = gateway.schedules().cancel_schedule(key.request(&caller, message)).await;
    let done = done.map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, done, _) = done.into_parts();
    Ok(reply(done.schedule)?.remembered(&metadata))
}

/// Processes a schedule at once, whatever its date; failures are counted anew. A hold or a running
/// guarantee refuses it.
#[utoipa::path(
    post,
    path = "/api/v2/payout-schedules/{id}/trigger",
    operation_id = "triggerPayoutSchedule",
    tag = "schedules",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Schedule))
)]
async fn trigger(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<Schedule>, Problem> {
    let message =
        wire::TriggerScheduleRequest { request_id: key.request_id(), schedule_id: id.to_string() };
    let done = gateway.schedules().trigger_schedule(key.request(&caller, message)).await?;
    let (metadata, done, _) = done.into_parts();
    Ok(reply(done.schedule)?.remembered(&metadata))
}

fn of(placement: Uuid, pages: Pages) -> ScheduleFilter {
    let Pages { page_size, page_token } = pages;
    ScheduleFilter {
        placement: Some(placement),
        page_size,
        page_token,
        ..ScheduleFilter::default()
    }
}

/// Lists the schedules of a placement, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/placements/{placementId}/payout-schedules",
    operation_id = "listSchedulesOfPlacement",
    tag = "schedules",
    params(("placementId" = Uuid, Path), Pages),
    responses((status = 200, body = Page<Schedule>))
)]
async fn of_placement(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
    Params(pages): Params<Pages>,
) -> Result<Json<Page<Schedule>>, Problem> {
    page(&caller, &gateway, of(placement, pages)).await
}

/// The same.
#[utoipa::path(
    get,
    path = "/api/placements/{placementId}/payout-schedules",
    operation_id = "listSchedulesOfPlacementV1",
    tag = "schedules",
    params(("placementId" = Uuid, Path), Pages),
    responses((status = 200, body = Page<Schedule>))
)]
async fn of_placement_as_the_seed_writes_it(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(placement): Segments<Uuid>,
    Params(pages): Params<Pages>,
) -> Result<Json<Page<Schedule>>, Problem> {
    page(&caller, &gateway, of(placement, pages)).await
}
