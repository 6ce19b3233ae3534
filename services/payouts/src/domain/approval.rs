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
    above_minor: i64,
    approvers: i64,
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
