//! Runs of very many earnings: decided piece by piece, told by their sums.

use quittance_kernel::{BatchId, Currency, MemberId, Money, PayoutId};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::difference::Netted;
use super::{PlanItem, Run, in_currency};
use crate::domain::decision::{Excluded, Known, Payable, Verdict, decide};
use crate::domain::earning::Earning;

/// What is included of some earnings and what is not, each in the order of the decision.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) included: Vec<PlanItem>,
    pub(crate) excluded: Vec<PlanItem>,
}

/// What a plan says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) digest: String,
    pub(crate) totals: Vec<(Money, i64)>,
    pub(crate) nettings: Vec<Netted>,
    pub(crate) item_count: i64,
    pub(crate) excluded_count: i64,
}

impl Lines {
    pub(super) fn of(verdict: &Verdict, known: &Known) -> Self {
        let left_out = |excluded: &Excluded| {
            known.earnings.get(&excluded.issue).map(|earning| left_out(earning, excluded))
        };
        Self {
            included: verdict.payable.iter().map(included).collect(),
            excluded: verdict.excluded.iter().filter_map(left_out).collect(),
        }
    }
}

fn included(paid: &Payable) -> PlanItem {
    PlanItem {
        earning: paid.earning,
        issue: paid.issue,
        payee: paid.payee,
        amount: paid.amount,
        version: paid.was.map_or(0, |was| was.version),
        source_version: paid.source_version,
        reasons: vec![],
    }
}

fn left_out(earning: &Earning, excluded: &Excluded) -> PlanItem {
    PlanItem {
        earning: earning.id,
        issue: earning.issue,
        payee: earning.payee,
        amount: earning.amount,
        version: earning.version,
        source_version: earning.source_version,
        reasons: excluded.reasons.iter().map(|reason| reason.as_str().to_owned()).collect(),
    }
}

/// Decides about a piece of a run by the function that decides about every payment; the included
/// are in the order of the earnings. Without the minimums, which are about the whole: sums of
/// payees are left out once all pieces are known.
pub(crate) fn lines(run: &Run, known: &Known, payer: MemberId) -> Lines {
    let mut found: Vec<&Earning> = known.earnings.values().collect();
    found.sort_unstable_by_key(|earning| earning.id);
    let order = run.template.over(found.iter().map(|earning| earning.issue).collect());
    let verdict = in_currency(run.filters.currency, decide(&order, known, payer));
    Lines::of(&verdict, known)
}

/// The payout of a payee and currency in a batch. It follows from them, so that no list of all
/// payouts is kept while their items are written. It is as old as its batch, as lists want it.
#[must_use]
pub(crate) fn payout_of(batch: BatchId, payee: MemberId, currency: Currency) -> PayoutId {
    let mut hash = Sha256::new();
    hash.update(batch.0.as_bytes());
    hash.update(payee.0.as_bytes());
    hash.update(currency.code().as_bytes());
    let hash = hash.finalize();
    let mut bytes: [u8; 16] = Uuid::nil().into_bytes();
    bytes.copy_from_slice(&hash[..16]);
    // The first six bytes of an id are its time.
    bytes[..6].copy_from_slice(&batch.0.as_bytes()[..6]);
    let id = Builder::from_bytes(bytes).with_version(uuid::Version::SortRand);
    PayoutId(id.with_variant(uuid::Variant::RFC4122).into_uuid())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_payout_follows_from_its_batch_payee_and_currency() {
        let (batch, payee) = (BatchId::new(), MemberId::new());
        let id = payout_of(batch, payee, Currency::KZT);
        assert_eq!(id, payout_of(batch, payee, Currency::KZT));
        let others = [
            payout_of(batch, payee, Currency::USD),
            payout_of(batch, MemberId::new(), Currency::KZT),
            payout_of(BatchId::new(), payee, Currency::KZT),
        ];
        assert_eq!(others.iter().chain([&id]).collect::<HashSet<_>>().len(), 4);
        assert_eq!(id.0.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(id.0.as_bytes()[..6], batch.0.as_bytes()[..6]);
    }
}
