//! Sums over the caller's whole organization.

use quittance_kernel::{Ctx, Money};

use super::{Balances, Error};
use crate::domain::Sums;
use crate::store::{self, MoneyTotal, TopEarner};

/// Sums by currency, each with the number of earnings in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrganizationTotals {
    pub(crate) approved_unpaid: Vec<(Money, i64)>,
    pub(crate) paid_lifetime: Vec<(Money, i64)>,
    pub(crate) voided: Vec<(Money, i64)>,
    pub(crate) top_earner: Option<TopEarner>,
}

impl Balances {
    /// Returns the sums of the caller's organization. The top earner is the one of the currency in
    /// which the most payments were made: amounts of two currencies cannot be compared.
    #[tracing::instrument(name = "balance.totals", skip_all)]
    pub(crate) async fn organization_totals(&self, ctx: &Ctx) -> Result<OrganizationTotals, Error> {
        let organization = ctx.organization();
        let totals = store::totals(&self.db, organization).await?;
        let busiest = totals
            .iter()
            .filter(|total| total.sums.earned > 0)
            // Of equals the first, since currencies come in the order of their codes.
            .rev()
            .max_by_key(|total| total.sums.earned_count);
        let top_earner = match busiest {
            Some(total) => store::top_earner(&self.db, organization, total.currency).await?,
            None => None,
        };
        Ok(OrganizationTotals {
            approved_unpaid: column(&totals, |sums| (sums.pending, sums.pending_count)),
            paid_lifetime: column(&totals, |sums| (sums.earned, sums.earned_count)),
            voided: column(&totals, |sums| (sums.voided, sums.voided_count)),
            top_earner,
        })
    }
}

fn column(totals: &[MoneyTotal], pick: fn(&Sums) -> (i64, i64)) -> Vec<(Money, i64)> {
    totals
        .iter()
        .map(|total| (pick(&total.sums), total.currency))
        .filter(|((minor, count), _)| (*minor, *count) != (0, 0))
        .map(|((minor, count), currency)| (Money::signed(minor, currency), count))
        .collect()
}
