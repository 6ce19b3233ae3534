//! A member's balance, put together from the sums of their cycles.

use std::collections::BTreeMap;

use quittance_kernel::{Currency, CycleId, Money, Severity};

use super::sums::{Counts, OutOfRange, Sums};

/// What a cycle pays at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeverityRates {
    pub(crate) currency: Currency,
    pub(crate) critical: i64,
    pub(crate) high: i64,
    pub(crate) medium: i64,
    pub(crate) low: i64,
}

impl SeverityRates {
    pub(super) fn of(&self, severity: Severity) -> i64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
        }
    }

    /// What the undecided issues would earn if all were approved at these rates.
    fn estimate(&self, counts: Counts) -> Result<i64, OutOfRange> {
        Severity::ALL.iter().try_fold(0_i64, |sum, severity| {
            let part = counts.awaiting_of(*severity).checked_mul(self.of(*severity));
            part.and_then(|part| sum.checked_add(part)).ok_or(OutOfRange)
        })
    }
}

/// The sums of one member in one cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CycleFacts {
    pub(crate) cycle: CycleId,
    /// Empty until the cycle has been heard of.
    pub(crate) name: String,
    pub(crate) counts: Counts,
    pub(crate) rates: Option<SeverityRates>,
    pub(crate) money: Vec<(Currency, Sums)>,
}

/// Sums of one currency over all cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceTotal {
    pub sums: Sums,
    /// An estimate at current rates.
    pub awaiting: i64,
}

/// One cycle of a balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleBalance {
    pub cycle: CycleId,
    pub name: String,
    pub counts: Counts,
    pub earned: Vec<Money>,
}

/// What a member has earned, is owed and may expect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// By currency; currencies are never added to each other.
    pub totals: BTreeMap<Currency, BalanceTotal>,
    /// Over all cycles.
    pub counts: Counts,
    /// The cycle with the most issues first.
    pub cycles: Vec<CycleBalance>,
}

impl Balance {
    /// Adds up the cycles of one member.
    pub(crate) fn of(cycles: Vec<CycleFacts>) -> Result<Self, OutOfRange> {
        let mut balance = Self::default();
        for facts in cycles {
            balance.add(facts)?;
        }
        balance.totals.retain(|_, total| *total != BalanceTotal::default());
        balance.cycles.sort_by(|a, b| {
            b.counts.issues.cmp(&a.counts.issues).then_with(|| a.name.cmp(&b.name))
        });
        Ok(balance)
    }

    /// The same with what the member has as a partner (S3), which belongs to no cycle.
    pub(crate) fn with(mut self, partner: &[(Currency, Sums)]) -> Result<Self, OutOfRange> {
        for (currency, sums) in partner.iter().filter(|(_, sums)| !sums.is_zero()) {
            let total = self.totals.entry(*currency).or_default();
            total.sums = total.sums.plus(*sums)?;
        }
        Ok(self)
    }

    fn add(&mut self, facts: CycleFacts) -> Result<(), OutOfRange> {
        self.counts = self.counts.plus(facts.counts)?;
        for (currency, sums) in &facts.money {
            let total = self.totals.entry(*currency).or_default();
            total.sums = total.sums.plus(*sums)?;
        }
        if let Some(rates) = facts.rates {
            let total = self.totals.entry(rates.currency).or_default();
            let estimate = rates.estimate(facts.counts)?;
            total.awaiting = total.awaiting.checked_add(estimate).ok_or(OutOfRange)?;
        }
        let has_money = facts.money.iter().any(|(_, sums)| !sums.is_zero());
        if facts.counts.is_zero() && !has_money {
            return Ok(());
        }
        let earned = facts
            .money
            .iter()
            .filter(|(_, sums)| sums.earned != 0)
            .map(|(currency, sums)| Money::signed(sums.earned, *currency))
            .collect();
        self.cycles.push(CycleBalance {
            cycle: facts.cycle,
            name: facts.name,
            counts: facts.counts,
            earned,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(counts: Counts, rates: Option<SeverityRates>) -> CycleFacts {
        CycleFacts { cycle: CycleId::new(), name: "Sweep".into(), counts, rates, money: vec![] }
    }

    fn rates(code: &str, high: i64) -> SeverityRates {
        let currency = code.parse().unwrap();
        SeverityRates { currency, critical: 1_500_000, high, medium: 300_000, low: 100_000 }
    }

    #[test]
    fn what_awaits_a_decision_is_estimated_in_the_currency_of_its_cycle() {
        let counts = Counts { issues: 3, pending_high: 2, pending_low: 1, ..Counts::default() };

        let balance = Balance::of(vec![
            facts(counts, Some(rates("KZT", 800_000))),
            facts(counts, Some(rates("USD", 5))),
            facts(counts, None),
        ])
        .unwrap();

        assert_eq!(balance.counts.awaiting(), 9);
        assert_eq!(balance.totals[&Currency::KZT].awaiting, 1_700_000);
        assert_eq!(balance.totals[&Currency::USD].awaiting, 100_010);
        assert_eq!(balance.totals.len(), 2);
    }

    #[test]
    fn an_estimate_that_cannot_be_counted_is_an_error() {
        let counts = Counts { pending_high: i64::MAX, ..Counts::default() };
        let balance = Balance::of(vec![facts(counts, Some(rates("KZT", 2)))]);
        assert_eq!(balance, Err(OutOfRange));
    }

    #[test]
    fn a_cycle_that_nothing_is_left_of_is_not_shown() {
        let mut left = facts(Counts::default(), Some(rates("KZT", 1)));
        left.money.push((Currency::KZT, Sums::default()));
        assert_eq!(Balance::of(vec![left]), Ok(Balance::default()));
    }
}
