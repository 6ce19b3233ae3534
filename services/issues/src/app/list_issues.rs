use quittance_kernel::Ctx;

use super::page::Cursor;
use super::{IssueDetail, IssueFilter, Issues, Page, Paging, whose};
use crate::error::Error;
use crate::store::issue_list::list;

impl Issues {
    /// Lists the issues that the caller may see, the newest first.
    #[tracing::instrument(name = "issues.list", skip_all)]
    pub async fn list_issues(
        &self,
        ctx: &Ctx,
        filter: &IssueFilter,
        paging: &Paging,
    ) -> Result<Page<IssueDetail>, Error> {
        let mut cursor = Cursor::parse(paging, format!("issues {filter:?}"))?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), whose(ctx), filter, after, limit).await?;
        let items = rows.into_iter().map(IssueDetail::from).collect();
        Ok(cursor.page(items, |item| (item.issue.created_at, item.issue.id.0)))
    }
}
