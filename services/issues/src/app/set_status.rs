use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, IssueStatus};

use super::{Answer, IssueDetail, Issues, Target};
use crate::error::Error;
use crate::store;

impl Issues {
    /// Moves the status of an issue, and its review where the status decides it.
    #[tracing::instrument(
        name = "issues.set_status", skip_all, fields(issue.id = %target.issue, issue.status = %to)
    )]
    pub async fn set_status(
        &self,
        ctx: &Ctx,
        target: Target,
        to: IssueStatus,
        reason: Option<String>,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (IssueDetail { issue, frame, .. }, actor) = self.open(&tx, target).await?;
        let change = issue.set_status(to, actor, reason)?;
        let issue = store::issue::save(&mut tx, change, &frame).await?;
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        self.bell.ring(&[detail.issue.reporter]);
        Ok(detail)
    }
}
