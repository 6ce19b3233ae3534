//! Payouts of partners: created, approved, rejected, paid; sums of them.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1 as issues;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::partner_payouts::PartnerPayout;
use crate::rest::shapes::{Id, Page, time};
use crate::state::Gateway;
use crate::words::{Method, PayoutState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(mark_paid))
        .routes(routes!(bulk_approve))
        .routes(routes!(partners))
        .routes(routes!(summary))
}

/// How the directory of members calls a partner; who is not in it is not found.
pub(crate) async fn name_of(
    gateway: &Gateway,
    caller: &Caller,
    partner: Uuid,
) -> Result<String, Problem> {
    let request = caller.request(issues::GetMemberRequest { member_id: partner.to_string() });
    let member = gateway.members().get_member(request).await?.into_inner().member;
    Ok(required(member, "member")?.name)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPartnerPayout {
    partner_id: Uuid,
    amount_minor: i64,
    #[schema(example = "USD")]
    currency: String,
    /// A month or a quarter.
    #[schema(example = "2026-02")]
    period: String,
    notes: Option<String>,
}

fn answer(payout: Option<wire::PartnerPayout>) -> Result<PartnerPayout, Problem> {
    PartnerPayout::read(required(payout, "payout")?)
}

/// Creates a payout that waits for approval.
#[utoipa::path(
    post,
    path = "/api/admin/payouts",
    operation_id = "createPayout",
    tag = "partners",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewPartnerPayout,
    responses((status = 201, body = PartnerPayout))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewPartnerPayout>,
) -> Result<Reply<PartnerPayout>, Problem> {
    let message = wire::CreatePartnerPayoutRequest {
        request_id: key.request_id(),
        partner_id: body.partner_id.to_string(),
        partner_name: name_of(&gateway, &caller, body.partner_id).await?,
        amount: Some(common::Money {
            minor_units: body.amount_minor,
            currency_code: body.currency,
        }),
        period: body.period,
        notes: body.notes.unwrap_or_default(),
    };
    let mut client = gateway.partner_payouts();
    let reply = client.create_partner_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = answer(reply.payout)?;
    let location = format!("/api/admin/payouts/{}", payout.id());
    let version = payout.version();
    Ok(Reply::created(&location, payout).version(version).remembered(&metadata))
}

