//! What can still happen to a payout after it was made: void, return, cancel; and the void of what
//! is owed and not paid. Nothing is removed: items stop being live, and their earnings move.

use std::collections::{HashMap, HashSet};

use quittance_kernel::{
    IssueId, MemberId, Money, MoneyError, PayoutId, PayoutItemId, Timestamp, Totals,
};

use super::earning::{self, Earning, EarningStatus};
use super::payout::{Payout, PayoutState};
use super::payout_machine::{self, Command, InvalidTransition};

/// The most earnings that one request voids.
pub(crate) const MAX_EARNINGS: usize = 1_000;

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Why a payout or an earning stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("nobody decides about the payment of their own work")]
    SelfApproval,
    #[error("payout {0} not found")]
    PayoutNotFound(PayoutId),
    #[error("issue {issue} is not an item of the payout")]
    NotAnItem { place: usize, issue: IssueId },
    #[error("issue {issue} is named twice")]
    Twice { place: usize, issue: IssueId },
    #[error("a reason {0}")]
    Reason(&'static str),
    #[error("name 1 to {MAX_EARNINGS} issues, not {0}")]
    Count(usize),
    #[error("some of the payout was voided: it cannot come back as a whole")]
    PartlyVoid,
    #[error("nothing is owed for issue {issue}")]
    NothingOwed { place: usize, issue: IssueId },
    #[error("issue {issue} is part of a payout; void or cancel that")]
    InPayout { place: usize, issue: IssueId },
    #[error("a sum is out of range")]
    Total(#[from] MoneyError),
}

/// Checks a reason: it is there, of bearable length, and one line of text.
pub(crate) fn reason(text: &str) -> Result<String, LifecycleError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(LifecycleError::Reason("must be given"));
    }
    if text.chars().count() > MAX_REASON {
        return Err(LifecycleError::Reason("must have at most 500 characters"));
    }
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(LifecycleError::Reason("must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// What is asked of a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    Void,
    Return,
    Cancel,
}

impl Undo {
    /// Refuses a payout whose state has no such step.
    pub(crate) fn check(self, state: PayoutState) -> Result<(), LifecycleError> {
        payout_machine::step(state, self.command())?;
        Ok(())
    }

    fn command(self) -> Command {
        match self {
            Self::Void => Command::Void,
            Self::Return => Command::Return,
            Self::Cancel => Command::Cancel,
        }
    }

    /// What becomes of its earnings; none if they stay as they are, since nothing was paid.
    #[must_use]
    pub(crate) fn leads_to(self) -> Option<EarningStatus> {
        match self {
            Self::Void => Some(EarningStatus::Void),
            Self::Return => Some(EarningStatus::Approved),
            Self::Cancel => None,
        }
    }
}

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) undo: Undo,
    pub(crate) reason: String,
    /// Empty: everything that is live.
    pub(crate) issues: Vec<IssueId>,
}

/// An item of a payout, with its earning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) item: PayoutItemId,
    pub(crate) live: bool,
    pub(crate) amount: Money,
    pub(crate) earning: Earning,
}

/// What follows from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undone {
    pub(crate) undo: Undo,
    pub(crate) reason: String,
    pub(crate) from: PayoutState,
    /// As it is now.
    pub(crate) payout: Payout,
    /// Whether nothing live is left.
    pub(crate) whole: bool,
    /// What is no longer live, in the order of the earnings' ids.
    pub(crate) items: Vec<Held>,
    /// The sum of those.
    pub(crate) amount: Money,
}

