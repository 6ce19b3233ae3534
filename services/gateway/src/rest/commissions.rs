//! Sales credited to partners, and the commissions they earn.

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
use crate::reply::{Reply, required};
use crate::rest::partner_payouts::PartnerPayout;
use crate::rest::partners::name_of;
use crate::rest::shapes::{Id, stamp, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_attribution))
        .routes(routes!(refund))
        .routes(routes!(pending))
        .routes(routes!(create_payouts))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAttribution {
    /// The sale as the shop knows it; recorded once.
    external_id: String,
    partner_id: Uuid,
    product_id: Option<Uuid>,
    amount_minor: i64,
    #[schema(example = "USD")]
    currency: String,
    occurred_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Attribution {
    id: Id,
    external_id: String,
    partner_id: Id,
    product_id: Option<Id>,
    amount_minor: i64,
    currency: String,
    #[schema(value_type = DateTime<Utc>)]
    occurred_at: Option<DateTime<Utc>>,
    refunded_minor: i64,
    /// What the sale earned, before refunds; a share is rounded down.
    commission_minor: i64,
    /// The commission can be paid from then on.
    #[schema(value_type = DateTime<Utc>)]
    payable_at: Option<DateTime<Utc>>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Attribution> for Attribution {
    fn from(of: wire::Attribution) -> Self {
        let amount = of.amount.unwrap_or_default();
        Self {
            id: Id::new(of.attribution_id),
            external_id: of.external_id,
            partner_id: Id::new(of.partner_id),
            product_id: Id::optional(of.product_id),
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            occurred_at: time(of.occur_time),
            refunded_minor: of.refunded.unwrap_or_default().minor_units,
            commission_minor: of.commission.unwrap_or_default().minor_units,
            payable_at: time(of.payable_time),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

/// Records a sale and the commission it earns by the rule that holds now.
#[utoipa::path(
    post,
    path = "/api/admin/attributions",
    operation_id = "createAttribution",
    tag = "commissions",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewAttribution,
    responses((status = 201, body = Attribution))
)]
async fn create_attribution(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewAttribution>,
) -> Result<Reply<Attribution>, Problem> {
    let message = wire::CreateAttributionRequest {
        request_id: key.request_id(),
        external_id: body.external_id,
        partner_id: body.partner_id.to_string(),
        partner_name: name_of(&gateway, &caller, body.partner_id).await?,
        product_id: body.product_id.map(|id| id.to_string()).unwrap_or_default(),
        amount: Some(common::Money {
            minor_units: body.amount_minor,
            currency_code: body.currency,
        }),
        occur_time: Some(stamp(body.occurred_at)),
    };
    let reply = gateway.commissions().create_attribution(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let made = Attribution::from(required(reply.attribution, "attribution")?);
    let location = format!("/api/admin/attributions/{}", made.id.as_str());
    Ok(Reply::created(&location, made).remembered(&metadata))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SaleRefund {
    /// Of the sale; all that is left of it when not given.
    amount_minor: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Refunded {
    attribution: Attribution,
    /// Negative or zero: what was taken back of the commission.
    clawback_minor: i64,
}

/// Refunds a sale, or a part of it, and takes back what it earned.
#[utoipa::path(
    post,
    path = "/api/admin/attributions/{id}/refund",
    operation_id = "refundAttribution",
    tag = "commissions",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = SaleRefund,
    responses((status = 200, body = Refunded))
)]
async fn refund(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<SaleRefund>,
) -> Result<Reply<Refunded>, Problem> {
    if body.amount_minor == Some(0) {
        return Err(Problem::invalid("amountMinor", "must be greater than zero"));
    }
    let message = wire::RefundAttributionRequest {
        request_id: key.request_id(),
        attribution_id: id.to_string(),
        amount_minor: body.amount_minor.unwrap_or_default(),
    };
    let reply = gateway.commissions().refund_attribution(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let refunded = Refunded {
        attribution: required(reply.attribution, "attribution")?.into(),
        clawback_minor: reply.clawback.unwrap_or_default().minor_units,
    };
    Ok(Reply::ok(refunded).remembered(&metadata))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PendingFilter {
    partner: Option<Uuid>,
    /// Sales before its end.
    period: Option<String>,
}

/// The commissions of one partner in one currency that no payout covers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PendingCommission {
    partner_id: Id,
    /// May be negative.
    amount_minor: i64,
    currency: String,
    count: i64,
    /// What of it was taken back: negative or zero.
    clawback_minor: i64,
}

impl From<wire::PendingCommission> for PendingCommission {
    fn from(of: wire::PendingCommission) -> Self {
        let net = of.net.unwrap_or_default();
        Self {
            partner_id: Id::new(of.partner_id),
            amount_minor: net.minor_units,
            currency: net.currency_code,
            count: of.count,
            clawback_minor: of.clawback_minor,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct PendingCommissions {
    items: Vec<PendingCommission>,
}

/// What creating payouts would cover now, by partner and currency.
#[utoipa::path(
    get,
    path = "/api/admin/commissions/pending",
    operation_id = "listPendingCommissions",
    tag = "commissions",
    params(PendingFilter),
    responses((status = 200, body = PendingCommissions))
)]
async fn pending(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<PendingFilter>,
) -> Result<Json<PendingCommissions>, Problem> {
    let request = caller.request(wire::ListPendingCommissionsRequest {
        partner_id: filter.partner.map(|id| id.to_string()).unwrap_or_default(),
        period: filter.period.unwrap_or_default(),
    });
    let reply = gateway.commissions().list_pending_commissions(request).await?.into_inner();
    let items = reply.pending.into_iter().map(PendingCommission::from).collect();
    Ok(Json(PendingCommissions { items }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PayoutsOfPeriod {
    #[schema(example = "2026-Q1")]
    period: String,
    /// All, when not given.
    partner_ids: Option<Vec<Uuid>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CommissionPayouts {
    payouts: Vec<PartnerPayout>,
    /// Not above zero, so that no payout was made; they count in a later period.
    carried_over: Vec<PendingCommission>,
    /// There are more commissions than one call takes: call again.
    more: bool,
}

/// Makes one payout per partner and currency of what no payout covers yet.
#[utoipa::path(
    post,
    path = "/api/admin/commissions/create-payouts",
    operation_id = "createCommissionPayouts",
    tag = "commissions",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = PayoutsOfPeriod,
    responses((status = 200, body = CommissionPayouts))
)]
async fn create_payouts(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<PayoutsOfPeriod>,
) -> Result<Reply<CommissionPayouts>, Problem> {
    if body.partner_ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(Problem::invalid("partnerIds", "must not be empty"));
    }
    let partner_ids = body.partner_ids.unwrap_or_default().iter().map(Uuid::to_string).collect();
    let message = wire::CreateCommissionPayoutsRequest {
        request_id: key.request_id(),
        period: body.period,
        partner_ids,
    };
    let mut client = gateway.commissions();
    let reply = client.create_commission_payouts(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let payouts: Result<_, _> = reply.payouts.into_iter().map(PartnerPayout::read).collect();
    let made = CommissionPayouts {
        payouts: payouts?,
        carried_over: reply.carried_over.into_iter().map(PendingCommission::from).collect(),
        more: reply.more,
    };
    Ok(Reply::ok(made).remembered(&metadata))
}
