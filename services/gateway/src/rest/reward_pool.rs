//! The reward pool of a product.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Points that were granted for good. A point is a share of `effectivePoints`: of the capacity, or
/// of all points once they are more.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RewardPool {
    product_id: Id,
    capacity_points: i64,
    granted_points: i64,
    effective_points: i64,
    platform_fee_bps: i32,
    /// The largest first.
    standings: Vec<Standing>,
    /// When more was granted than there was room for; the latest first, at most 50.
    expansions: Vec<Expansion>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Standing {
    member_id: Id,
    name: String,
    points: i64,
    /// Of the pool, in basis points, rounded down.
    share_bps: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Expansion {
    before_points: i64,
    after_points: i64,
    issue_id: Id,
    #[schema(value_type = DateTime<Utc>)]
    at: Option<DateTime<Utc>>,
}

impl From<wire::RewardPool> for RewardPool {
    fn from(of: wire::RewardPool) -> Self {
        let standings = of.standings.into_iter().map(|standing| Standing {
            member_id: Id::new(standing.member_id),
            name: standing.member_name,
            points: standing.points,
            share_bps: standing.share_bps,
        });
        let expansions = of.expansions.into_iter().map(|expansion| Expansion {
            before_points: expansion.before_points,
            after_points: expansion.after_points,
            issue_id: Id::new(expansion.issue_id),
            at: time(expansion.create_time),
        });
        Self {
            product_id: Id::new(of.product_id),
            capacity_points: of.capacity_points,
            granted_points: of.granted_points,
            effective_points: of.effective_points,
            platform_fee_bps: of.platform_fee_bps,
            standings: standings.collect(),
            expansions: expansions.collect(),
        }
    }
}

/// Shows the pool of a product and who has how much of it.
#[utoipa::path(
    get,
    path = "/api/products/{id}/reward-pool",
    operation_id = "getRewardPool",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = RewardPool))
)]
async fn show(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
) -> Result<Json<RewardPool>, Problem> {
    let request = caller.request(wire::GetRewardPoolRequest { product_id: product.to_string() });
    let reply = gateway.reward_pools().get_reward_pool(request).await?.into_inner();
    Ok(Json(RewardPool::from(required(reply.pool, "pool")?)))
}
