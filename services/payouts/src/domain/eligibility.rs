//! The one place that decides whether something may be paid (product.md, rule 4).

use quittance_kernel::{CycleId, IssueId, MemberId, Money};

use super::earning::{Earning, EarningStatus};

/// Why something cannot be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// There is no such issue, or the caller may not see it.
    UnknownIssue,
    NotApproved,
    /// The effective gate asks for a verification that is not there.
    GateNotVerified,
    AlreadyPaid,
    Voided,
    /// The group names another payee than the reporter of the issue.
    PayeeMismatch,
    /// Nobody pays their own earning (rule 8).
    SelfPayment,
    /// A payout that is not over yet pays it.
    AlreadyInPayout,
    /// The provider cannot pay to this payee yet.
    PayeeNotOnboarded,
    /// A run over one currency found a price in another.
    CurrencyMismatch,
    /// The payee has changed the account of this method, and has to wait.
    AccountCoolingDown,
    /// What the payee would get is less than this method pays.
    BelowMinimum,
    /// Its date is not reached, or its guarantee not completed.
    ScheduleNotDue,
    /// An escrow hold keeps it back.
    HoldActive,
    /// Nobody is named who pays for the product.
    PayerMissing,
    /// It needs more approvals than one: see the payout policies.
    LimitExceeded,
}

impl Reason {
    const ALL: [Self; 12] = [
        Self::UnknownIssue,
        Self::NotApproved,
        Self::GateNotVerified,
        Self::AlreadyPaid,
        Self::Voided,
        Self::PayeeMismatch,
        Self::SelfPayment,
        Self::AlreadyInPayout,
        Self::PayeeNotOnboarded,
        Self::CurrencyMismatch,
        Self::AccountCoolingDown,
        Self::BelowMinimum,
    ];

    /// Reads the word of a reason.
    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIssue => "unknown_issue",
            Self::NotApproved => "not_approved",
            Self::GateNotVerified => "gate_not_verified",
            Self::AlreadyPaid => "already_paid",
            Self::Voided => "voided",
            Self::PayeeMismatch => "payee_mismatch",
            Self::SelfPayment => "self_payment",
            Self::AlreadyInPayout => "already_in_payout",
            Self::PayeeNotOnboarded => "payee_not_onboarded",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::AccountCoolingDown => "account_cooling_down",
            Self::BelowMinimum => "below_minimum",
            Self::ScheduleNotDue => "schedule_not_due",
            Self::HoldActive => "hold_active",
            Self::PayerMissing => "payer_missing",
            Self::LimitExceeded => "limit_exceeded",
        }
    }
}

/// What the issues service says of an issue at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub reporter: MemberId,
    pub cycle: CycleId,
    /// The price, once the review has approved.
    pub approved: Option<Money>,
    pub gate: bool,
    pub verified: bool,
    pub version: i64,
}

/// Everything that the decision about one issue depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub issue: IssueId,
    /// Absent when there is no such issue, or the caller may not see it.
    pub facts: Option<&'a Facts>,
    /// Our own row, if there is one.
    pub earning: Option<&'a Earning>,
    pub payer: MemberId,
    /// The payee that was asked for, if any was.
    pub payee: Option<MemberId>,
    /// The cycle that was asked for, if any was.
    pub cycle: Option<CycleId>,
    /// Whether the payee can be paid to in the way that was asked for.
    pub onboarded: bool,
    /// Whether the payee's account of the paying method was changed and has to wait.
    pub cooling: bool,
}

impl<'a> Candidate<'a> {
    /// The facts, if they are those of an issue that was meant.
    #[must_use]
    pub(crate) fn known(&self) -> Option<&'a Facts> {
        self.facts.filter(|facts| self.cycle.is_none_or(|cycle| cycle == facts.cycle))
    }

    /// What is owed by the newest review: ours, if its event has overtaken the facts.
    #[must_use]
    pub(crate) fn price(&self) -> Option<Money> {
        let facts = self.known()?;
        let newer = self.earning.filter(|earning| facts.version < earning.source_version);
        let price = match newer {
            Some(earning) => (earning.status == EarningStatus::Approved).then_some(earning.amount),
            None => facts.approved,
        };
        price.filter(|price| price.minor() > 0)
    }
}

