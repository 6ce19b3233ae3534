use quittance_chassis::db::Tx;
use quittance_kernel::{BountyId, Ctx};

use super::{Answer, IssueDetail, Issues, Target};
use crate::domain::bounty::{Award, Bounty, BountyError, BountyStatus};
use crate::domain::issue::{Actor, Change, Issue};
use crate::domain::rates::{BOUNTY_RULE, Price};
use crate::domain::text::FieldError;
use crate::error::{Error, Kind};
use crate::{instruments, store};

/// What is given other than the bounty says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Only for a profit share.
    pub points: Option<i64>,
    /// Only for a fixed payment.
    pub tip: Option<i64>,
}

impl Issues {
    /// Accepts a submission: for what the bounty offers, with other points or with a tip (S4-26).
    #[tracing::instrument(name = "submissions.approve", skip_all, fields(issue.id = %target.issue))]
    pub async fn approve_submission(
        &self,
        ctx: &Ctx,
        target: Target,
        extra: Extra,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (IssueDetail { issue, frame, .. }, actor) = self.open(&tx, target).await?;
        let bounty = bounty_of(&tx, &issue).await?;
        let change = accepted(issue, &bounty, extra, actor)?;
        let issue = store::issue::save(&mut tx, change, &frame).await?;
        close_if_done(&mut tx, &bounty).await?;
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        self.bell.ring(&[detail.issue.reporter]);
        instruments::decided("approved");
        Ok(detail)
    }

    /// Rejects a submission, with a note that its author reads.
    #[tracing::instrument(name = "submissions.reject", skip_all, fields(issue.id = %target.issue))]
    pub async fn reject_submission(
        &self,
        ctx: &Ctx,
        target: Target,
        note: Option<String>,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let note = note.ok_or_else(|| FieldError::new("note", "must not be empty"))?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (IssueDetail { issue, frame, .. }, actor) = self.open(&tx, target).await?;
        bounty_of(&tx, &issue).await?;
        let change = issue.reject(actor, Some(note))?;
        let issue = store::issue::save(&mut tx, change, &frame).await?;
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        self.bell.ring(&[detail.issue.reporter]);
        instruments::decided("rejected");
        Ok(detail)
    }
}

/// Locks the bounty of a submission.
async fn bounty_of(tx: &Tx, issue: &Issue) -> Result<Bounty, Error> {
    let id: BountyId = issue.bounty.ok_or(BountyError::NoSubmission(issue.id))?;
    store::bounty::load(tx, id).await?.ok_or(Error::NotFound(Kind::Bounty, id.0))
}

fn accepted(issue: Issue, bounty: &Bounty, extra: Extra, actor: Actor) -> Result<Change, Error> {
    Ok(match bounty.reward.awarded(extra.points, extra.tip)? {
        Award::Points(points) => issue.grant(points, actor)?,
        Award::Money { amount, tip } => {
            let rule = match tip.minor() {
                0 => format!("{BOUNTY_RULE} {}", bounty.spoken()),
                _ => format!("{BOUNTY_RULE} {} with a tip of {}", bounty.spoken(), tip.to_text()),
            };
            issue.approve(Price { amount, rule }, actor, None)?
        }
    })
}

/// A bounty that has got what it asked for takes no more.
async fn close_if_done(tx: &mut Tx, bounty: &Bounty) -> Result<(), Error> {
    let accepted = store::claim::count(tx, bounty.id, store::claim::ACCEPTED).await?;
    if bounty.is_done_by(accepted) {
        let closed = Bounty { status: BountyStatus::Closed, ..bounty.clone() };
        store::bounty::save(tx, Some(bounty), closed).await?;
    }
    Ok(())
}
