//! The projections against what their owners know: what is compared, and what is found.

use std::collections::BTreeMap;

use quittance_kernel::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::line::{Earning, Filing};
use super::partner::Entry;

/// The most findings that a report names; all of them are counted.
pub(crate) const MAX_FINDINGS: usize = 200;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// How a row is not as it should be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingKind { $($(#[$doc])* $name),+ }

        impl FindingKind {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

kinds! {
    /// Its owner has it, and it was never heard of here.
    Missing = "missing",
    /// An older version of it is kept.
    Late = "late",
    /// The same version says something else.
    Different = "different",
    /// It is kept here, and its owner does not have it.
    Unknown = "unknown",
    /// A kept sum is not what its lines add up to.
    Sum = "sum",
    /// The ledger does not hold what it is about, or does not verify.
    Ledger = "ledger",
}

/// One row that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub entity: String,
    /// None of a sum.
    pub id: Option<Uuid>,
    pub ours: String,
    pub theirs: String,
}

/// What is counted together: the kind of entity, where it stands, and the currency.
pub(crate) type SumKey = (String, String, String);

/// How many, and how much.
pub(crate) type Sum = (i64, i64);

/// A sum as it is here and as its owner has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedSum {
    pub entity: String,
    pub state: String,
    pub currency: String,
    pub ours: (i64, i64),
    pub theirs: (i64, i64),
}

/// A comparison of one organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    pub id: Uuid,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Whether all rows were looked at, and not only those of sums that differ.
    pub deep: bool,
    pub sums: Vec<ComparedSum>,
    /// The first of them.
    pub findings: Vec<Finding>,
    pub drift: i64,
    /// Rows that differ because their events are under way.
    pub under_way: i64,
    /// Rows that were looked at one by one.
    pub checked: i64,
}

impl Reconciliation {
    pub(crate) fn find(&mut self, finding: Finding) {
        self.drift += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Puts the two sides beside each other, in the order of their keys.
pub(crate) fn compared(
    ours: &BTreeMap<SumKey, Sum>,
    theirs: &BTreeMap<SumKey, Sum>,
) -> Vec<ComparedSum> {
    let mut keys: Vec<&SumKey> = ours.keys().chain(theirs.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |side: &BTreeMap<SumKey, Sum>, key| side.get(key).copied().unwrap_or_default();
    keys.into_iter()
        .map(|key| ComparedSum {
            entity: key.0.clone(),
            state: key.1.clone(),
            currency: key.2.clone(),
            ours: of(ours, key),
            theirs: of(theirs, key),
        })
        .collect()
}

/// A row, as both sides can be written: what is compared of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) version: i64,
    /// All that it says but the version.
    pub(crate) says: String,
}

impl Row {
    pub(crate) fn of_filing(filing: &Filing) -> Self {
        let said = Filing { version: 0, ..filing.clone() };
        Self { version: filing.version, says: format!("{said:?}") }
    }

    pub(crate) fn of_earning(earning: &Earning) -> Self {
        let said = Earning { version: 0, ..earning.clone() };
        Self { version: earning.version, says: format!("{said:?}") }
    }

    /// A payout or a commission of a partner; none if only a debt of it is known.
    pub(crate) fn of_entry(entry: &Entry) -> Option<Self> {
        let standing = entry.standing.as_ref()?;
        let (member, currency) = (entry.member, entry.currency);
        let (kind, minor, status) = (standing.kind, standing.minor, &standing.status);
        let says = format!("{member} {} {minor} {currency} {status}", kind.as_str());
        Some(Self { version: standing.version, says })
    }

    /// What is owed back of a partner's payout.
    pub(crate) fn of_debt(entry: &Entry) -> Option<Self> {
        let owed = entry.owed.or_else(|| {
            let standing = entry.standing.as_ref().filter(|standing| standing.status == "void")?;
            Some(super::partner::Owed { version: standing.version, minor: standing.minor })
        })?;
        Some(Self { version: owed.version, says: format!("{} {}", owed.minor, entry.currency) })
    }
}

/// What is to be made of two sides of a row, ours having been read first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// It differs, but not for so long that its event could not be on its way.
    UnderWay,
    Drift(FindingKind),
}

/// Judges a row. `settled` tells whether the owner's row last changed long enough ago for its event
/// to have arrived.
pub(crate) fn judge(ours: Option<&Row>, theirs: Option<&Row>, settled: bool) -> Verdict {
    let kind = match (ours, theirs) {
        (None, None) => return Verdict::Same,
        (Some(ours), Some(theirs)) if ours.says == theirs.says => return Verdict::Same,
        (Some(ours), Some(theirs)) if theirs.version <= ours.version => FindingKind::Different,
        // Ours was read first: what its owner does not have now, it did not have then.
        (Some(_), None) => FindingKind::Unknown,
        (Some(_), Some(_)) if settled => FindingKind::Late,
        (None, Some(_)) if settled => FindingKind::Missing,
        (Some(_) | None, Some(_)) => return Verdict::UnderWay,
    };
    Verdict::Drift(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: i64, says: &str) -> Row {
        Row { version, says: says.to_owned() }
    }

    #[test]
    fn what_is_under_way_is_no_drift_and_what_is_wrong_is_named() {
        use FindingKind::{Different, Late, Missing, Unknown};
        let (old, new) = (row(1, "open"), row(2, "paid"));
        let (same_version, same_words) = (row(2, "open"), row(1, "paid"));
        let judged = |ours, theirs, settled| judge(ours, theirs, settled);
        assert_eq!(judged(Some(&old), Some(&new), false), Verdict::UnderWay);
        assert_eq!(judged(Some(&old), Some(&new), true), Verdict::Drift(Late));
        assert_eq!(judged(None, Some(&new), false), Verdict::UnderWay);
        assert_eq!(judged(None, Some(&new), true), Verdict::Drift(Missing));
        // No time makes the same version say something else.
        assert_eq!(judged(Some(&same_version), Some(&new), false), Verdict::Drift(Different));
        assert_eq!(judged(Some(&new), None, false), Verdict::Drift(Unknown));
        // A version that tells nothing new is none of anybody's business.
        assert_eq!(judged(Some(&same_words), Some(&new), true), Verdict::Same);
        assert_eq!(judged(None, None, true), Verdict::Same);
    }

    #[test]
    fn sums_stand_beside_each_other_and_what_one_side_lacks_is_nothing() {
        let key = |state: &str| ("earning".to_owned(), state.to_owned(), "KZT".to_owned());
        let ours = BTreeMap::from([(key("paid"), (1, 100))]);
        let theirs = BTreeMap::from([(key("paid"), (1, 100)), (key("void"), (2, 50))]);
        let sums = compared(&ours, &theirs);
        assert_eq!(sums.len(), 2);
        assert_eq!((sums[0].ours, sums[0].theirs), ((1, 100), (1, 100)));
        assert_eq!((sums[1].ours, sums[1].theirs), ((0, 0), (2, 50)));
    }
}
