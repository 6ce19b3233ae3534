//! A member's own balance.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use quittance_kernel::{Ctx, CycleId, IssueId, Timestamp};
use uuid::Uuid;

use super::{Balances, Error, Period};
use crate::domain::{Balance, Differences, Line, SeverityRates};
use crate::store::{self, ToldLine};

/// How many issues are held at once, however many a member has.
pub(super) const PAGE: u32 = 500;

impl Balances {
    /// Returns the caller's balance, as far as events have told it.
    #[tracing::instrument(name = "balance.get", skip_all)]
    pub async fn balance(&self, ctx: &Ctx) -> Result<Balance, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        // One after the other, on what is then one connection: they take less time than waking a
        // server process for each.
        let cycles = store::cycles_of(&self.db, organization, member).await?;
        let partner = store::partner_sums(&self.db, organization, member).await?;
        Ok(Balance::of(cycles)?.with(&partner)?)
    }

    /// Returns the caller's balance as it was when everything up to and including an instant had
    /// happened, and nothing later. Names and rates are those of now.
    #[tracing::instrument(name = "balance.as_of", skip_all)]
    pub async fn balance_as_of(&self, ctx: &Ctx, instant: Timestamp) -> Result<Balance, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        let mut cycles = store::cycles_of(&self.db, organization, member).await?;
        let mut sums = Differences::default();
        let mut after = IssueId(Uuid::nil());
        loop {
            let page = store::told_of(&self.db, organization, member, after, PAGE).await?;
            for told in &page {
                let line = line_at(told, instant);
                sums.replace(organization, &Line::default(), &line)?;
            }
            // What came to others of these issues is theirs.
            sums.counts.retain(|key, _| key.1 == member);
            sums.money.retain(|key, _| key.1 == member);
            let Some(last) = page.last().filter(|_| page.len() == PAGE as usize) else { break };
            after = last.issue;
        }
        sums.settle();
        for facts in &mut cycles {
            let key = (organization, member, facts.cycle);
            facts.counts = sums.counts.get(&key).copied().unwrap_or_default();
            let here = sums.money.iter().filter(|(key, _)| key.2 == facts.cycle);
            facts.money = here.map(|(key, sums)| (key.3, *sums)).collect();
        }
        Ok(Balance::of(cycles)?)
    }

    /// The current names and rates of the cycles in which the caller has anything.
    pub(super) async fn cycles(
        &self,
        ctx: &Ctx,
    ) -> Result<BTreeMap<CycleId, (String, Option<SeverityRates>)>, Error> {
        let cycles = store::cycles_of(&self.db, ctx.organization(), ctx.member()).await?;
        Ok(cycles.into_iter().map(|cycle| (cycle.cycle, (cycle.name, cycle.rates))).collect())
    }
}

/// The line of an issue when everything up to and including an instant had happened.
pub(super) fn line_at(told: &ToldLine, instant: Timestamp) -> Line {
    let end = instant.min(Period::ALL.to) + TimeDelta::microseconds(1);
    Line::before(&told.told, end)
}
