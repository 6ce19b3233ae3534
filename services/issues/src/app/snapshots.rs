use quittance_kernel::{Ctx, IssueId};

use super::{IssueDetail, Issues};
use crate::error::Error;
use crate::store::issue_list::snapshots;

/// How many issues one message holds.
const PAGE: u32 = 500;

impl Issues {
    /// Reads the next issues of the organization in the order of their ids, for rebuilding
    /// projections. An empty answer is the end.
    pub async fn snapshots(
        &self,
        ctx: &Ctx,
        after: Option<IssueId>,
    ) -> Result<Vec<IssueDetail>, Error> {
        let rows = snapshots(self.db.conn(), ctx.organization(), after, PAGE).await?;
        Ok(rows.into_iter().map(IssueDetail::from).collect())
    }
}
