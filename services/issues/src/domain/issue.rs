//! An issue: submitted work that is triaged, reviewed, repaired and verified.

use quittance_kernel::{
    BountyId, CycleId, IssueId, IssueStatus, MemberId, Money, OrganizationId, PayoutId,
    PayoutStatus, ProductId, Severity, Timestamp,
};

use super::rates::Price;
use super::review::{self, Decision, Review, Stand};
use super::status::{self, InvalidTransition, is_verified};

/// Who tested the fix again, and when. Known exactly while the issue is verified or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub by: MemberId,
    pub at: Timestamp,
}

/// What payouts said about the issue's earning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// `paid` or `void`.
    pub status: PayoutStatus,
    pub payout: Option<PayoutId>,
    pub at: Option<Timestamp>,
    pub amount: Option<Money>,
}

/// One piece of submitted work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub id: IssueId,
    pub organization: OrganizationId,
    pub product: ProductId,
    pub cycle: CycleId,
    pub reporter: MemberId,
    /// Counts within the product.
    pub number: i64,
    pub title: String,
    pub body: String,
    pub severity: Severity,
    pub status: IssueStatus,
    pub review: Review,
    pub verification: Option<Verification>,
    pub payment: Option<Payment>,
    /// Only of a duplicate: the issue that it repeats, when somebody said which.
    pub duplicate_of: Option<IssueId>,
    /// The bounty that the work was handed in for.
    pub bounty: Option<BountyId>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Who acts on an issue, and in what capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    pub member: MemberId,
    /// An admin, or a lead of the issue's cycle.
    pub judges: bool,
    pub at: Timestamp,
}

/// What happened to an issue, the most specific word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Created,
    Updated,
    Triaged,
    Approved,
    Rejected,
    Verified,
    Unverified { to: IssueStatus },
    Closed,
}

/// An issue together with what just happened to it: the only thing that the store saves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change that is not saved did not happen"]
pub struct Change {
    /// As it was; none if it is new.
    pub before: Option<Issue>,
    pub issue: Issue,
    pub event: Event,
    pub reason: Option<String>,
}

/// Why an issue refuses to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("nobody approves their own issue {0}")]
    SelfApproval(IssueId),
    #[error("only an admin or a lead of the cycle may do this to issue {0}")]
    NotPermitted(IssueId),
    #[error("reopening issue {0} needs a reason")]
    ReasonRequired(IssueId),
    #[error("duplicate_of {0}")]
    BadOriginal(&'static str),
    #[error("issue {0} would, over others, be a duplicate of itself")]
    DuplicateLoop(IssueId),
}

impl Change {
    /// Says which issue of the same product the duplicate repeats. That the original does not
    /// lead back here is for the caller to know.
    pub fn repeating(mut self, original: &Issue) -> Result<Self, IssueError> {
        let issue = &mut self.issue;
        if issue.status != IssueStatus::Duplicate {
            return Err(IssueError::BadOriginal("is for the status duplicate only"));
        }
        if original.id == issue.id {
            return Err(IssueError::BadOriginal("must be another issue"));
        }
        if original.product != issue.product {
            return Err(IssueError::BadOriginal("must be an issue of the same product"));
        }
        issue.duplicate_of = Some(original.id);
        Ok(self)
    }
}

impl Issue {
    /// Files a new issue.
    pub fn file(self) -> Change {
        Change { before: None, issue: self, event: Event::Created, reason: None }
    }

    /// Moves the status, and the review where the status decides it.
    pub fn set_status(
        self,
        to: IssueStatus,
        actor: Actor,
        reason: Option<String>,
    ) -> Result<Change, IssueError> {
        self.permit(to, actor)?;
        status::step(self.status, to, self.payment.is_none())?;
        let mut next = self.clone();
        next.status = to;
        let event = if to.is_negative_end() {
            next.end_badly(actor, reason.clone())?;
            Event::Rejected
        } else if self.status.is_negative_end() {
            if reason.is_none() {
                return Err(IssueError::ReasonRequired(self.id));
            }
            next.reopen_review()?;
            Event::Updated
        } else {
            event_of(self.status, to)
        };
        next.verification = match (is_verified(to), next.verification) {
            (false, _) => None,
            (true, Some(known)) => Some(known),
            (true, None) => Some(Verification { by: actor.member, at: actor.at }),
        };
        // Only a duplicate repeats another one, and saying which comes after.
        next.duplicate_of = None;
        Ok(self.becomes(next, event, reason))
    }

