//! Quotes and profit periods: what may be asked for.

use quittance_kernel::{IssueId, MemberId, Money, PayoutId, ProductId, Timestamp};
use uuid::Uuid;

use super::shares::{Division, divide, pool_of};

/// The most that is divided, in minor units: as one amount of an issue.
const MAX_PROFIT: i64 = 10_000_000_000_000;

/// Why nothing was quoted or divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfitError {
    #[error("the profit of {period} of product {product} was distributed before")]
    Distributed { product: ProductId, period: String },
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("profit must be between 1 and {MAX_PROFIT} minor units")]
    Profit,
    #[error("product {0} not found")]
    ProductNotFound(ProductId),
    #[error("issue {0} was not handed in for a bounty that is paid in money")]
    SubmissionNotFound(IssueId),
}

/// The pool of a product, as issues knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) capacity: i64,
    pub(crate) fee_bps: i64,
    /// Each member once, with points and name.
    pub(crate) holders: Vec<(MemberId, i64, String)>,
}

/// What a founder reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) product: ProductId,
    pub(crate) period: String,
    pub(crate) profit: Money,
    pub(crate) pool_bps: i64,
}

/// A report, divided. In a dry run there is no id and no payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) id: Option<Uuid>,
    pub(crate) report: Report,
    pub(crate) total: i64,
    pub(crate) division: Division,
    /// In the order of the shares.
    pub(crate) names: Vec<String>,
    pub(crate) payouts: Vec<Option<PayoutId>>,
    pub(crate) at: Timestamp,
}

impl Report {
    /// Checks a report; the period was checked before.
    pub(crate) fn new(
        product: ProductId,
        period: String,
        profit: Money,
        pool_bps: Option<i64>,
    ) -> Result<Self, ProfitError> {
        if !(1..=MAX_PROFIT).contains(&profit.minor()) {
            return Err(ProfitError::Profit);
        }
        let pool_bps = pool_bps.unwrap_or(10_000);
        if !(1..=10_000).contains(&pool_bps) {
            let detail = "must be between 1 and 10000";
            return Err(ProfitError::Field { field: "pool_bps", detail });
        }
        Ok(Self { product, period, profit, pool_bps })
    }

    /// Divides the pool's part of the profit.
    #[must_use]
    pub(crate) fn divide(&self, pool: Pool, at: Timestamp) -> Distribution {
        let total = pool_of(self.profit.minor(), self.pool_bps);
        let points: Vec<(MemberId, i64)> =
            pool.holders.iter().map(|(member, points, _)| (*member, *points)).collect();
        let division = divide(total, pool.capacity, pool.fee_bps, &points);
        let mut holders = pool.holders;
        holders.retain(|(_, points, _)| 0 < *points);
        holders.sort_unstable_by_key(|(member, ..)| *member);
        let names: Vec<String> = holders.into_iter().map(|(.., name)| name).collect();
        let payouts = vec![None; names.len()];
        Distribution { id: None, report: self.clone(), total, division, names, payouts, at }
    }
}

impl Distribution {
    /// What the platform keeps of all shares.
    #[must_use]
    pub(crate) fn platform_fee(&self) -> i64 {
        self.division.shares.iter().map(|share| share.platform_fee).sum()
    }
}

#[cfg(test)]
mod tests {
    use quittance_kernel::Currency;

    use super::super::shares::Share;
    use super::*;

    #[test]
    fn a_report_is_checked_and_divided() {
        let product = ProductId::new();
        let report = |minor, bps| {
            let profit = Money::signed(minor, Currency::USD);
            Report::new(product, "2026-Q1".to_owned(), profit, bps)
        };
        assert_eq!(report(0, None), Err(ProfitError::Profit));
        assert!(report(1, Some(0)).is_err() && report(1, Some(10_001)).is_err());
        let (a, b) = (MemberId::new(), MemberId::new());
        let holders = vec![(b, 50, "B".to_owned()), (a, 150, "A".to_owned())];
        let pool = Pool { capacity: 1_000, fee_bps: 1_000, holders };
        let at = "2026-05-08T12:00:00Z".parse().unwrap();
        let done = report(1_000_000, Some(2_000)).unwrap().divide(pool, at);
        assert_eq!(
            (done.total, done.division.residual, done.platform_fee()),
            (200_000, 160_000, 4_000)
        );
        let paid: Vec<_> = done.division.shares.iter().map(Share::payout).collect();
        assert_eq!((paid, done.names), (vec![27_000, 9_000], vec!["A".to_owned(), "B".to_owned()]));
    }
}
