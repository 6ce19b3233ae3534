//! One amount owed to one payee for one issue.
//!
//! ```text
//! pending ─▶ approved ─▶ paid ; pending|approved ─▶ rejected ; approved|paid ─▶ void
//! ```
//! `pending` has no row here: before the first approval nothing is owed. A rejected issue that is
//! reopened and approved again makes its earning approved again.

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
