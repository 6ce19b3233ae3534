use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, IssueId, IssueStatus};

use super::{Answer, IssueDetail, Issues, Target};
use crate::domain::issue::IssueError;
use crate::domain::sight::Sight;
use crate::error::Error;
use crate::store;
use crate::store::issue::Wanted;

impl Issues {
    /// Ends an issue as the duplicate of another one, which the caller must be able to see.
    #[tracing::instrument(
        name = "issues.end_as_duplicate",
        skip_all,
        fields(issue.id = %target.issue, issue.original = %original)
    )]
    pub async fn end_as_duplicate(
        &self,
        ctx: &Ctx,
        target: Target,
        original: IssueId,
        reason: Option<String>,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (IssueDetail { issue, frame, .. }, actor) = self.open(&tx, target).await?;
        let change = issue.set_status(IssueStatus::Duplicate, actor, reason)?;
        let (organization, sight) = (ctx.organization(), Sight::of(ctx));
        let wanted = Wanted { organization, sight, issue: original, cycle: None };
        let found = store::issue::find(tx.conn(), wanted).await?;
        let unknown = || IssueError::BadOriginal("must be an issue that you may see");
        let (original, _) = found.ok_or_else(unknown)?;
        let change = change.repeating(&original)?;
        let id = change.issue.id;
        if store::issue::leads_to(&tx, &original, id).await? {
            return Err(IssueError::DuplicateLoop(id).into());
        }
        let issue = store::issue::save(&mut tx, change, &frame).await?;
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        Ok(detail)
    }
}
