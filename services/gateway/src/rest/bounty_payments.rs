//! Who pays for a product, and how the payments of its bounties stand.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::profit::Quote;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(payer, set_payer))
        .routes(routes!(of_submission))
        .routes(routes!(refund))
}

/// The payment of a submission. It begins by itself once nothing stands against it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BountyPayout {
    /// Of the payout.
    id: Id,
    issue_id: Id,
    product_id: Id,
    bounty_id: Id,
    payee_id: Id,
    /// `approved`, `on_hold`, `processing`, `paid`, `failed`, `cancelled`, `returned` or `void`.
    #[schema(example = "processing")]
    status: String,
    /// Why it is on hold, such as `payee_not_onboarded`, `gate_not_verified` or `payer_missing`; why it
    /// failed; or `payer_action_required` while the payer has to confirm the charge.
    reasons: Vec<String>,
    /// What the contributor gets: all of the value, and the tip.
    amount_minor: i64,
    currency: String,
    /// The provider's name of the transfer.
    reference: Option<String>,
    /// `charge` or `pre_fund`; null until it begins.
    funding: Option<String>,
    /// Whether money was taken for it that the contributor does not have yet.
    in_escrow: bool,
    /// What the payer pays; null for the contributor.
    quote: Option<Quote>,
    /// The newest charge of the payer; null for the contributor.
    charge: Option<Charge>,
    paid_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// Money that was taken, or is to be taken, from a payer. Each try is a charge of its own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Charge {
    id: Id,
    number: i64,
    /// `created`, `submitted`, `needs_action`, `unknown`, `succeeded`, `declined`, `failed_retryable`,
    /// `refunding` or `refunded`.
    status: String,
    amount_minor: i64,
    currency: String,
    /// The provider's name of it.
    reference: Option<String>,
    /// Why it failed.
    code: Option<String>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::BountyCharge> for Charge {
    fn from(of: wire::BountyCharge) -> Self {
        let amount = of.amount.unwrap_or_default();
        Self {
            id: Id::new(of.charge_id),
            number: of.number,
            status: of.state,
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            reference: some(of.reference),
            code: some(of.code),
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

impl From<wire::BountyPayment> for BountyPayout {
    fn from(of: wire::BountyPayment) -> Self {
        let amount = of.amount.unwrap_or_default();
        Self {
            id: Id::new(of.payout_id),
            issue_id: Id::new(of.issue_id),
            product_id: Id::new(of.product_id),
            bounty_id: Id::new(of.bounty_id),
            payee_id: Id::new(of.payee_id),
            status: of.status,
            reasons: of.reasons,
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            reference: some(of.reference),
            funding: some(of.funding),
            in_escrow: of.in_escrow,
            quote: of.quote.map(Quote::from),
            charge: of.charge.map(Charge::from),
            paid_at: time(of.pay_time),
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

/// The payment of a submission, if there is one.
#[derive(Serialize, ToSchema)]
struct SubmissionPayment {
    /// Null for points, and while nothing is approved.
    payout: Option<BountyPayout>,
}

/// Shows how the payment of a submission stands.
#[utoipa::path(
    get,
    path = "/api/submissions/{issueId}/payment",
    operation_id = "getSubmissionPayment",
    tag = "bounties",
    params(("issueId" = Uuid, Path)),
    responses((status = 200, body = SubmissionPayment))
)]
async fn of_submission(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(issue): Segments<Uuid>,
) -> Result<Json<SubmissionPayment>, Problem> {
    let request = caller.request(wire::GetBountyPaymentRequest {
        issue_id: issue.to_string(),
        payout_id: String::new(),
    });
    let reply = gateway.bounty_pay().get_bounty_payment(request).await?.into_inner();
    Ok(Json(SubmissionPayment { payout: reply.payment.map(BountyPayout::from) }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PayoutRefund {
    reason: String,
}

/// Has the money of a bounty's payout given back to its payer. What was charged and not sent can be
/// paid in another way at once; what was sent is taken back first, and is payable again then.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/{id}/refund",
    operation_id = "refundPayout",
    tag = "payouts",
    params(("id" = Uuid, Path)),
    request_body = PayoutRefund,
    responses((status = 200, body = BountyPayout))
)]
async fn refund(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Body(body): Body<PayoutRefund>,
) -> Result<Json<BountyPayout>, Problem> {
    let message = wire::RefundPayoutRequest { payout_id: id.to_string(), reason: body.reason };
    let reply = gateway.bounty_pay().refund_payout(caller.request(message)).await?.into_inner();
    Ok(Json(BountyPayout::from(required(reply.payment, "payment")?)))
}

/// The payment method is the provider's id (`pm_…`); card numbers never get here.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPayer {
    #[schema(example = "pm_card_visa")]
    payment_method_id: String,
    /// The provider's id (`cus_…`), where it needs one.
    customer_id: Option<String>,
}

/// How a product is paid for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Payer {
    product_id: Id,
    /// Who has named it: they cannot be paid with it.
    member_id: Id,
    #[schema(example = "pm_…visa")]
    payment_method: String,
    customer_id: Option<String>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Payer> for Payer {
    fn from(of: wire::Payer) -> Self {
        Self {
            product_id: Id::new(of.product_id),
            member_id: Id::new(of.member_id),
            payment_method: of.masked,
            customer_id: some(of.customer_id),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

/// The payer of a product, if one is named.
#[derive(Serialize, ToSchema)]
struct NamedPayer {
    /// Null while nobody is named; on the sandbox a test card pays then.
    payer: Option<Payer>,
}

/// Shows how a product is paid for.
#[utoipa::path(
    get,
    path = "/api/products/{id}/payer",
    operation_id = "getPayer",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = NamedPayer))
)]
async fn payer(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
) -> Result<Json<NamedPayer>, Problem> {
    let request = caller.request(wire::GetPayerRequest { product_id: product.to_string() });
    let reply = gateway.payers().get_payer(request).await?.into_inner();
    Ok(Json(NamedPayer { payer: reply.payer.map(Payer::from) }))
}

/// Names how a product is paid for: its fixed bounties are charged there when they are approved.
#[utoipa::path(
    put,
    path = "/api/products/{id}/payer",
    operation_id = "setPayer",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    request_body = NewPayer,
    responses((status = 200, body = Payer))
)]
async fn set_payer(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    Body(body): Body<NewPayer>,
) -> Result<Reply<Payer>, Problem> {
    let request = caller.request(wire::SetPayerRequest {
        product_id: product.to_string(),
        payment_method_id: body.payment_method_id,
        customer_id: body.customer_id.unwrap_or_default(),
    });
    let reply = gateway.payers().set_payer(request).await?.into_inner();
    let payer = Payer::from(required(reply.payer, "payer")?);
    let version = payer.version;
    Ok(Reply::ok(payer).version(version))
}