    /// Approves the issue at a price. An open issue counts as triaged by it.
    pub fn approve(
        self,
        price: Price,
        actor: Actor,
        reason: Option<String>,
    ) -> Result<Change, IssueError> {
        let decision = Decision { by: actor.member, at: actor.at, reason: reason.clone() };
        let review = Review::Approved { amount: price.amount, rule: price.rule, decision };
        self.accept(review, actor, reason)
    }

    /// Approves a submission for points of the reward pool: nothing is paid for it by itself.
    pub fn grant(self, points: i64, actor: Actor) -> Result<Change, IssueError> {
        let decision = Decision { by: actor.member, at: actor.at, reason: None };
        self.accept(Review::Granted { points, decision }, actor, None)
    }

    fn accept(
        self,
        review: Review,
        actor: Actor,
        reason: Option<String>,
    ) -> Result<Change, IssueError> {
        if !actor.judges {
            return Err(IssueError::NotPermitted(self.id));
        }
        if actor.member == self.reporter {
            return Err(IssueError::SelfApproval(self.id));
        }
        self.step_review(Stand::Approved)?;
        let mut next = self.clone();
        // A draft has not been handed in: the status machine refuses to triage it.
        if matches!(self.status, IssueStatus::Draft | IssueStatus::Open) {
            status::step(self.status, IssueStatus::Triaged, true)?;
            next.status = IssueStatus::Triaged;
        }
        next.review = review;
        Ok(self.becomes(next, Event::Approved, reason))
    }

    /// Rejects the review; the status stays.
    pub fn reject(self, actor: Actor, reason: Option<String>) -> Result<Change, IssueError> {
        if !actor.judges {
            return Err(IssueError::NotPermitted(self.id));
        }
        self.step_review(Stand::Rejected)?;
        let mut next = self.clone();
        next.end_badly(actor, reason.clone())?;
        Ok(self.becomes(next, Event::Rejected, reason))
    }

    /// The review, or the payment once there is one.
    #[must_use]
    pub fn payout_status(&self) -> PayoutStatus {
        self.payment.as_ref().map_or_else(|| self.review.stand().word(), |paid| paid.status)
    }

    /// Reporters hand in their drafts; everything else is for those who judge.
    fn permit(&self, to: IssueStatus, actor: Actor) -> Result<(), IssueError> {
        let hands_in = self.status == IssueStatus::Draft && to == IssueStatus::Open;
        if actor.judges || (hands_in && actor.member == self.reporter) {
            Ok(())
        } else {
            Err(IssueError::NotPermitted(self.id))
        }
    }

    fn step_review(&self, to: Stand) -> Result<(), InvalidTransition> {
        review::step(self.review.stand(), to, self.payment.as_ref().map(|paid| paid.status))
    }

    /// Rejects the review unless it is rejected already: the first decision stays on record.
    fn end_badly(&mut self, actor: Actor, reason: Option<String>) -> Result<(), IssueError> {
        if self.review.stand() != Stand::Rejected {
            self.step_review(Stand::Rejected)?;
            let decision = Decision { by: actor.member, at: actor.at, reason };
            self.review = Review::Rejected { decision };
        }
        Ok(())
    }

    fn reopen_review(&mut self) -> Result<(), IssueError> {
        self.step_review(Stand::Pending)?;
        self.review = Review::Pending;
        Ok(())
    }

    fn becomes(self, next: Self, event: Event, reason: Option<String>) -> Change {
        Change { before: Some(self), issue: next, event, reason }
    }
}

/// Names a move between statuses that are no negative ends.
fn event_of(from: IssueStatus, to: IssueStatus) -> Event {
    match to {
        IssueStatus::Triaged | IssueStatus::InProgress if from == IssueStatus::Verified => {
            Event::Unverified { to }
        }
        IssueStatus::Triaged => Event::Triaged,
        IssueStatus::Verified => Event::Verified,
        IssueStatus::Closed => Event::Closed,
        IssueStatus::Duplicate
        | IssueStatus::Rejected
        | IssueStatus::CantReproduce
        | IssueStatus::WontFix => Event::Rejected,
        IssueStatus::Draft
        | IssueStatus::Open
        | IssueStatus::InProgress
        | IssueStatus::Exported
        | IssueStatus::FixShipped => Event::Updated,
    }
}

#[cfg(test)]
mod tests;
