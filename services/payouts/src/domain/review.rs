//! How earnings follow the reviews of issues, whatever the order in which they are heard of.
//!
//! A review counts when its issue's version is newer than what is known, and as long as no money
//! has moved: facts from payouts win. A rejection of an issue that has no earning is remembered, so
//! that an approval from before it, heard later, does not revive the issue.

use quittance_kernel::{CycleId, EarningId, IssueId, MemberId, Money};

use super::earning::{Earning, EarningStatus};

/// What a review has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Pending,
    Approved(Money),
    Rejected,
}

/// The review of an issue in one of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Review {
    pub issue: IssueId,
    pub cycle: CycleId,
    pub payee: MemberId,
    pub version: i64,
    pub decision: Decision,
}

/// What is known of one issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub earning: Option<Earning>,
    /// The newest version that was heard of as rejected while there was no earning; 0 for none.
    pub rejected: i64,
}

/// What has to be written to get from one standing to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The issue is owed for the first time.
    Open(Earning),
    /// The earning changed; its version is still that of the row.
    Change { was: EarningStatus, earning: Earning },
    /// Nothing changed but the version of the issue that the row follows.
    Refresh { earning: EarningId, source_version: i64 },
    /// The issue was rejected without ever having been owed.
    Remember { issue: IssueId, version: i64 },
}

/// Takes reviews into account, in any order, and returns what is known then.
#[must_use]
pub(crate) fn fold(standing: Standing, mut reviews: Vec<Review>) -> Standing {
    reviews.sort_by_key(|review| review.version);
    reviews.into_iter().fold(standing, apply)
}

fn apply(standing: Standing, review: Review) -> Standing {
    let Standing { earning, rejected } = standing;
    let heard = earning.as_ref().map_or(0, |earning| earning.source_version).max(rejected);
    let settled = earning.as_ref().is_some_and(|earning| earning.status.is_settled());
    if settled || review.version <= heard {
        return Standing { earning, rejected };
    }
    match (earning, review.decision) {
        (Some(earning), decision) => {
            Standing { earning: Some(follow(earning, review.version, decision)), rejected }
        }
        (None, Decision::Approved(amount)) => {
            Standing { earning: Some(owed(&review, amount)), rejected }
        }
        (None, Decision::Rejected) => Standing { earning: None, rejected: review.version },
        // Only a rejection leads from approved to pending, and it is heard of by itself.
        (None, Decision::Pending) => Standing { earning: None, rejected },
    }
}

fn owed(review: &Review, amount: Money) -> Earning {
    Earning {
        id: EarningId::new(),
        issue: review.issue,
        cycle: review.cycle,
        payee: review.payee,
        amount,
        status: EarningStatus::Approved,
        version: 1,
        source_version: review.version,
        payout: None,
    }
}

fn follow(earning: Earning, source_version: i64, decision: Decision) -> Earning {
    match decision {
        Decision::Approved(amount) => {
            Earning { amount, status: EarningStatus::Approved, source_version, ..earning }
        }
        Decision::Pending | Decision::Rejected => {
            Earning { status: EarningStatus::Rejected, source_version, ..earning }
        }
    }
}

/// Returns what has to be written to get from `before` to `after`.
#[must_use]
pub(crate) fn step(before: &Standing, after: Standing, issue: IssueId) -> Option<Step> {
    match (&before.earning, after.earning) {
        (None, None) => (before.rejected < after.rejected)
            .then_some(Step::Remember { issue, version: after.rejected }),
        (None, Some(earning)) => match earning.status {
            EarningStatus::Approved => Some(Step::Open(earning)),
            // Approved and rejected within one batch: nothing was ever owed to anybody's knowledge.
            EarningStatus::Rejected | EarningStatus::Paid | EarningStatus::Void => {
                Some(Step::Remember { issue, version: earning.source_version })
            }
        },
        (Some(was), Some(earning)) if *was == earning => None,
        (Some(was), Some(earning)) => {
            if was.status == earning.status && was.amount == earning.amount {
                let (earning, source_version) = (earning.id, earning.source_version);
                return Some(Step::Refresh { earning, source_version });
            }
            Some(Step::Change { was: was.status, earning })
        }
        // An earning is never forgotten.
        (Some(_), None) => None,
    }
}

#[cfg(test)]
mod tests;
