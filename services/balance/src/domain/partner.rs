//! A partner's money: commissions that were earned, and payouts that pay them or something else.
//! Each part keeps the newest version that it has heard of, as lines do.

use quittance_kernel::{Currency, MemberId};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// Earned by a sale, or, when negative, taken back by a refund.
    Commission,
    /// A payout that covers commissions: once paid, they are no longer pending.
    Covering,
    /// A payout of a sum that somebody has agreed on.
    Manual,
}

impl EntryKind {
    pub(crate) const ALL: [Self; 3] = [Self::Commission, Self::Covering, Self::Manual];

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commission => "commission",
            Self::Covering => "covering",
            Self::Manual => "manual",
        }
    }
}

/// What is told of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) version: i64,
    pub(crate) kind: EntryKind,
    pub(crate) minor: i64,
    /// Of a payout.
    pub(crate) status: String,
}

/// What the partner still owes of a voided payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) version: i64,
    pub(crate) minor: i64,
}

/// A commission, or a payout of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) member: MemberId,
    pub(crate) currency: Currency,
    pub(crate) standing: Option<Standing>,
    pub(crate) owed: Option<Owed>,
}

impl Entry {
    /// Takes what another event says of the same, where it is newer.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some(standing) = &other.standing
            && self.standing.as_ref().is_none_or(|known| known.version < standing.version)
        {
            self.standing = Some(standing.clone());
        }
        if let Some(owed) = other.owed
            && self.owed.is_none_or(|known| known.version < owed.version)
        {
            self.owed = Some(owed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_part_counts_in_whatever_order_they_come() {
        let part = |standing: Option<(i64, &str)>, owed: Option<(i64, i64)>| Entry {
            member: MemberId(uuid::Uuid::nil()),
            currency: Currency::KZT,
            standing: standing.map(|(version, status)| Standing {
                version,
                kind: EntryKind::Manual,
                minor: 500,
                status: status.to_owned(),
            }),
            owed: owed.map(|(version, minor)| Owed { version, minor }),
        };
        let told = [
            part(Some((1, "pending_approval")), None),
            part(Some((3, "paid")), None),
            part(None, Some((5, 200))),
            part(Some((4, "void")), None),
            part(None, Some((4, 300))),
        ];
        let wanted = part(Some((4, "void")), Some((5, 200)));
        for turn in 0..told.len() {
            let mut told = told.clone();
            told.rotate_left(turn);
            let mut known = told[0].clone();
            for entry in &told {
                known.merge(entry);
            }
            assert_eq!(known, wanted);
        }
    }
}
