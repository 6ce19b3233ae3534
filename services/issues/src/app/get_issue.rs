use quittance_kernel::{Ctx, CycleId, IssueId};

use super::{IssueDetail, Issues, whose};
use crate::error::{Error, Kind};
use crate::store::attachment::of_issue;
use crate::store::issue::{Wanted, find};

impl Issues {
    /// Gets an issue that the caller may see, and what belongs to it.
    #[tracing::instrument(name = "issues.get_whole", skip_all, fields(issue.id = %issue))]
    pub async fn get_whole_issue(
        &self,
        ctx: &Ctx,
        issue: IssueId,
        cycle: Option<CycleId>,
    ) -> Result<IssueDetail, Error> {
        let mut detail = self.get_issue(ctx, issue, cycle).await?;
        detail.attachments = of_issue(self.db.conn(), ctx.organization(), issue).await?;
        Ok(detail)
    }

    /// Gets an issue that the caller may see.
    #[tracing::instrument(name = "issues.get", skip_all, fields(issue.id = %issue))]
    pub async fn get_issue(
        &self,
        ctx: &Ctx,
        issue: IssueId,
        cycle: Option<CycleId>,
    ) -> Result<IssueDetail, Error> {
        let (organization, sight) = whose(ctx);
        let wanted = Wanted { organization, sight, issue, cycle };
        let found = find(self.db.conn(), wanted).await?;
        found.map(IssueDetail::from).ok_or(Error::NotFound(Kind::Issue, issue.0))
    }
}
