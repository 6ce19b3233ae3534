//! What the reporter of an issue is told, and of what not.

use quittance_kernel::{CycleId, IssueId, MemberId, Money, PayoutId};

use super::issue::{Event, Issue};
use super::review::Stand;

/// The word for what somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    IssueVerified,
    IssueApproved,
    IssueRejected,
    IssuePaid,
    PayoutFailed,
    PayoutApproved,
    PayoutRejected,
    PayoutPaid,
}

impl NoticeKind {
    /// The spelling in the database and on every wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IssueVerified => "ISSUE_VERIFIED",
            Self::IssueApproved => "ISSUE_APPROVED",
            Self::IssueRejected => "ISSUE_REJECTED",
            Self::IssuePaid => "ISSUE_PAID",
            Self::PayoutFailed => "PAYOUT_FAILED",
            Self::PayoutApproved => "PAYOUT_APPROVED",
            Self::PayoutRejected => "PAYOUT_REJECTED",
            Self::PayoutPaid => "PAYOUT_PAID",
        }
    }

    /// How it begins when people read it.
    fn word(self) -> &'static str {
        match self {
            Self::IssueVerified => "Verified",
            Self::IssueApproved => "Approved",
            Self::IssueRejected => "Rejected",
            Self::IssuePaid => "Paid",
            Self::PayoutFailed => "Payment failed",
            Self::PayoutApproved => "Payout approved",
            Self::PayoutRejected => "Payout rejected",
            Self::PayoutPaid => "Payout paid",
        }
    }

    /// Reads the spelling.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const ALL: [NoticeKind; 8] = [
            NoticeKind::IssueVerified,
            NoticeKind::IssueApproved,
            NoticeKind::IssueRejected,
            NoticeKind::IssuePaid,
            NoticeKind::PayoutFailed,
            NoticeKind::PayoutApproved,
            NoticeKind::PayoutRejected,
            NoticeKind::PayoutPaid,
        ];
        ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One thing to tell one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub kind: NoticeKind,
    pub member: MemberId,
    /// None when it is about money of several issues; so is the cycle.
    pub issue: Option<IssueId>,
    pub cycle: Option<CycleId>,
    pub title: String,
    /// What was accepted or paid.
    pub amount: Option<Money>,
    /// Why it was decided so.
    pub reason: Option<String>,
    pub payout: Option<PayoutId>,
    pub reference: Option<String>,
}

/// Whom a notice is for and what it is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub member: MemberId,
    pub issue: IssueId,
    pub cycle: CycleId,
    /// The title of the issue.
    pub title: &'a str,
}

/// What payouts said of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    pub amount: Option<Money>,
    pub payout: Option<PayoutId>,
    pub reference: Option<String>,
}

impl Notice {
    fn new(kind: NoticeKind, about: About<'_>) -> Self {
        let word = kind.word();
        Self {
            kind,
            member: about.member,
            issue: Some(about.issue),
            cycle: Some(about.cycle),
            title: format!("{word}: {}", about.title),
            amount: None,
            reason: None,
            payout: None,
            reference: None,
        }
    }
}

/// What the reporter is told of a change. Nobody is told of what they did themselves, and a
/// rejection is told once, however many ends the issue comes to.
#[must_use]
pub fn of_change(
    before: Option<&Issue>,
    issue: &Issue,
    event: Event,
    actor: MemberId,
) -> Option<Notice> {
    if actor == issue.reporter {
        return None;
    }
    let was_verified = before.is_some_and(|before| before.verification.is_some());
    let was_rejected = before.is_some_and(|before| before.review.stand() == Stand::Rejected);
    let kind = match event {
        Event::Verified => NoticeKind::IssueVerified,
        // Closing a fix verifies it, unless somebody did before.
        Event::Closed if !was_verified && issue.verification.is_some() => NoticeKind::IssueVerified,
        Event::Approved => NoticeKind::IssueApproved,
        Event::Rejected if !was_rejected => NoticeKind::IssueRejected,
        Event::Created
        | Event::Updated
        | Event::Triaged
        | Event::Rejected
        | Event::Unverified { .. }
        | Event::Closed => return None,
    };
    let decided = kind == NoticeKind::IssueApproved || kind == NoticeKind::IssueRejected;
    let decision = if decided { issue.review.decision() } else { None };
    let about =
        About { member: issue.reporter, issue: issue.id, cycle: issue.cycle, title: &issue.title };
    Some(Notice {
        amount: if kind == NoticeKind::IssueApproved { issue.review.amount() } else { None },
        reason: decision.and_then(|decision| decision.reason.clone()),
        ..Notice::new(kind, about)
    })
}

/// What the reporter is told of a payment.
#[must_use]
pub fn of_payment(about: About<'_>, paid: Paid) -> Notice {
    let Paid { amount, payout, reference } = paid;
    Notice { amount, payout, reference, ..Notice::new(NoticeKind::IssuePaid, about) }
}

/// What payouts said of a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub member: MemberId,
    pub payout: PayoutId,
    pub amount: Option<Money>,
    pub reference: Option<String>,
    pub reason: Option<String>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutStep {
    Approved,
    Rejected,
    Paid,
    Failed,
}

/// What the payee is told of a step of a payout.
#[must_use]
pub fn of_payout(step: PayoutStep, moved: Moved) -> Notice {
    let kind = match step {
        PayoutStep::Approved => NoticeKind::PayoutApproved,
        PayoutStep::Rejected => NoticeKind::PayoutRejected,
        PayoutStep::Paid => NoticeKind::PayoutPaid,
        PayoutStep::Failed => NoticeKind::PayoutFailed,
    };
    let Moved { member, payout, amount, reference, reason } = moved;
    let word = kind.word();
    let title = match amount {
        Some(amount) => format!("{word}: {amount}"),
        None => word.to_owned(),
    };
    Notice {
        kind,
        member,
        issue: None,
        cycle: None,
        title,
        amount,
        reason,
        payout: Some(payout),
        reference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back_in_their_spelling() {
        let kinds = "ISSUE_VERIFIED ISSUE_APPROVED ISSUE_REJECTED ISSUE_PAID \
                     PAYOUT_FAILED PAYOUT_APPROVED PAYOUT_REJECTED PAYOUT_PAID";
        for kind in kinds.split_whitespace() {
            assert_eq!(NoticeKind::read(kind).map(NoticeKind::as_str), Some(kind));
        }
        assert_eq!(NoticeKind::read("issue_paid"), None);
    }

    #[test]
    fn a_payment_says_what_and_by_which_reference() {
        let about = About {
            member: MemberId::new(),
            issue: IssueId::new(),
            cycle: CycleId::new(),
            title: "Payment fails",
        };
        let paid = Paid { reference: Some("K-1".to_owned()), ..Paid::default() };
        let notice = of_payment(about, paid);
        assert_eq!((notice.title.as_str(), notice.member), ("Paid: Payment fails", about.member));
        assert_eq!(notice.reference.as_deref(), Some("K-1"));
    }
}
