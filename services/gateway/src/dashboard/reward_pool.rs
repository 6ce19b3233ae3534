//! The reward pool of a product: its capacity, who has how much of it, and profits that are divided.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::issues::v1 as wire;

use super::bounties::Asked;
use super::form::{Typed, fresh_key};
use super::product::Tabs;
use super::profit::{Division, MOVED, distribute, divide};
use super::view::{Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::reply::required;

const PAGE: &str = "/app/reward-pool";

#[derive(askama::Template)]
#[template(path = "reward_pool.html")]
struct PoolPage {
    frame: Frame,
    key: String,
    tabs: Tabs,
    pool: Option<Pool>,
    manages: bool,
    version: i64,
    /// What was typed, or what is there.
    capacity: String,
    fee: String,
    period: String,
    profit: String,
    currency: String,
    part: String,
    division: Option<Division>,
}

struct Pool {
    capacity: String,
    granted: String,
    /// More was granted than there was room for: a point is a share of all of them.
    effective: Option<String>,
    left: String,
    fee: String,
    standings: Vec<Standing>,
    expansions: Vec<Expansion>,
}

struct Standing {
    name: String,
    points: String,
    share: String,
    /// For the bar, in hundredths.
    width: i64,
    own: bool,
}

struct Expansion {
    when: String,
    before: String,
    after: String,
    issue: String,
}

impl Viewer {
    fn pool(&self, of: wire::RewardPool) -> Pool {
        let me = self.caller.ctx.member().to_string();
        let count = |number| self.locale.count(number);
        let standing = |one: wire::Standing| Standing {
            own: one.member_id == me,
            name: one.member_name,
            points: count(one.points),
            share: self.locale.hundredths(one.share_bps),
            width: one.share_bps.clamp(0, 10_000) / 100,
        };
        let expansion = |one: wire::PoolExpansion| Expansion {
            when: self.minute(one.create_time),
            before: count(one.before_points),
            after: count(one.after_points),
            issue: one.issue_id,
        };
        let left = of.capacity_points.saturating_sub(of.granted_points).max(0);
        Pool {
            capacity: count(of.capacity_points),
            granted: count(of.granted_points),
            effective: (of.capacity_points < of.granted_points).then(|| count(of.effective_points)),
            left: count(left),
            fee: self.locale.hundredths(of.platform_fee_bps.into()),
            standings: of.standings.into_iter().map(standing).collect(),
            expansions: of.expansions.into_iter().map(expansion).collect(),
        }
    }

    async fn reward_pool(&self, product: &str) -> Result<wire::RewardPool, Problem> {
        let request =
            self.caller.request(wire::GetRewardPoolRequest { product_id: product.to_owned() });
        let reply = self.gateway.reward_pools().get_reward_pool(request).await?.into_inner();
        required(reply.pool, "pool")
    }
}

/// Shows the pool.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    shown(&viewer, &asked.product, &Typed::default(), None, None).await
}

async fn shown(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
    division: Option<Division>,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let (product, tabs) = viewer.product(product, PAGE).await?;
    let pool = async {
        match &product {
            Some(product) => viewer.reward_pool(&product.product_id).await.map(Some),
            None => Ok(None),
        }
    };
    let (frame, pool) = tokio::join!(viewer.frame("Reward pool"), pool);
    let of = product.unwrap_or_default();
    let fee = viewer.locale.plain(of.platform_fee_bps.into(), "USD");
    let page = PoolPage {
        frame: frame.with(problem),
        key: fresh_key(),
        tabs,
        pool: pool?.map(|pool| viewer.pool(pool)),
        manages: viewer.may(&Method::POST, PAGE),
        version: of.version,
        capacity: typed.or("capacity", &of.capacity_points.to_string()),
        fee: typed.or("fee", &fee),
        period: typed.text("period").to_owned(),
        profit: typed.text("amount").to_owned(),
        currency: typed.or("currency", "USD"),
        part: typed.or("part", "100"),
        division,
    };
    Ok(answer(problem, &page))
}

/// Divides a profit, or changes the terms of the pool. What was typed stays when it is refused.
pub(super) async fn send(viewer: Viewer, typed: Typed) -> Response {
    let product = typed.text("product");
    let here = format!("{PAGE}?product={product}");
    let again = async |division, problem: Option<&Problem>| {
        let page = shown(&viewer, product, &typed, division, problem).await;
        page.unwrap_or_else(IntoResponse::into_response)
    };
    match typed.text("step") {
        "terms" => match terms(&viewer, product, &typed).await {
            Ok(()) => done(&here, "saved"),
            Err(problem) => again(None, Some(&problem)).await,
        },
        "dry-run" => match divide(&viewer, product, &typed).await {
            Ok(division) => again(Some(division), None).await,
            Err(problem) => again(None, Some(&problem)).await,
        },
        "distribute" => match distribute(&viewer, product, &typed).await {
            Ok(()) => done(&here, "distributed"),
            Err(problem) => {
                // What it would be now is shown beside what was refused.
                let now = if problem.code == MOVED {
                    divide(&viewer, product, &typed).await.ok()
                } else {
                    None
                };
                again(now, Some(&problem)).await
            }
        },
        _ => Problem::not_found().into_response(),
    }
}

async fn terms(viewer: &Viewer, product: &str, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::UpdateProductRequest {
        request_id: key.request_id(),
        product_id: product.to_owned(),
        version: typed.version(),
        name: None,
        requires_verification: None,
        platform_fee_bps: Some(
            typed
                .percent("fee", viewer.locale)?
                .ok_or_else(|| Problem::required("fee"))?
                .try_into()
                .map_err(|_| Problem::invalid("fee", "must be a percentage"))?,
        ),
        capacity_points: Some(
            typed.whole("capacity")?.ok_or_else(|| Problem::required("capacity"))?,
        ),
    };
    viewer.gateway.products().update_product(key.request(&viewer.caller, message)).await?;
    Ok(())
}
