//! What a plan shows, told from what would be paid now: digests and differences.

use std::collections::HashMap;

use quittance_kernel::{EarningId, IssueId, MemberId, Money};
use sha2::{Digest as _, Sha256};

use super::PlanItem;

/// What one payee is paid less, because they owe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netted {
    pub(crate) payee: MemberId,
    pub(crate) amount: Money,
}

/// SHA-256 over earning, amount, currency and version of what is included, in the order of the
/// earnings, and over what is kept back of whom. Every part has a fixed length and the end says how
/// many there were of each, so that no two sets read the same, and none has to be in memory whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digester {
    hash: Sha256,
    items: u64,
    nettings: u64,
}

impl Digester {
    /// The next item that is included.
    pub(crate) fn item(&mut self, item: &PlanItem) {
        self.items += 1;
        self.hash.update(item.earning.0.as_bytes());
        self.hash.update(item.amount.minor().to_be_bytes());
        self.hash.update(item.amount.currency().code().as_bytes());
        self.hash.update(item.version.to_be_bytes());
    }

    /// The next payee of whom something is kept back, once all items were.
    pub(crate) fn netted(&mut self, netted: &Netted) {
        self.nettings += 1;
        self.hash.update(netted.payee.0.as_bytes());
        self.hash.update(netted.amount.minor().to_be_bytes());
        self.hash.update(netted.amount.currency().code().as_bytes());
    }

    #[must_use]
    pub(crate) fn finish(mut self) -> String {
        self.hash.update(self.items.to_be_bytes());
        self.hash.update(self.nettings.to_be_bytes());
        hex::encode(self.hash.finalize())
    }
}

/// The digest of what is in memory whole.
pub(super) fn digest(included: &[PlanItem], nettings: &[Netted]) -> String {
    let mut digester = Digester::default();
    for item in included {
        digester.item(item);
    }
    for netted in nettings {
        digester.netted(netted);
    }
    digester.finish()
}

/// How what would be paid now differs from what was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) added: Vec<IssueId>,
    pub(crate) removed: Vec<IssueId>,
    pub(crate) changed: Vec<IssueId>,
    /// Of whom another amount is kept back.
    pub(crate) netted: Vec<MemberId>,
    /// How many more were added, removed and changed than are named.
    pub(crate) unnamed: [i64; 3],
}

/// Compares what was included with what would be now. The order is that of the earnings.
pub(crate) fn difference(shown: &[PlanItem], now: &[PlanItem]) -> Difference {
    let by_earning = |items: &[PlanItem]| -> HashMap<EarningId, (Money, i64)> {
        items.iter().map(|item| (item.earning, (item.amount, item.version))).collect()
    };
    let (before, after) = (by_earning(shown), by_earning(now));
    let issues = |items: &[PlanItem], wanted: &dyn Fn(&PlanItem) -> bool| {
        items.iter().filter(|item| wanted(item)).map(|item| item.issue).collect()
    };
    Difference {
        added: issues(now, &|item| !before.contains_key(&item.earning)),
        removed: issues(shown, &|item| !after.contains_key(&item.earning)),
        changed: issues(shown, &|item| {
            let (was, is) = (before.get(&item.earning), after.get(&item.earning));
            is.is_some() && was != is
        }),
        netted: vec![],
        unnamed: [0; 3],
    }
}

/// Of whom another amount is kept back now than was shown.
pub(crate) fn netted_otherwise(shown: &[Netted], now: &[Netted]) -> Vec<MemberId> {
    let others = |these: &[Netted], those: &[Netted]| {
        let other = these.iter().filter(|netted| !those.contains(netted));
        other.map(|netted| netted.payee).collect::<Vec<_>>()
    };
    let mut payees = [others(shown, now), others(now, shown)].concat();
    payees.sort_unstable();
    payees.dedup();
    payees
}
