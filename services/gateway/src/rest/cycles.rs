//! Test cycles: time-boxed sweeps of a product.

mod body;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
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
use crate::rest::rates;
use crate::rest::shapes::{Id, Page, Patch, Total, ids, time, totals};
use crate::state::Gateway;
use crate::words::{CycleStatus, GateSource};

use body::{CycleChange, NewCycle, gate};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change))
        .routes(routes!(sums))
        .routes(routes!(preview))
        .merge(rates::routes())
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cycle {
    id: Id,
    product_id: Id,
    name: String,
    #[schema(value_type = CycleStatus)]
    status: Option<CycleStatus>,
    /// What the cycle itself says; null follows the product.
    requires_verification: Option<bool>,
    effective_gate: bool,
    #[schema(value_type = GateSource)]
    gate_source: Option<GateSource>,
    /// Overrides of the default rates; null when there are none.
    payout_rates: Option<PayoutRates>,
    lead_ids: Vec<Id>,
    member_ids: Vec<Id>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// Rates by severity, in minor units.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PayoutRates {
    critical: Option<i64>,
    high: Option<i64>,
    medium: Option<i64>,
    low: Option<i64>,
    /// `KZT` when absent. Another currency must give all four rates.
    currency: Option<String>,
}

impl From<wire::Cycle> for Cycle {
    fn from(cycle: wire::Cycle) -> Self {
        Self {
            requires_verification: match cycle.gate() {
                wire::GateSetting::Required => Some(true),
                wire::GateSetting::NotRequired => Some(false),
                wire::GateSetting::Inherit | wire::GateSetting::Unspecified => None,
            },
            id: Id::new(cycle.cycle_id),
            product_id: Id::new(cycle.product_id),
            name: cycle.name,
            status: CycleStatus::read(cycle.status),
            effective_gate: cycle.effective_gate,
            gate_source: GateSource::read(cycle.gate_source),
            payout_rates: cycle.payout_rates.map(PayoutRates::from),
            lead_ids: ids(cycle.lead_ids),
            member_ids: ids(cycle.member_ids),
            version: cycle.version,
            created_at: time(cycle.create_time),
            updated_at: time(cycle.update_time),
        }
    }
}

impl From<wire::PayoutRates> for PayoutRates {
    fn from(rates: wire::PayoutRates) -> Self {
        Self {
            critical: rates.critical,
            high: rates.high,
            medium: rates.medium,
            low: rates.low,
            currency: Some(rates.currency_code),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CycleFilter {
    product: Option<Uuid>,
    #[param(inline)]
    status: Option<CycleStatus>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists the cycles of the organization.
#[utoipa::path(
    get,
    path = "/api/test-cycles",
    operation_id = "listCycles",
    tag = "test cycles",
    params(CycleFilter),
    responses((status = 200, body = Page<Cycle>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<CycleFilter>,
) -> Result<Json<Page<Cycle>>, Problem> {
    let request = caller.request(wire::ListCyclesRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        product_id: filter.product.map(|id| id.to_string()).unwrap_or_default(),
        status: filter.status.map(CycleStatus::number).unwrap_or_default(),
    });
    let reply = gateway.cycles().list_cycles(request).await?.into_inner();
    Ok(Json(Page::of(reply.cycles, reply.next_page_token)))
}

/// Creates a cycle.
#[utoipa::path(
    post,
    path = "/api/test-cycles",
    operation_id = "createCycle",
    tag = "test cycles",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewCycle,
    responses((status = 201, body = Cycle))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewCycle>,
) -> Result<Reply<Cycle>, Problem> {
    let message = body.message(&key);
    let reply = gateway.cycles().create_cycle(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let cycle = Cycle::from(required(reply.cycle, "cycle")?);
    let (location, version) = (format!("/api/test-cycles/{}", cycle.id.as_str()), cycle.version);
    Ok(Reply::created(&location, cycle).version(version).remembered(&metadata))
}

/// Gets a cycle.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}",
    operation_id = "getCycle",
    tag = "test cycles",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Cycle))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Cycle>, Problem> {
    let request = caller.request(wire::GetCycleRequest { cycle_id: id.to_string() });
    let reply = gateway.cycles().get_cycle(request).await?.into_inner();
    let cycle = Cycle::from(required(reply.cycle, "cycle")?);
    let version = cycle.version;
    Ok(Reply::ok(cycle).version(version))
}

/// Changes a cycle: name, status, gate, rates, people. What is absent stays.
#[utoipa::path(
    patch,
    path = "/api/test-cycles/{id}",
    operation_id = "updateCycle",
    tag = "test cycles",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = CycleChange,
    responses((status = 200, body = Cycle))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<CycleChange>,
) -> Result<Reply<Cycle>, Problem> {
    let message = body.message(id, version, &key);
    let reply = gateway
        .cycles()
        .update_cycle(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let cycle = Cycle::from(required(reply.cycle, "cycle")?);
    let version = cycle.version;
    Ok(Reply::ok(cycle).version(version).remembered(&metadata))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CycleTotals {
    approved_unpaid: Vec<Total>,
    paid: Vec<Total>,
    /// Both together.
    committed: Vec<Total>,
}

/// Sums of a cycle by currency.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/totals",
    operation_id = "getCycleTotals",
    tag = "test cycles",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = CycleTotals))
)]
async fn sums(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Json<CycleTotals>, Problem> {
    let request = caller.request(wire::GetCycleTotalsRequest { cycle_id: id.to_string() });
    let reply = gateway.cycles().get_cycle_totals(request).await?.into_inner();
    Ok(Json(CycleTotals {
        approved_unpaid: totals(reply.approved_unpaid),
        paid: totals(reply.paid),
        committed: totals(reply.committed),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GateQuestion {
    /// The gate as it would be; null follows the product. Must be given.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    requires_verification: Patch<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GatePreview {
    effective_gate: bool,
    becomes_payable: Vec<Total>,
    becomes_blocked: Vec<Total>,
}

/// Tells which issues, and how much money, would become payable or blocked. Changes nothing.
#[utoipa::path(
    post,
    path = "/api/test-cycles/{id}/verification-gate/preview",
    operation_id = "previewGate",
    tag = "test cycles",
    params(("id" = Uuid, Path)),
    request_body = GateQuestion,
    responses((status = 200, body = GatePreview))
)]
async fn preview(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Body(body): Body<GateQuestion>,
) -> Result<Json<GatePreview>, Problem> {
    if body.requires_verification == Patch::Absent {
        return Err(Problem::required("requiresVerification"));
    }
    let request = caller.request(wire::PreviewGateRequest {
        cycle_id: id.to_string(),
        gate: gate(body.requires_verification).into(),
    });
    let reply = gateway.cycles().preview_gate(request).await?.into_inner();
    Ok(Json(GatePreview {
        effective_gate: reply.effective_gate,
        becomes_payable: totals(reply.becomes_payable),
        becomes_blocked: totals(reply.becomes_blocked),
    }))
}
