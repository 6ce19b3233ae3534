use std::collections::HashSet;

use quittance_chassis::db::Tx;
use quittance_chassis::problem::Problem;
use quittance_kernel::{Ctx, IssueId, IssueStatus, Money, PayoutStatus};
use tonic::Code;

use super::approve::approved;
use super::{Answer, IssueDetail, Issues, Target};
use crate::domain::issue::{Change, Issue, IssueError};
use crate::domain::status::InvalidTransition;
use crate::error::Error;
use crate::{instruments, store};

/// How many decisions one request may hold.
const MOST: usize = 100;

/// What is decided about an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// At the suggested amount, or at this one.
    Approve {
        amount: Option<Money>,
    },
    Reject {
        reason: Option<String>,
    },
}

/// One decision of a triage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub issue: IssueId,
    pub verdict: Verdict,
}

/// What became of one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub issue: IssueId,
    pub result: Result<(PayoutStatus, Option<Money>), (&'static str, String)>,
}

impl Issues {
    /// Refuses a triage as a whole: empty, too long, or an issue decided twice.
    pub fn check_triage(judgements: &[Judgement]) -> Result<(), Error> {
        let found = judgements.len();
        if !(1..=MOST).contains(&found) {
            return Err(Error::Count { field: "decisions", found, least: 1, most: MOST });
        }
        let mut seen = HashSet::with_capacity(found);
        match judgements.iter().find(|judgement| !seen.insert(judgement.issue)) {
            Some(twice) => Err(Error::DuplicateId(twice.issue.0)),
            None => Ok(()),
        }
    }

    /// Decides one issue of the inbox, in a transaction of its own.
    #[tracing::instrument(name = "issues.decide", skip_all, fields(issue.id = %judgement.issue))]
    pub async fn decide(
        &self,
        ctx: &Ctx,
        judgement: Judgement,
        answer: Answer<Outcome>,
    ) -> Result<Outcome, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (found, actor) = self.open(&tx, Target::of(judgement.issue)).await?;
        let IssueDetail { issue, frame, .. } = found;
        undecided(&issue, &judgement.verdict)?;
        let (change, word) = match judgement.verdict {
            Verdict::Approve { amount } => {
                (approved(issue, &frame, amount, actor, None)?, "approved")
            }
            Verdict::Reject { reason } => {
                (issue.set_status(IssueStatus::Rejected, actor, reason)?, "rejected")
            }
        };
        let outcome = accepted(&change);
        let issue = store::issue::save(&mut tx, change, &frame).await?;
        answer.leave(&tx, &outcome).await?;
        tx.commit().await?;
        self.bell.ring(&[issue.reporter]);
        instruments::decided(word);
        Ok(outcome)
    }
}

impl Outcome {
    /// The outcome of a decision that was refused. What is broken rather than refused stays an error.
    pub fn refused(issue: IssueId, error: Error) -> Result<Self, Error> {
        if matches!(error.code(), Code::Internal | Code::Unavailable) || error.is_replay() {
            return Err(error);
        }
        Ok(Self { issue, result: Err((error.reason(), error.to_string())) })
    }
}

fn accepted(change: &Change) -> Outcome {
    let issue = &change.issue;
    Outcome { issue: issue.id, result: Ok((issue.payout_status(), issue.review.amount())) }
}

/// Triage is the first decision: somebody else's is not overruled by it.
fn undecided(issue: &Issue, verdict: &Verdict) -> Result<(), Error> {
    let status = issue.payout_status();
    if status == PayoutStatus::Pending {
        return Ok(());
    }
    let to = match verdict {
        Verdict::Approve { .. } => PayoutStatus::Approved,
        Verdict::Reject { .. } => PayoutStatus::Rejected,
    };
    let (from, to) = (status.as_str(), to.as_str());
    Err(IssueError::from(InvalidTransition { from, to, allowed: Vec::new() }).into())
}
