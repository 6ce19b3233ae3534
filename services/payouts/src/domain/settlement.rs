//! What is written when payable issues are paid: payouts, and their items.

use std::collections::HashMap;

use quittance_kernel::{
    BatchId, Currency, IssueId, MemberId, Method, Money, MoneyError, PayoutId, PayoutItemId, Totals,
};

use super::decision::{Excluded, Payable, Verdict};
use super::order::{Order, Source};

/// One movement of money that is about to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPayout {
    pub id: PayoutId,
    pub payee: MemberId,
    pub total: Money,
    pub method: Method,
    pub reference: String,
    /// In the order of the request.
    pub issues: Vec<IssueId>,
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
                *place
            } else {
                payouts.push(NewPayout {
                    id: PayoutId::new(),
                    payee: paid.payee,
                    total: paid.amount,
                    method,
                    reference: reference.to_owned(),
                    issues: vec![paid.issue],
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
        Ok(Self { batch, source, payouts, items, excluded, totals })
    }
}

#[cfg(test)]
mod tests;
