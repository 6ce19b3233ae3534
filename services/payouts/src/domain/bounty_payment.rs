//! The payment of a fixed bounty, from its approval to the money (product.md, rules 4, 9 and 10).
//!
//! ```text
//! open ─▶ started ─▶ over ; open ─▶ dropped (paid otherwise, or no longer owed) ─▶ open (approved again)
//! ```
//! Open it is looked at until it may begin: what stands against it is shown. Started it is in the
//! hands of its charge and its transfer.

use chrono::TimeDelta;
use quittance_kernel::{BountyId, IssueId, MemberId, PayoutId, ProductId, Timestamp};
use uuid::Uuid;

use super::eligibility::{Facts, Reason};
use super::payout::PayoutState;
use super::quote::Terms;

/// How long what waits is left alone; doubled each time it is looked at in vain.
const LOOK_MS: i64 = 1_000;
const LONGEST_LOOK_MS: i64 = 60_000;
/// After a transfer that failed although the money is there: then an admin decides.
const TRANSFER_AGAIN_HOURS: [i64; 2] = [1, 6];

macro_rules! words {
    ($(#[$doc:meta])* $enum:ident { $($(#[$of:meta])* $name:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $enum { $($(#[$of])* $name),+ }

        impl $enum {
            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            pub(crate) fn read(word: &str) -> Option<Self> {
                [$(Self::$name),+].into_iter().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// How far a payment is.
    Progress {
        Open = "open",
        Started = "started",
        /// Paid, or undone by hand.
        Over = "over",
        /// Nothing is owed any more, or it was paid otherwise; another approval opens it again.
        Dropped = "dropped",
    }
}

words! {
    /// Where the money comes from.
    Funding {
        /// The payer is charged for it.
        Charge = "charge",
        /// The product's pre-funded balance.
        PreFund = "pre_fund",
    }
}

/// One payment, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BountyPayment {
    pub(crate) issue: IssueId,
    pub(crate) product: ProductId,
    pub(crate) bounty: BountyId,
    /// Who has approved the work.
    pub(crate) approved_by: MemberId,
    /// The version of the issue that was approved.
    pub(crate) source_version: i64,
    /// Absent until it was looked at for the first time.
    pub(crate) payout: Option<PayoutId>,
    pub(crate) progress: Progress,
    pub(crate) funding: Option<Funding>,
    pub(crate) quote: Option<Uuid>,
    /// What stands against it, or why it failed.
    pub(crate) reasons: Vec<String>,
    /// When it is looked at next; never while others move it.
    pub(crate) next_at: Option<Timestamp>,
    /// How often it was looked at in vain, or its transfer has failed.
    pub(crate) tries: i64,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl BountyPayment {
    /// When to look again at what waits.
    #[must_use]
    pub(crate) fn look_again(&self, now: Timestamp) -> Timestamp {
        let factor = 1_i64 << self.tries.clamp(0, 10);
        now + TimeDelta::milliseconds(LOOK_MS.saturating_mul(factor).min(LONGEST_LOOK_MS))
    }

    /// When to send again what the payer was charged for; never once an admin has to decide.
    #[must_use]
    pub(crate) fn send_again(&self, now: Timestamp) -> Option<Timestamp> {
        let hours = TRANSFER_AGAIN_HOURS.get(usize::try_from(self.tries).ok()?)?;
        Some(now + TimeDelta::hours(*hours))
    }
}

/// What issues knows of a submission that is paid in money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The tip is that of the approval; none before.
    pub(crate) terms: Terms,
    pub(crate) product: ProductId,
    pub(crate) bounty: BountyId,
    pub(crate) facts: Facts,
    pub(crate) decided_by: Option<MemberId>,
}

/// What a payer is told of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Is(PayoutState),
    /// Approved, and something stands against it.
    OnHold,
}

impl Status {
    #[must_use]
    pub(crate) fn of(payout: PayoutState, reasons: &[String]) -> Self {
        if payout == PayoutState::Approved && !reasons.is_empty() {
            return Self::OnHold;
        }
        // While its provider is asked nobody has to do anything.
        let unknown = payout == PayoutState::Unknown;
        Self::Is(if unknown { PayoutState::Processing } else { payout })
    }

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_str(),
            Self::OnHold => "on_hold",
        }
    }
}

/// What becomes of a payment that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It begins.
    Start,
    /// It waits.
    Hold(Vec<Reason>),
    /// Somebody has paid the work otherwise, or nothing is owed for it.
    GiveUp(Vec<Reason>),
}

/// Sorts what stands against a payment: some of it passes, some of it does not.
#[must_use]
pub(crate) fn judge(against: Vec<Reason>) -> Verdict {
    let final_word = |reason: &Reason| {
        matches!(
            reason,
            Reason::AlreadyPaid
                | Reason::Voided
                | Reason::NotApproved
                | Reason::UnknownIssue
                | Reason::AlreadyInPayout
        )
    };
    if against.is_empty() {
        Verdict::Start
    } else if against.iter().any(final_word) {
        Verdict::GiveUp(against)
    } else {
        Verdict::Hold(against)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for_and_what_does_not_ends_the_payment() {
        assert_eq!(judge(vec![]), Verdict::Start);
        let waits = vec![Reason::GateNotVerified, Reason::PayeeNotOnboarded];
        assert_eq!(judge(waits.clone()), Verdict::Hold(waits));
        for last in [Reason::AlreadyPaid, Reason::Voided, Reason::NotApproved] {
            let against = vec![Reason::PayeeNotOnboarded, last];
            assert_eq!(judge(against.clone()), Verdict::GiveUp(against));
        }
    }

    #[test]
    fn an_approved_payout_is_on_hold_while_something_stands_against_it() {
        let reasons = vec!["payee_not_onboarded".to_owned()];
        assert_eq!(Status::of(PayoutState::Approved, &reasons).as_str(), "on_hold");
        assert_eq!(Status::of(PayoutState::Approved, &[]).as_str(), "approved");
        assert_eq!(Status::of(PayoutState::Unknown, &[]).as_str(), "processing");
        assert_eq!(Status::of(PayoutState::Failed, &reasons).as_str(), "failed");
    }
}