/// Approves a payout. Nobody approves their own.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/approve",
    operation_id = "approvePayout",
    tag = "partners",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = PartnerPayout))
)]
async fn approve(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<PartnerPayout>, Problem> {
    let message = wire::ApprovePartnerPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
    };
    let mut client = gateway.partner_payouts();
    let reply = client.approve_partner_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = answer(reply.payout)?;
    let version = payout.version();
    Ok(Reply::ok(payout).version(version).remembered(&metadata))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rejection {
    /// Why.
    notes: String,
}

/// Rejects a payout that waits for approval; what it covered is free again.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/reject",
    operation_id = "rejectPayout",
    tag = "partners",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Rejection,
    responses((status = 200, body = PartnerPayout))
)]
async fn reject(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<Rejection>,
) -> Result<Reply<PartnerPayout>, Problem> {
    let message = wire::RejectPartnerPayoutRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        notes: body.notes,
    };
    let mut client = gateway.partner_payouts();
    let reply = client.reject_partner_payout(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = answer(reply.payout)?;
    let version = payout.version();
    Ok(Reply::ok(payout).version(version).remembered(&metadata))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Transfer {
    method: Method,
    /// As the bank or the service calls the transfer.
    reference: String,
}

/// Records that the money of an approved payout has arrived.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/mark-paid",
    operation_id = "markPayoutPaid",
    tag = "partners",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Transfer,
    responses((status = 200, body = PartnerPayout))
)]
async fn mark_paid(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<Transfer>,
) -> Result<Reply<PartnerPayout>, Problem> {
    let message = wire::MarkPartnerPayoutPaidRequest {
        request_id: key.request_id(),
        payout_id: id.to_string(),
        method: body.method.number(),
        reference: body.reference,
    };
    let mut client = gateway.partner_payouts();
    let reply = client.mark_partner_payout_paid(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payout = answer(reply.payout)?;
    let version = payout.version();
    Ok(Reply::ok(payout).version(version).remembered(&metadata))
}

/// What happens when one payout cannot be approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum BulkMode {
    /// None is.
    #[default]
    Atomic,
    /// The others are.
    BestEffort,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkApproval {
    /// 1 to 100.
    payout_ids: Vec<Uuid>,
    #[serde(default)]
    mode: BulkMode,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BulkApproved {
    results: Vec<BulkResult>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BulkResult {
    payout_id: Id,
    ok: bool,
    status: Option<PayoutState>,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// Approves several payouts.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/bulk-approve",
    operation_id = "bulkApprovePayouts",
    tag = "partners",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = BulkApproval,
    responses((status = 200, body = BulkApproved))
)]
async fn bulk_approve(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<BulkApproval>,
) -> Result<Reply<BulkApproved>, Problem> {
    let message = wire::BulkApprovePartnerPayoutsRequest {
        request_id: key.request_id(),
        payout_ids: body.payout_ids.iter().map(Uuid::to_string).collect(),
        best_effort: body.mode == BulkMode::BestEffort,
    };
    let mut client = gateway.partner_payouts();
    let reply = client.bulk_approve_partner_payouts(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let result = |one: wire::BulkApproveResult| BulkResult {
        payout_id: Id::new(one.payout_id),
        ok: one.ok,
        status: PayoutState::read(one.state),
        code: one.code,
        detail: one.detail,
    };
    let results: Vec<_> = reply.results.into_iter().map(result).collect();
    if !reply.applied {
        let detail = "not every payout can be approved; none was";
        return Err(
            Problem::new(StatusCode::CONFLICT, "NOT_APPROVABLE", detail).with("results", results)
        );
    }
    Ok(Reply::ok(BulkApproved { results }).remembered(&metadata))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Partner {
    id: Id,
    name: String,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
}

impl From<wire::Partner> for Partner {
    fn from(partner: wire::Partner) -> Self {
        Self {
            id: Id::new(partner.partner_id),
            name: partner.name,
            created_at: time(partner.create_time),
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PartnerPage {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists everyone who was ever credited.
#[utoipa::path(
    get,
    path = "/api/admin/partners",
    operation_id = "listPartners",
    tag = "partners",
    params(PartnerPage),
    responses((status = 200, body = Page<Partner>))
)]
async fn partners(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(page): Params<PartnerPage>,
) -> Result<Json<Page<Partner>>, Problem> {
    let request = caller.request(wire::ListPartnersRequest {
        page_size: page.page_size.unwrap_or_default(),
        page_token: page.page_token.unwrap_or_default(),
    });
    let reply = gateway.partner_payouts().list_partners(request).await?.into_inner();
    Ok(Json(Page::of(reply.partners, reply.next_page_token)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PartnerSummary {
    partner_id: Id,
    name: String,
    totals: Vec<PartnerTotal>,
    payout_count: i64,
    last_payout_date: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PartnerTotal {
    currency: String,
    /// Paid.
    total_earned_minor: i64,
    /// Waits for approval.
    total_pending_minor: i64,
    /// Approved and not paid.
    total_approved_minor: i64,
}

/// What a partner was paid and waits for. Partners may see their own.
#[utoipa::path(
    get,
    path = "/api/admin/partners/{id}/summary",
    operation_id = "getPartnerSummary",
    tag = "partners",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = PartnerSummary))
)]
async fn summary(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Json<PartnerSummary>, Problem> {
    let request = caller.request(wire::GetPartnerSummaryRequest { partner_id: id.to_string() });
    let reply = gateway.partner_payouts().get_partner_summary(request).await?.into_inner();
    let total = |total: wire::PartnerTotal| PartnerTotal {
        currency: total.currency_code,
        total_earned_minor: total.earned_minor,
        total_pending_minor: total.pending_minor,
        total_approved_minor: total.approved_minor,
    };
    Ok(Json(PartnerSummary {
        partner_id: Id::new(reply.partner_id),
        name: reply.name,
        totals: reply.totals.into_iter().map(total).collect(),
        payout_count: reply.payout_count,
        last_payout_date: time(reply.last_payout_time),
    }))
}
