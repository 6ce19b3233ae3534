//! What a bounty costs, and profits that are divided among points.

use axum::Json;
use axum::extract::State;
use quittance_proto::common::v1::Money;
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
use crate::rest::shapes::Id;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(quote)).routes(routes!(distribute))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct QuoteTerms {
    /// On top of the value. Of an approved submission it is known.
    tip_minor: Option<i64>,
}

/// What approving a submission costs: the parts add up to the total. The contributor receives value
/// and tip.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quote {
    id: Id,
    issue_id: Id,
    currency: String,
    value_minor: i64,
    tip_minor: i64,
    platform_fee_minor: i64,
    processor_fee_minor: i64,
    /// At most one minor unit that the gross-up leaves over.
    rounding_minor: i64,
    #[schema(example = 56_674)]
    total_minor: i64,
    /// Of the arithmetic that made it.
    version: i64,
}

impl From<wire::Quote> for Quote {
    fn from(of: wire::Quote) -> Self {
        Self {
            id: Id::new(of.quote_id),
            issue_id: Id::new(of.issue_id),
            currency: of.currency_code,
            value_minor: of.value_minor,
            tip_minor: of.tip_minor,
            platform_fee_minor: of.platform_fee_minor,
            processor_fee_minor: of.processor_fee_minor,
            rounding_minor: of.rounding_minor,
            total_minor: of.total_minor,
            version: of.version,
        }
    }
}

/// Tells what a submission of a fixed bounty costs its founder. The same terms get the same quote.
#[utoipa::path(
    get,
    path = "/api/submissions/{issueId}/quote",
    operation_id = "quoteSubmission",
    tag = "bounties",
    params(("issueId" = Uuid, Path), QuoteTerms),
    responses((status = 200, body = Quote))
)]
async fn quote(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(issue): Segments<Uuid>,
    Params(terms): Params<QuoteTerms>,
) -> Result<Json<Quote>, Problem> {
    let request = caller.request(wire::GetQuoteRequest {
        issue_id: issue.to_string(),
        tip_minor: terms.tip_minor.unwrap_or_default(),
    });
    let reply = gateway.bounty_pay().get_quote(request).await?.into_inner();
    Ok(Json(Quote::from(required(reply.quote, "quote")?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProfitReport {
    /// Such as `2026-02` or `2026-Q1`.
    period: String,
    profit_minor: i64,
    currency: String,
    /// The part of the profit that the pool gets, in basis points; all of it when absent.
    pool_bps: Option<i64>,
    /// Shows the division and creates nothing.
    #[serde(default)]
    dry_run: bool,
}

/// A profit, divided: allocations and residual add up to the total.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProfitPeriod {
    /// Null in a dry run.
    id: Option<Id>,
    product_id: Id,
    period: String,
    currency: String,
    profit_minor: i64,
    pool_bps: i64,
    total_minor: i64,
    /// What stays with the founder: the part of points that were not issued.
    residual_minor: i64,
    platform_fee_minor: i64,
    effective_points: i64,
    allocations: Vec<Allocation>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Allocation {
    member_id: Id,
    name: String,
    points: i64,
    amount_minor: i64,
    /// What the platform keeps of the amount.
    platform_fee_minor: i64,
    /// What the member is paid, once the payout is approved.
    payout_minor: i64,
    /// Null in a dry run, and where there is nothing to pay.
    payout_id: Option<Id>,
}

impl From<wire::DistributeProfitResponse> for ProfitPeriod {
    fn from(of: wire::DistributeProfitResponse) -> Self {
        let allocations = of.allocations.into_iter().map(|part| Allocation {
            member_id: Id::new(part.member_id),
            name: part.member_name,
            points: part.points,
            amount_minor: part.amount_minor,
            platform_fee_minor: part.platform_fee_minor,
            payout_minor: part.payout_minor,
            payout_id: Id::optional(part.payout_id),
        });
        Self {
            id: Id::optional(of.profit_period_id),
            product_id: Id::new(of.product_id),
            period: of.period,
            currency: of.currency_code,
            profit_minor: of.profit_minor,
            pool_bps: of.pool_bps,
            total_minor: of.total_minor,
            residual_minor: of.residual_minor,
            platform_fee_minor: of.platform_fee_minor,
            effective_points: of.effective_points,
            allocations: allocations.collect(),
        }
    }
}

/// Divides the profit of a period among the points of a product, and creates a payout for each
/// member, which then waits for approval. A period is distributed once.
#[utoipa::path(
    post,
    path = "/api/products/{id}/profit-periods",
    operation_id = "distributeProfit",
    tag = "bounties",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ProfitReport,
    responses((status = 200, body = ProfitPeriod))
)]
async fn distribute(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<ProfitReport>,
) -> Result<Reply<ProfitPeriod>, Problem> {
    let message = wire::DistributeProfitRequest {
        request_id: key.request_id(),
        product_id: product.to_string(),
        period: body.period,
        profit: Some(Money { minor_units: body.profit_minor, currency_code: body.currency }),
        pool_bps: body.pool_bps,
        dry_run: body.dry_run,
    };
    let reply = gateway.profit_shares().distribute_profit(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    Ok(Reply::ok(ProfitPeriod::from(reply)).remembered(&metadata))
}
