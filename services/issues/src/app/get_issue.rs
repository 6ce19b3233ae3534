use quittance_kernel::{Ctx, CycleId, IssueId};

use super::{IssueDetail, Issues, whose};
use crate::error::{Error, Kind};
use crate::store::issue::{Wanted, find};

impl Issues {
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
