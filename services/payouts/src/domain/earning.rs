//! One amount owed to one payee for one issue.
//!
//! ```text
//! pending ─▶ approved ─▶ paid ; pending|approved ─▶ rejected ; approved|paid ─▶ void
//! paid ─▶ approved (returned money)
//! ```
//! `pending` has no row here: before the first approval nothing is owed. A rejected issue that is
//! reopened and approved again makes its earning approved again.

use super::payout_machine::InvalidTransition;
use quittance_kernel::{CycleId, EarningId, IssueId, MemberId, Money, PayoutId, PayoutStatus};

/// Where an earning stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarningStatus {
    Approved,
    Paid,
    Rejected,
    Void,
}

impl EarningStatus {
    pub(crate) const ALL: [Self; 4] = [Self::Approved, Self::Paid, Self::Rejected, Self::Void];

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Paid => "paid",
            Self::Rejected => "rejected",
            Self::Void => "void",
        }
    }

    /// The same as seen from the issue, as events tell it.
    #[must_use]
    pub(crate) fn seen_from_issue(self) -> PayoutStatus {
        match self {
            Self::Approved => PayoutStatus::Approved,
            Self::Paid => PayoutStatus::Paid,
            Self::Rejected => PayoutStatus::Rejected,
            Self::Void => PayoutStatus::Void,
        }
    }

    /// Whether money has moved, so that the review of the issue no longer decides.
    #[must_use]
    pub(crate) fn is_settled(self) -> bool {
        match self {
            Self::Paid | Self::Void => true,
            Self::Approved | Self::Rejected => false,
        }
    }
}

/// Where an earning may go. What a review decides anew leads back from `rejected`.
fn onward(from: EarningStatus) -> &'static [EarningStatus] {
    match from {
        EarningStatus::Approved => {
            &[EarningStatus::Paid, EarningStatus::Rejected, EarningStatus::Void]
        }
        EarningStatus::Paid => &[EarningStatus::Approved, EarningStatus::Void],
        EarningStatus::Rejected => &[EarningStatus::Approved],
        EarningStatus::Void => &[],
    }
}

/// Takes one step, or tells which there are.
pub(crate) fn step(
    from: EarningStatus,
    to: EarningStatus,
) -> Result<EarningStatus, InvalidTransition> {
    let allowed = onward(from);
    if allowed.contains(&to) {
        return Ok(to);
    }
    Err(InvalidTransition {
        entity: "earning",
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.iter().map(|status| status.as_str()).collect(),
    })
}

/// One amount owed to one payee for one issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earning {
    pub id: EarningId,
    pub issue: IssueId,
    pub cycle: CycleId,
    pub payee: MemberId,
    pub amount: Money,
    pub status: EarningStatus,
    pub version: i64,
    /// The version of the issue whose review this row follows.
    pub source_version: i64,
    pub payout: Option<PayoutId>,
}

impl Earning {
    /// Whether an issue has earned it; a partner's has no cycle.
    #[must_use]
    pub(crate) fn is_of_issue(&self) -> bool {
        !self.cycle.0.is_nil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_goes_as_drawn_or_is_refused() {
        use EarningStatus::{Approved, Paid, Rejected, Void};
        let drawn = [
            (Approved, Paid),
            (Approved, Rejected),
            (Approved, Void),
            (Paid, Approved),
            (Paid, Void),
            (Rejected, Approved),
        ];
        for from in EarningStatus::ALL {
            for to in EarningStatus::ALL {
                assert_eq!(step(from, to).is_ok(), drawn.contains(&(from, to)), "{from:?} {to:?}");
            }
        }
        let refused = step(Void, Paid).unwrap_err();
        assert_eq!((refused.from, refused.to, refused.allowed.len()), ("void", "paid", 0));
    }
}
