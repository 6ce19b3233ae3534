use quittance_kernel::{Ctx, CycleId, Money};

use super::{Issues, Total};
use crate::error::Error;
use crate::store::totals::unpaid_and_paid;

/// Sums of a cycle, currency by currency (S0-15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleTotals {
    pub approved_unpaid: Vec<Total>,
    pub paid: Vec<Total>,
    /// Both together.
    pub committed: Vec<Total>,
}

impl Issues {
    /// Sums what a cycle owes and what it has paid.
    #[tracing::instrument(name = "issues.cycle_totals", skip_all, fields(cycle.id = %cycle))]
    pub async fn cycle_totals(&self, ctx: &Ctx, cycle: CycleId) -> Result<CycleTotals, Error> {
        self.cycle_in_charge(ctx, cycle).await?;
        let (unpaid, paid) = unpaid_and_paid(self.db.conn(), (ctx.organization(), cycle)).await?;
        let committed = together(&unpaid, &paid)?;
        Ok(CycleTotals { approved_unpaid: unpaid, paid, committed })
    }
}

/// Adds sums of the same currency; both lists are in the order of currencies.
fn together(unpaid: &[Total], paid: &[Total]) -> Result<Vec<Total>, Error> {
    let mut all: Vec<Total> = Vec::with_capacity(unpaid.len() + paid.len());
    for total in unpaid.iter().chain(paid) {
        let currency = total.sum.currency();
        match all.iter_mut().find(|known| known.sum.currency() == currency) {
            None => all.push(*total),
            Some(known) => {
                let sum: Result<Money, _> = known.sum.checked_add(total.sum);
                known.sum = sum.map_err(|error| Error::Money { field: "committed", error })?;
                known.count += total.count;
            }
        }
    }
    all.sort_by_key(|total| total.sum.currency());
    Ok(all)
}