/// Decides about a payout. `held` are all its items.
pub(crate) fn undo(
    payout: &Payout,
    held: &[Held],
    wish: &Wish,
    actor: MemberId,
    at: Timestamp,
) -> Result<Undone, LifecycleError> {
    if actor == payout.payee {
        return Err(LifecycleError::SelfApproval);
    }
    let to = payout_machine::step(payout.state, wish.undo.command())?;
    let live = held.iter().filter(|item| item.live).count();
    if wish.undo == Undo::Return && live < held.len() {
        return Err(LifecycleError::PartlyVoid);
    }
    let mut items = chosen(held, &wish.issues)?;
    items.sort_unstable_by_key(|item| item.earning.id);
    let mut amount = Money::signed(0, payout.amount.currency());
    for item in &items {
        if let Some(to) = wish.undo.leads_to() {
            earning::step(item.earning.status, to)?;
        }
        amount = amount.checked_add(item.amount)?;
    }
    let whole = items.len() == live;
    let state = if whole { to } else { payout.state };
    let after = Payout { state, version: payout.version + 1, updated_at: at, ..payout.clone() };
    let (undo, from, reason) = (wish.undo, payout.state, wish.reason.clone());
    Ok(Undone { undo, reason, from, payout: after, whole, items, amount })
}

fn chosen(held: &[Held], issues: &[IssueId]) -> Result<Vec<Held>, LifecycleError> {
    if issues.is_empty() {
        return Ok(held.iter().copied().filter(|item| item.live).collect());
    }
    let by_issue: HashMap<IssueId, &Held> =
        held.iter().map(|item| (item.earning.issue, item)).collect();
    let mut seen = HashSet::with_capacity(issues.len());
    let mut items = Vec::with_capacity(issues.len());
    for (place, issue) in issues.iter().copied().enumerate() {
        if !seen.insert(issue) {
            return Err(LifecycleError::Twice { place, issue });
        }
        let item = by_issue.get(&issue).ok_or(LifecycleError::NotAnItem { place, issue })?;
        items.push(**item);
    }
    Ok(items)
}

/// Earnings that become void before they are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Voided {
    pub(crate) reason: String,
    /// In the order of their ids.
    pub(crate) earnings: Vec<Earning>,
    /// In the order of the request.
    pub(crate) issues: Vec<IssueId>,
    pub(crate) totals: Totals,
}

/// Decides about earnings that are not paid. `held` are those that are part of a payout.
pub(crate) fn void_unpaid(
    earnings: &HashMap<IssueId, Earning>,
    held: &HashSet<IssueId>,
    (issues, reason): (&[IssueId], &str),
    actor: MemberId,
) -> Result<Voided, LifecycleError> {
    let mut found = Vec::with_capacity(issues.len());
    let mut totals = Totals::default();
    for (place, issue) in issues.iter().copied().enumerate() {
        let owed = earnings.get(&issue).ok_or(LifecycleError::NothingOwed { place, issue })?;
        if owed.payee == actor {
            return Err(LifecycleError::SelfApproval);
        }
        if owed.status == EarningStatus::Paid || held.contains(&issue) {
            return Err(LifecycleError::InPayout { place, issue });
        }
        earning::step(owed.status, EarningStatus::Void)?;
        totals.add(owed.amount)?;
        found.push(*owed);
    }
    found.sort_unstable_by_key(|earning| earning.id);
    Ok(Voided { reason: reason.to_owned(), earnings: found, issues: issues.to_vec(), totals })
}

/// Checks what is to be voided: at least one, not too many, none twice.
pub(crate) fn check_issues(issues: &[IssueId]) -> Result<(), LifecycleError> {
    if issues.is_empty() || issues.len() > MAX_EARNINGS {
        return Err(LifecycleError::Count(issues.len()));
    }
    let mut seen = HashSet::with_capacity(issues.len());
    let twice = issues.iter().copied().enumerate().find(|(_, issue)| !seen.insert(*issue));
    match twice {
        Some((place, issue)) => Err(LifecycleError::Twice { place, issue }),
        None => Ok(()),
    }
}

/// One step of a payout after it was made, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: PayoutState,
    pub(crate) to: PayoutState,
    pub(crate) reason: String,
    pub(crate) actor: MemberId,
    pub(crate) at: Timestamp,
    pub(crate) item_count: i64,
    pub(crate) amount: Money,
}

#[cfg(test)]
mod tests;