/// Returns every reason against paying; none means that it may be paid.
///
/// Single payments, batches and dry runs all ask here, so that they cannot disagree.
#[must_use]
pub(crate) fn eligible(candidate: &Candidate<'_>) -> Vec<Reason> {
    let Some(facts) = candidate.known() else { return vec![Reason::UnknownIssue] };
    let mut reasons = Vec::new();
    match candidate.earning.map(|earning| earning.status) {
        Some(EarningStatus::Paid) => reasons.push(Reason::AlreadyPaid),
        Some(EarningStatus::Void) => reasons.push(Reason::Voided),
        Some(EarningStatus::Approved | EarningStatus::Rejected) | None => {
            if candidate.earning.is_some_and(|earning| earning.payout.is_some()) {
                reasons.push(Reason::AlreadyInPayout);
            }
            if candidate.price().is_none() {
                reasons.push(Reason::NotApproved);
            }
            if facts.gate && !facts.verified {
                reasons.push(Reason::GateNotVerified);
            }
        }
    }
    if candidate.payee.is_some_and(|payee| payee != facts.reporter) {
        reasons.push(Reason::PayeeMismatch);
    }
    if !candidate.onboarded {
        reasons.push(Reason::PayeeNotOnboarded);
    }
    if candidate.payer == facts.reporter {
        reasons.push(Reason::SelfPayment);
    }
    if candidate.cooling {
        reasons.push(Reason::AccountCoolingDown);
    }
    reasons
}

/// What the decision about a bounty depends on besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bountied {
    /// Whether there is money for it, or somebody who can be charged.
    pub funded: bool,
    pub below_minimum: bool,
    /// Whether it is more than one person may decide about.
    pub needs_approvals: bool,
}

/// Returns every reason against paying a bounty now; none means that it may be paid.
#[must_use]
pub(crate) fn eligible_bounty(candidate: &Candidate<'_>, more: Bountied) -> Vec<Reason> {
    let mut reasons = eligible(candidate);
    for (holds, reason) in [
        (!more.funded, Reason::PayerMissing),
        (more.below_minimum, Reason::BelowMinimum),
        (more.needs_approvals, Reason::LimitExceeded),
    ] {
        if holds {
            reasons.push(reason);
        }
    }
    reasons
}

/// Everything that the decision about one schedule depends on. No issue and no gate is behind it.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub(crate) struct Scheduled<'a> {
    /// Whether its date is reached and its guarantee completed.
    pub due: bool,
    /// Whether an active hold is on it.
    pub held: bool,
    /// Its earning, if it has been tried before.
    pub earning: Option<&'a Earning>,
    pub onboarded: bool,
    pub cooling: bool,
    pub below_minimum: bool,
}

/// Returns every reason against paying a schedule now; none means that it may be paid.
#[must_use]
pub(crate) fn eligible_schedule(candidate: &Scheduled<'_>) -> Vec<Reason> {
    let earning = candidate.earning;
    let stands = |status| earning.is_some_and(|earning| earning.status == status);
    let against = [
        (!candidate.due, Reason::ScheduleNotDue),
        (candidate.held, Reason::HoldActive),
        (stands(EarningStatus::Paid), Reason::AlreadyPaid),
        (stands(EarningStatus::Void), Reason::Voided),
        (stands(EarningStatus::Rejected), Reason::NotApproved),
        (
            stands(EarningStatus::Approved)
                && earning.is_some_and(|earning| earning.payout.is_some()),
            Reason::AlreadyInPayout,
        ),
        (!candidate.onboarded, Reason::PayeeNotOnboarded),
        (candidate.cooling, Reason::AccountCoolingDown),
        (candidate.below_minimum, Reason::BelowMinimum),
    ];
    against.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
}

#[cfg(test)]
mod tests;
