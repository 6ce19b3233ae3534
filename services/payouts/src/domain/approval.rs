//! Approvals of plans, and the amounts from which they are needed (product.md, rule 8).

use quittance_kernel::{Currency, MemberId, Money, Timestamp};
use uuid::Uuid;

use super::plan::{Plan, PlanError};

/// The most approvers that a policy asks for: more would never come together.
pub(crate) const MAX_APPROVERS: i64 = 10;

/// What an organization asks for in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayoutPolicy {
    pub(crate) id: Uuid,
    pub(crate) currency: Currency,
    /// Sums of more than this need approvals.
    pub(crate) above_minor: i64,
    /// How many; none switches the policy off.
    pub(crate) approvers: i64,
    pub(crate) version: i64,
    pub(crate) updated_by: MemberId,
    pub(crate) updated_at: Timestamp,
}

/// What is to be asked for in one currency, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) currency: Currency,
    pub(crate) above_minor: i64,
    pub(crate) approvers: i64,
}

impl Wanted {
    pub(crate) fn new(
        currency: Currency,
        above_minor: i64,
        approvers: i64,
    ) -> Result<Self, PlanError> {
        let refused = |field, detail| Err(PlanError::Policy { field, detail });
        if above_minor < 0 {
            return refused("above_minor", "must not be negative");
        }
        if !(0..=MAX_APPROVERS).contains(&approvers) {
            return refused("approvers", "must be 0 to 10");
        }
        Ok(Self { currency, above_minor, approvers })
    }

    /// Whether less would be asked for than before: of more, or by fewer (rule 8: one admin alone
    /// does not take a limit away).
    #[must_use]
    pub(crate) fn loosens(&self, before: Option<&PayoutPolicy>) -> bool {
        before.is_some_and(|before| {
            before.approvers > 0
                && (self.approvers < before.approvers || before.above_minor < self.above_minor)
        })
    }

    /// The policy that follows on what was asked for before.
    pub(crate) fn after(
        &self,
        before: Option<&PayoutPolicy>,
        by: MemberId,
        at: Timestamp,
    ) -> PayoutPolicy {
        PayoutPolicy {
            id: before.map_or_else(Uuid::now_v7, |before| before.id),
            currency: self.currency,
            above_minor: self.above_minor,
            approvers: self.approvers,
            version: before.map_or(0, |before| before.version) + 1,
            updated_by: by,
            updated_at: at,
        }
    }
}

/// A policy that asks for less than the one that holds, until another admin has confirmed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) id: Uuid,
    pub(crate) wanted: Wanted,
    /// The version of the policy that it would replace.
    pub(crate) based_on: i64,
    pub(crate) proposed_by: MemberId,
    pub(crate) proposed_at: Timestamp,
    pub(crate) version: i64,
}

impl Proposal {
    pub(crate) fn new(wanted: Wanted, based_on: i64, by: MemberId, at: Timestamp) -> Self {
        let id = Uuid::now_v7();
        Self { id, wanted, based_on, proposed_by: by, proposed_at: at, version: 1 }
    }

    /// Refuses to confirm what the same admin has proposed, and what was proposed about another
    /// policy than the one that holds.
    pub(crate) fn check(
        &self,
        holds: Option<&PayoutPolicy>,
        by: MemberId,
    ) -> Result<(), PlanError> {
        if by == self.proposed_by {
            return Err(PlanError::OwnProposal);
        }
        if holds.map(|policy| policy.version) != Some(self.based_on) {
            return Err(PlanError::PolicyChanged);
        }
        Ok(())
    }
}

/// How many approvals are needed to pay these sums, each of another currency: the most that any of
/// them asks for.
#[must_use]
pub(crate) fn needed(policies: &[PayoutPolicy], sums: impl Iterator<Item = Money>) -> i64 {
    sums.flat_map(|sum| {
        policies.iter().filter(move |policy| {
            policy.currency == sum.currency() && policy.above_minor < sum.minor()
        })
    })
    .map(|policy| policy.approvers)
    .max()
    .unwrap_or_default()
}

/// One member's approval of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Approval {
    pub(crate) member: MemberId,
    /// Of what was approved.
    pub(crate) digest: String,
    pub(crate) at: Timestamp,
}

/// Somebody's wish to approve a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Approver<'a> {
    pub(crate) member: MemberId,
    /// Whether the plan pays them.
    pub(crate) is_payee: bool,
    /// Of what they have seen.
    pub(crate) digest: &'a str,
}

impl Plan {
    /// The plan with one approval more; none if this member has approved it before.
    pub(crate) fn approved(
        &self,
        by: Approver<'_>,
        at: Timestamp,
    ) -> Result<Option<Self>, PlanError> {
        self.check_open(at)?;
        if by.member == self.created_by {
            return Err(PlanError::OwnPlan);
        }
        if by.is_payee {
            return Err(PlanError::SelfPayment);
        }
        if by.digest != self.digest {
            return Err(PlanError::DigestMismatch { digest: self.digest.clone() });
        }
        if self.approvals.iter().any(|approval| approval.member == by.member) {
            return Ok(None);
        }
        let mut plan = Self { version: self.version + 1, updated_at: at, ..self.clone() };
        plan.approvals.push(Approval { member: by.member, digest: self.digest.clone(), at });
        Ok(Some(plan))
    }

    /// The plan, asking for as many approvals as these policies do.
    #[must_use]
    pub(crate) fn needing(self, policies: &[PayoutPolicy]) -> Self {
        Self { needed: needed(policies, self.totals.iter().map(|(sum, _)| *sum)), ..self }
    }

    /// Refuses a plan that too few have approved as it is.
    pub(crate) fn check_approved(&self) -> Result<(), PlanError> {
        let counts = |approval: &&Approval| {
            approval.digest == self.digest && approval.member != self.created_by
        };
        let given = self.approvals.iter().filter(counts).count();
        let given = i64::try_from(given).unwrap_or(i64::MAX);
        if given < self.needed {
            return Err(PlanError::ApprovalsMissing { needed: self.needed, given });
        }
        Ok(())
    }
}

/// Refuses to pay sums without a plan that would need approvals with one.
pub(crate) fn check_unplanned(
    policies: &[PayoutPolicy],
    sums: impl Iterator<Item = Money>,
) -> Result<(), PlanError> {
    match needed(policies, sums) {
        0 => Ok(()),
        needed => Err(PlanError::ApprovalsRequired { needed }),
    }
}

#[cfg(test)]
mod tests;
