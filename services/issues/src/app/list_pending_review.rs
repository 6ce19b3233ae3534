use quittance_kernel::Ctx;

use super::page::Cursor;
use super::{IssueDetail, Issues, Page, Paging, in_charge};
use crate::error::Error;
use crate::store::issue_list::{undecided, undecided_size};

/// What waits for a decision, whatever its status and cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingReview {
    pub page: Page<IssueDetail>,
    /// Over all pages.
    pub total: i64,
}

impl Issues {
    /// Lists undecided issues that are not drafts, the newest first.
    #[tracing::instrument(name = "issues.list_pending_review", skip_all)]
    pub async fn list_pending_review(
        &self,
        ctx: &Ctx,
        paging: &Paging,
    ) -> Result<PendingReview, Error> {
        let mut cursor = Cursor::parse(paging, "pending review".to_owned())?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let conn = self.db.conn();
        let rows = undecided(conn, in_charge(ctx), after, limit).await?;
        let total = undecided_size(conn, in_charge(ctx)).await?;
        let items = rows.into_iter().map(IssueDetail::from).collect();
        let page = cursor.page(items, |item| (item.issue.created_at, item.issue.id.0));
        Ok(PendingReview { page, total })
    }
}
