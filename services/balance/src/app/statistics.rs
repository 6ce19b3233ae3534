//! Figures over the caller's whole organization, for charts.

use std::collections::BTreeMap;

use quittance_kernel::{Ctx, Currency, Timestamp};

use super::{Balances, Error};
use crate::domain::{Day, Flow, Interval, day_of};
use crate::store::{self, TopEarner};

/// The longest stretch of a chart: ten years of days.
const MAX_DAYS: i64 = 3_660;

/// The stretch of a chart that says nothing else.
const USUAL_DAYS: i64 = 90;

const MAX_EARNERS: i32 = 100;
const USUAL_EARNERS: u32 = 10;

impl Balances {
    /// What was paid and taken back in each interval of a stretch of days. The first and the last
    /// interval hold what of them lies in the stretch.
    #[tracing::instrument(name = "statistics.earnings", skip_all)]
    pub(crate) async fn earnings_over_time(
        &self,
        ctx: &Ctx,
        interval: Interval,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<BTreeMap<(Day, Currency), Flow>, Error> {
        let to = to.map_or_else(|| day_of(ctx.now) + 1, day_of);
        let from = from.map_or(to - USUAL_DAYS, day_of);
        if to < from {
            return Err(Error::Field("to", "must not be before `from`"));
        }
        if MAX_DAYS < to - from {
            return Err(Error::Field("from", "must be at most 3660 days before `to`"));
        }
        let days = store::days(&self.db, ctx.organization(), from, to).await?;
        Ok(interval.gather(days)?)
    }

    /// Who has earned the most in one currency: amounts of two cannot be compared.
    #[tracing::instrument(name = "statistics.top_earners", skip_all)]
    pub(crate) async fn top_earners(
        &self,
        ctx: &Ctx,
        currency: &str,
        limit: i32,
    ) -> Result<Vec<(TopEarner, i64)>, Error> {
        let currency = currency
            .parse()
            .map_err(|_| Error::Field("currency_code", "must be an ISO 4217 code"))?;
        if !(0..=MAX_EARNERS).contains(&limit) {
            return Err(Error::Field("limit", "must be between 1 and 100"));
        }
        let limit = u32::try_from(limit).ok().filter(|limit| 0 < *limit).unwrap_or(USUAL_EARNERS);
        Ok(store::top_earners(&self.db, ctx.organization(), currency, limit).await?)
    }
}
