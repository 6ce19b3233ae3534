//! What is written when payable issues are paid: payouts, and their items.

use std::collections::{BTreeSet, HashMap};

use quittance_kernel::{
    BatchId, Currency, IssueId, MemberId, Method, Money, MoneyError, PayoutId, PayoutItemId, Totals,
};

use super::decision::{Excluded, Payable, Verdict};
use super::order::{Order, Source};
use super::receivable::{Netting, Receivable, net};

/// One movement of money that is about to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPayout {
    pub id: PayoutId,
    pub payee: MemberId,
    /// What is paid: the sum of the items less what is kept back.
    pub total: Money,
    /// What the payee owes and is kept back.
    pub netted: i64,
    pub method: Method,
    pub reference: String,
    /// In the order of the request; empty where payouts are written before their items.
    pub issues: Vec<IssueId>,
    pub item_count: usize,
}

/// One earning's place in one payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub id: PayoutItemId,
    /// The place of its payout in the settlement.
    pub payout: usize,
    pub paid: Payable,
}

/// Payments that happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Absent for a single payment.
    pub batch: Option<BatchId>,
    pub source: Source,
    /// One per payee, currency, method and reference, in the order of the request.
    pub payouts: Vec<NewPayout>,
    /// In the order of their earnings' ids: the order in which rows are locked.
    pub items: Vec<Item>,
    pub excluded: Vec<Excluded>,
    /// By currency.
    pub totals: Totals,
    /// What the payees owe, as far as it was looked at.
    pub receivables: Vec<Receivable>,
    /// What is kept back of it.
    pub nettings: Vec<Netting>,
}

impl Settlement {
    /// Groups what may be paid into payouts. Fails if a sum is out of range.
    pub(crate) fn of(order: &Order, verdict: Verdict) -> Result<Self, MoneyError> {
        let mut payouts: Vec<NewPayout> = Vec::new();
        let mut places: HashMap<(MemberId, Currency, Method, &str), usize> = HashMap::new();
        let mut items = Vec::with_capacity(verdict.payable.len());
        let mut totals = Totals::default();
        for paid in verdict.payable {
            let Some(group) = order.groups().get(paid.group) else { continue };
            let (method, reference) = (group.method, group.reference.as_str());
            let key = (paid.payee, paid.amount.currency(), method, reference);
            totals.add(paid.amount)?;
            let place = if let Some(place) = places.get(&key) {
                let payout = &mut payouts[*place];
                payout.total = payout.total.checked_add(paid.amount)?;
                payout.issues.push(paid.issue);
                payout.item_count += 1;
                *place
            } else {
                payouts.push(NewPayout {
                    id: PayoutId::new(),
                    payee: paid.payee,
                    total: paid.amount,
                    netted: 0,
                    method,
                    reference: reference.to_owned(),
                    issues: vec![paid.issue],
                    item_count: 1,
                });
                places.insert(key, payouts.len() - 1);
                payouts.len() - 1
            };
            items.push(Item { id: PayoutItemId::new(), payout: place, paid });
        }
        items.sort_unstable_by_key(|item| item.paid.earning);
        let batch = match order.source() {
            Source::BatchPay => Some(BatchId::new()),
            Source::Manual => None,
            // A run may find nothing to pay.
            Source::RunBatch => (!items.is_empty()).then(BatchId::new),
        };
        let (source, excluded) = (order.source(), verdict.excluded);
        let (receivables, nettings) = (vec![], vec![]);
        Ok(Self { batch, source, payouts, items, excluded, totals, receivables, nettings })
    }

    /// Whether a provider is still to move the money.
    #[must_use]
    pub(crate) fn is_executed(&self) -> bool {
        self.payouts.first().is_some_and(|payout| !payout.method.is_manual())
    }

    /// Whom it pays, each once.
    #[must_use]
    pub(crate) fn payees(&self) -> BTreeSet<MemberId> {
        self.payouts.iter().map(|payout| payout.payee).collect()
    }

    /// Keeps back what the payees owe, the oldest debts first.
    pub(crate) fn keep_back(&mut self, receivables: Vec<Receivable>) -> Result<(), MoneyError> {
        let sums: Vec<_> = self
            .payouts
            .iter()
            .map(|payout| (payout.payee, payout.total.currency(), payout.total.minor()))
            .collect();
        let nettings = net(&sums, &receivables);
        for netting in &nettings {
            let payout = &mut self.payouts[netting.payout];
            let kept = Money::signed(netting.minor, payout.total.currency());
            payout.total = payout.total.checked_add(kept.checked_neg()?)?;
            payout.netted += netting.minor;
            self.totals.reduce(kept)?;
        }
        (self.receivables, self.nettings) = (receivables, nettings);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
