//! Figures over the whole organization, for charts.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::balance::instant;
use crate::rest::shapes::{Amount, Id, some, stamp, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(earnings)).routes(routes!(top_earners))
}

/// How days are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChartInterval {
    Day,
    Week,
    Month,
}

impl ChartInterval {
    fn number(self) -> i32 {
        match self {
            Self::Day => wire::StatisticsInterval::Day.into(),
            Self::Week => wire::StatisticsInterval::Week.into(),
            Self::Month => wire::StatisticsInterval::Month.into(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Chart {
    /// `day` if not given; weeks begin on Monday, everything in UTC.
    #[param(inline)]
    interval: Option<ChartInterval>,
    /// The first day that counts; 90 days before `to` if not given.
    from: Option<String>,
    /// The first day that no longer counts; tomorrow if not given.
    to: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct EarningsOverTime {
    buckets: Vec<EarningsBucket>,
}

/// One currency in one interval; those in which nothing moved are left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EarningsBucket {
    #[schema(value_type = DateTime<Utc>)]
    start: Option<DateTime<Utc>>,
    currency: String,
    paid_minor: i64,
    paid_count: i64,
    /// Declared void after it was paid, at the time of the void.
    taken_back_minor: i64,
    taken_back_count: i64,
}

impl From<wire::EarningsBucket> for EarningsBucket {
    fn from(bucket: wire::EarningsBucket) -> Self {
        Self {
            start: time(bucket.start),
            currency: bucket.currency_code,
            paid_minor: bucket.paid_minor,
            paid_count: bucket.paid_count,
            taken_back_minor: bucket.taken_back_minor,
            taken_back_count: bucket.taken_back_count,
        }
    }
}

/// What the organization has paid and taken back over time.
#[utoipa::path(
    get,
    path = "/api/admin/stats/earnings",
    operation_id = "getEarningsOverTime",
    tag = "statistics",
    params(Chart),
    responses((status = 200, body = EarningsOverTime))
)]
async fn earnings(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(chart): Params<Chart>,
) -> Result<Json<EarningsOverTime>, Problem> {
    let request = caller.request(wire::GetEarningsOverTimeRequest {
        interval: chart.interval.map(ChartInterval::number).unwrap_or_default(),
        from: instant("from", chart.from.as_deref())?.map(stamp),
        to: instant("to", chart.to.as_deref())?.map(stamp),
    });
    let reply = gateway.statistics().get_earnings_over_time(request).await?.into_inner();
    let buckets = reply.buckets.into_iter().map(EarningsBucket::from).collect();
    Ok(Json(EarningsOverTime { buckets }))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Ranking {
    /// ISO 4217: amounts of two currencies cannot be compared.
    #[param(example = "KZT")]
    currency: String,
    /// At most 100; 10 if not given.
    limit: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct TopEarners {
    items: Vec<RankedEarner>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RankedEarner {
    member_id: Id,
    name: Option<String>,
    earned: Option<Amount>,
    /// How many of their issues were paid.
    count: i64,
}

/// Who has earned the most in one currency, the highest first.
#[utoipa::path(
    get,
    path = "/api/admin/stats/top-earners",
    operation_id = "listTopEarners",
    tag = "statistics",
    params(Ranking),
    responses((status = 200, body = TopEarners))
)]
async fn top_earners(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(ranking): Params<Ranking>,
) -> Result<Json<TopEarners>, Problem> {
    let request = caller.request(wire::ListTopEarnersRequest {
        currency_code: ranking.currency,
        limit: ranking.limit.unwrap_or_default(),
    });
    let reply = gateway.statistics().list_top_earners(request).await?.into_inner();
    let ranked = |earner: wire::RankedEarner| RankedEarner {
        member_id: Id::new(earner.member_id),
        name: some(earner.name),
        earned: earner.earned.map(Amount::from),
        count: earner.count,
    };
    Ok(Json(TopEarners { items: reply.earners.into_iter().map(ranked).collect() }))
}
