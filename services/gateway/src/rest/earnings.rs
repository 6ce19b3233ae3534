//! What the caller has earned by bounties: fixed payments, and shares of profits.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(own))
}

/// Sums in one currency, over all payouts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EarnedTotal {
    currency: String,
    paid_minor: i64,
    /// On its way, or waiting.
    pending_minor: i64,
    paid_count: i64,
    pending_count: i64,
}

/// One payout.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EarnedPayout {
    payout_id: Id,
    /// Null for a share of a profit.
    issue_id: Option<Id>,
    bounty_id: Option<Id>,
    /// Of a profit, such as `2026-Q1`.
    period: Option<String>,
    amount_minor: i64,
    currency: String,
    /// `approved`, `on_hold`, `processing`, `paid`, `failed` and the like.
    status: String,
    /// Why it waits, such as `payee_not_onboarded`.
    reasons: Vec<String>,
    reference: Option<String>,
    paid_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    /// A page to print.
    receipt: String,
}

/// One kind of earnings. The newest first, at most 200; the totals are over all of them.
#[derive(Serialize, ToSchema)]
struct EarnedBy {
    totals: Vec<EarnedTotal>,
    items: Vec<EarnedPayout>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Earnings {
    fixed_payments: EarnedBy,
    profit_share: EarnedBy,
}

impl From<wire::BountyEarning> for EarnedPayout {
    fn from(of: wire::BountyEarning) -> Self {
        let amount = of.amount.unwrap_or_default();
        Self {
            receipt: format!("/api/me/payouts/{}/receipt", of.payout_id),
            payout_id: Id::new(of.payout_id),
            issue_id: Id::optional(of.issue_id),
            bounty_id: Id::optional(of.bounty_id),
            period: some(of.period),
            amount_minor: amount.minor_units,
            currency: amount.currency_code,
            status: of.status,
            reasons: of.reasons,
            reference: some(of.reference),
            paid_at: time(of.pay_time),
            created_at: time(of.create_time),
        }
    }
}

fn total(of: &wire::BountyEarningTotal) -> EarnedTotal {
    EarnedTotal {
        currency: of.currency_code.clone(),
        paid_minor: of.paid_minor,
        pending_minor: of.pending_minor,
        paid_count: of.paid_count,
        pending_count: of.pending_count,
    }
}

/// Shows what you have earned by bounties, by kind, with every payout.
#[utoipa::path(
    get,
    path = "/api/me/earnings",
    operation_id = "getOwnEarnings",
    tag = "me",
    responses((status = 200, body = Earnings))
)]
async fn own(caller: Caller, State(gateway): State<Gateway>) -> Result<Json<Earnings>, Problem> {
    let request = caller.request(wire::GetBountyEarningsRequest { member_id: String::new() });
    let reply = gateway.bounty_pay().get_bounty_earnings(request).await?.into_inner();
    let of = |fixed| reply.totals.iter().filter(|sum| sum.fixed == fixed).map(total).collect();
    let (fixed, shares) = (of(true), of(false));
    let items = |all: Vec<wire::BountyEarning>| all.into_iter().map(EarnedPayout::from).collect();
    Ok(Json(Earnings {
        fixed_payments: EarnedBy { totals: fixed, items: items(reply.fixed_payments) },
        profit_share: EarnedBy { totals: shares, items: items(reply.profit_shares) },
    }))
}
