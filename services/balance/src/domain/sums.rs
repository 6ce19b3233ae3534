//! What lines add up to: counts and money, and the differences that a batch of events makes.

use std::collections::BTreeMap;

use quittance_kernel::{Currency, CycleId, MemberId, OrganizationId, Severity};

use super::line::Line;

/// A sum left the range of 64 bits; it is never wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum is out of range")]
pub struct OutOfRange;

macro_rules! vector {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: i64),+
        }

        impl $name {
            /// Adds field by field.
            pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
                Ok(Self { $($field: self.$field.checked_add(other.$field).ok_or(OutOfRange)?),+ })
            }

            /// Subtracts field by field.
            pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
                Ok(Self { $($field: self.$field.checked_sub(other.$field).ok_or(OutOfRange)?),+ })
            }

            /// Whether every field is zero.
            #[must_use]
            pub fn is_zero(self) -> bool {
                self == Self::default()
            }
        }
    };
}

vector! {
    /// How many issues, drafts excluded.
    Counts {
        /// Filed.
        issues,
        /// Accepted: approved or paid, void not.
        approved,
        paid,
        /// Reviewed, whatever the outcome.
        decided,
        pending_critical,
        pending_high,
        pending_medium,
        pending_low,
    }
}

vector! {
    /// How much, in minor units of one currency.
    Sums {
        /// Paid and not voided.
        earned,
        earned_count,
        /// Approved and not paid yet.
        pending,
        pending_count,
        voided,
        voided_count,
        /// Paid and then voided, and still owed back by the payee (rule 14).
        receivable,
    }
}

vector! {
    /// What moved on one day, in minor units of one currency.
    Flow {
        paid,
        paid_count,
        /// Declared void after it was paid, at the time of the void.
        taken_back,
        taken_back_count,
    }
}

impl Counts {
    /// How many await a decision.
    #[must_use]
    pub fn awaiting(self) -> i64 {
        self.pending_critical + self.pending_high + self.pending_medium + self.pending_low
    }

    /// How many of one severity await a decision.
    #[must_use]
    pub fn awaiting_of(self, severity: Severity) -> i64 {
        match severity {
            Severity::Critical => self.pending_critical,
            Severity::High => self.pending_high,
            Severity::Medium => self.pending_medium,
            Severity::Low => self.pending_low,
        }
    }

    /// One issue that awaits a decision.
    #[must_use]
    pub(super) fn one_awaiting(severity: Severity) -> Self {
        let none = Self::default();
        match severity {
            Severity::Critical => Self { pending_critical: 1, ..none },
            Severity::High => Self { pending_high: 1, ..none },
            Severity::Medium => Self { pending_medium: 1, ..none },
            Severity::Low => Self { pending_low: 1, ..none },
        }
    }
}

/// Whose counts, and in which cycle.
pub(crate) type CountsKey = (OrganizationId, MemberId, CycleId);
/// Whose money, in which cycle and currency.
pub(crate) type MoneyKey = (OrganizationId, MemberId, CycleId, Currency);

/// What a batch of events changes, in the order of the keys: rows are then locked in one order by
/// every consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) counts: BTreeMap<CountsKey, Counts>,
    pub(crate) money: BTreeMap<MoneyKey, Sums>,
}

impl Differences {
    /// Takes account of a line that was `before` and is now `after`.
    pub(crate) fn replace(
        &mut self,
        organization: OrganizationId,
        before: &Line,
        after: &Line,
    ) -> Result<(), OutOfRange> {
        let (old, new) = (before.contribution(), after.contribution());
        if let Some((member, cycle, counts)) = old.counts {
            let sum = self.counts.entry((organization, member, cycle)).or_default();
            *sum = sum.minus(counts)?;
        }
        if let Some((member, cycle, counts)) = new.counts {
            let sum = self.counts.entry((organization, member, cycle)).or_default();
            *sum = sum.plus(counts)?;
        }
        if let Some((member, cycle, currency, sums)) = old.money {
            let sum = self.money.entry((organization, member, cycle, currency)).or_default();
            *sum = sum.minus(sums)?;
        }
        if let Some((member, cycle, currency, sums)) = new.money {
            let sum = self.money.entry((organization, member, cycle, currency)).or_default();
            *sum = sum.plus(sums)?;
        }
        Ok(())
    }

    /// Leaves out what changes nothing. Where money changes, the row of counts is kept even so:
    /// a balance is read from the counts, with the money beside them.
    pub(crate) fn settle(&mut self) {
        self.money.retain(|_, sums| !sums.is_zero());
        let with_money: Vec<_> =
            self.money.keys().map(|(o, member, cycle, _)| (*o, *member, *cycle)).collect();
        self.counts.retain(|_, counts| !counts.is_zero());
        for key in with_money {
            self.counts.entry(key).or_default();
        }
    }

    /// The money by member and currency, over all cycles.
    pub(crate) fn by_member(
        &self,
    ) -> Result<BTreeMap<(OrganizationId, MemberId, Currency), Sums>, OutOfRange> {
        let mut all: BTreeMap<_, Sums> = BTreeMap::new();
        for ((organization, member, _, currency), sums) in &self.money {
            let sum = all.entry((*organization, *member, *currency)).or_default();
            *sum = sum.plus(*sums)?;
        }
        all.retain(|_, sums| !sums.is_zero());
        Ok(all)
    }
}
