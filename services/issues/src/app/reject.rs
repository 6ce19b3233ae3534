use quittance_chassis::db::Tx;
use quittance_kernel::Ctx;

use super::{Answer, IssueDetail, Issues, Target};
use crate::error::Error;
use crate::{instruments, store};

impl Issues {
    /// Rejects the review of an issue; its status stays.
    #[tracing::instrument(name = "issues.reject", skip_all, fields(issue.id = %target.issue))]
    pub async fn reject(
        &self,
        ctx: &Ctx,
        target: Target,
        reason: Option<String>,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (IssueDetail { issue, frame, .. }, actor) = self.open(&tx, target).await?;
        let issue = store::issue::save(&mut tx, issue.reject(actor, reason)?, &frame).await?;
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        self.bell.ring(&[detail.issue.reporter]);
        instruments::decided("rejected");
        Ok(detail)
    }
}
