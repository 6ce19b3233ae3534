//! What products pay in advance for their bounties.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::common::v1::Money;
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
use crate::rest::bounty_payments::Charge;
use crate::rest::shapes::time;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list, set_low)).routes(routes!(top_up))
}

/// What is there in one currency. Approvals are paid out of it while it covers value, tip and platform
/// fee; the processor has had its part with the top-up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PreFund {
    currency: String,
    balance_minor: i64,
    /// Below this it counts as low, and the event `pre_fund.low` tells so.
    low_minor: i64,
    low: bool,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// By currency.
#[derive(Serialize, ToSchema)]
struct PreFunds {
    items: Vec<PreFund>,
}

fn shown(all: Vec<wire::PreFund>) -> PreFunds {
    let shown = |of: wire::PreFund| {
        let balance = of.balance.unwrap_or_default();
        PreFund {
            currency: balance.currency_code,
            balance_minor: balance.minor_units,
            low_minor: of.low_minor,
            low: of.low,
            version: of.version,
            updated_at: time(of.update_time),
        }
    };
    PreFunds { items: all.into_iter().map(shown).collect() }
}

/// Shows what a product has paid in advance.
#[utoipa::path(
    get,
    path = "/api/products/{id}/prefund",
    operation_id = "listPreFunds",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = PreFunds))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
) -> Result<Json<PreFunds>, Problem> {
    let request = caller.request(wire::ListPreFundsRequest { product_id: product.to_string() });
    let reply = gateway.pre_funds().list_pre_funds(request).await?.into_inner();
    Ok(Json(shown(reply.pre_funds)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LowBalance {
    currency: String,
    low_minor: i64,
}

/// Says below which balance a product counts as low.
#[utoipa::path(
    put,
    path = "/api/products/{id}/prefund",
    operation_id = "setLowBalance",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    request_body = LowBalance,
    responses((status = 200, body = PreFunds))
)]
async fn set_low(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    Body(body): Body<LowBalance>,
) -> Result<Json<PreFunds>, Problem> {
    let low = Money { minor_units: body.low_minor, currency_code: body.currency };
    let message = wire::SetLowBalanceRequest { product_id: product.to_string(), low: Some(low) };
    let reply = gateway.pre_funds().set_low_balance(caller.request(message)).await?.into_inner();
    Ok(Json(shown(reply.pre_funds)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TopUp {
    /// What is there afterwards; the processor's part is charged on top.
    amount_minor: i64,
    currency: String,
}

/// Charges the payer of a product in advance. The balance grows when the charge has succeeded.
#[utoipa::path(
    post,
    path = "/api/products/{id}/prefund/top-ups",
    operation_id = "topUpPreFund",
    tag = "bounties",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = TopUp,
    responses((status = 201, body = Charge))
)]
async fn top_up(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<TopUp>,
) -> Result<Reply<Charge>, Problem> {
    let message = wire::TopUpPreFundRequest {
        request_id: key.request_id(),
        product_id: product.to_string(),
        amount: Some(Money { minor_units: body.amount_minor, currency_code: body.currency }),
    };
    let reply = gateway.pre_funds().top_up_pre_fund(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let charge = Charge::from(required(reply.charge, "charge")?);
    let location = format!("/api/products/{product}/prefund");
    Ok(Reply::created(&location, charge).remembered(&metadata))
}
