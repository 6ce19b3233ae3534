//! Where members want to be paid, and from which sum on the organization pays.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;
use crate::words::Method;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(own, set_own))
        .routes(routes!(of_member))
        .routes(routes!(minimums, set_minimum))
}

/// Exactly the field that the method asks for: `phone` for kaspi, `iban` for bank, `accountId` for ach
/// (`routing/account`), paypal (an e-mail address) and stripe (`acct_…`). Cards are not accepted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAccount {
    method: Method,
    phone: Option<String>,
    iban: Option<String>,
    account_id: Option<String>,
}

/// An account; its number is shown masked and never told in full.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutAccount {
    member_id: Id,
    #[schema(value_type = Method)]
    method: Option<Method>,
    masked: String,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    /// Null while it is the first number.
    changed_at: Option<DateTime<Utc>>,
    /// From when on it is paid after a change; null when that is now.
    payable_at: Option<DateTime<Utc>>,
    /// Whether the provider pays to it; null where people pay.
    onboarded: Option<bool>,
    /// unknown, onboarded, incomplete, restricted or missing; null where people pay.
    standing: Option<String>,
    /// What is in the way, in the provider's words.
    standing_reason: Option<String>,
}

impl From<wire::PayoutAccount> for PayoutAccount {
    fn from(of: wire::PayoutAccount) -> Self {
        Self {
            method: Method::read(of.method),
            member_id: Id::new(of.member_id),
            masked: of.masked,
            version: of.version,
            created_at: time(of.create_time),
            changed_at: time(of.change_time),
            payable_at: time(of.payable_time),
            onboarded: some(of.standing.clone()).map(|standing| standing == "onboarded"),
            standing: some(of.standing),
            standing_reason: some(of.standing_reason),
        }
    }
}

/// One account per method.
#[derive(Serialize, ToSchema)]
struct PayoutAccounts {
    items: Vec<PayoutAccount>,
}

/// From which sum on a method pays, in one currency.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MinimumAmount {
    method: Method,
    currency: String,
    /// Zero takes the minimum away.
    amount_minor: i64,
}

#[derive(Serialize, ToSchema)]
struct MinimumAmounts {
    items: Vec<MinimumAmount>,
}

fn minimum(of: wire::MinimumAmount) -> Result<MinimumAmount, Problem> {
    let amount = required(of.amount, "amount")?;
    Ok(MinimumAmount {
        method: required(Method::read(of.method), "method")?,
        currency: amount.currency_code,
        amount_minor: amount.minor_units,
    })
}

async fn accounts(
    caller: &Caller,
    gateway: &Gateway,
    member_id: String,
) -> Result<Json<PayoutAccounts>, Problem> {
    let request = caller.request(wire::ListPayoutAccountsRequest { member_id });
    let reply = gateway.accounts().list_payout_accounts(request).await?.into_inner();
    let items = reply.accounts.into_iter().map(PayoutAccount::from).collect();
    Ok(Json(PayoutAccounts { items }))
}

/// Shows where you want to be paid.
#[utoipa::path(
    get,
    path = "/api/me/payout-account",
    operation_id = "getOwnPayoutAccount",
    tag = "me",
    responses((status = 200, body = PayoutAccounts))
)]
async fn own(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<PayoutAccounts>, Problem> {
    accounts(&caller, &gateway, String::new()).await
}

/// Sets where you want to be paid by a method. A changed number, not a first one, has to wait before
/// it is paid.
#[utoipa::path(
    put,
    path = "/api/me/payout-account",
    operation_id = "setOwnPayoutAccount",
    tag = "me",
    request_body = NewAccount,
    responses((status = 200, body = PayoutAccount))
)]
async fn set_own(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<NewAccount>,
) -> Result<Json<PayoutAccount>, Problem> {
    let request = caller.request(wire::SetPayoutAccountRequest {
        method: body.method.number(),
        phone: body.phone.unwrap_or_default(),
        iban: body.iban.unwrap_or_default(),
        account_id: body.account_id.unwrap_or_default(),
    });
    let reply = gateway.accounts().set_payout_account(request).await?.into_inner();
    Ok(Json(PayoutAccount::from(required(reply.account, "account")?)))
}

/// Shows where a member wants to be paid.
#[utoipa::path(
    get,
    path = "/api/admin/members/{id}/payout-account",
    operation_id = "getPayoutAccount",
    tag = "members",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = PayoutAccounts))
)]
async fn of_member(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Json<PayoutAccounts>, Problem> {
    accounts(&caller, &gateway, id.to_string()).await
}

/// Lists from which sums on the organization pays.
#[utoipa::path(
    get,
    path = "/api/admin/minimum-amounts",
    operation_id = "listMinimumAmounts",
    tag = "payouts",
    responses((status = 200, body = MinimumAmounts))
)]
async fn minimums(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<MinimumAmounts>, Problem> {
    let request = caller.request(wire::ListMinimumAmountsRequest {});
    let reply = gateway.accounts().list_minimum_amounts(request).await?.into_inner();
    let items = reply.minimums.into_iter().map(minimum).collect::<Result<_, _>>()?;
    Ok(Json(MinimumAmounts { items }))
}

/// Sets from which sum on a method pays in a currency. What is below accumulates.
#[utoipa::path(
    put,
    path = "/api/admin/minimum-amounts",
    operation_id = "setMinimumAmount",
    tag = "payouts",
    request_body = MinimumAmount,
    responses((status = 200, body = MinimumAmount))
)]
async fn set_minimum(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<MinimumAmount>,
) -> Result<Json<MinimumAmount>, Problem> {
    let amount =
        common::Money { minor_units: body.amount_minor, currency_code: body.currency.clone() };
    let asked = wire::MinimumAmount { method: body.method.number(), amount: Some(amount) };
    let request = caller.request(wire::SetMinimumAmountRequest { minimum: Some(asked) });
    let reply = gateway.accounts().set_minimum_amount(request).await?.into_inner();
    Ok(Json(minimum(required(reply.minimum, "minimum")?)?))
}
