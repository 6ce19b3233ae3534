use chrono::DateTime;
use quittance_kernel::{Ctx, Timestamp};
use uuid::Uuid;

use super::page::Cursor;
use super::{IssueDetail, IssueFilter, Issues, Page, Paging, whose};
use crate::domain::search;
use crate::error::Error;
use crate::store::issue_list::{by_number, list};

impl Issues {
    /// Lists the issues that the caller may see, the newest first. Whoever searches for a number
    /// (`SHP-12`) gets that issue before the ones that have the words.
    #[tracing::instrument(name = "issues.list", skip_all)]
    pub async fn list_issues(
        &self,
        ctx: &Ctx,
        filter: &IssueFilter,
        paging: &Paging,
    ) -> Result<Page<IssueDetail>, Error> {
        let mut cursor = Cursor::parse(paging, format!("issues {filter:?}"))?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let (conn, number) = (self.db.conn(), search::number(&filter.words));
        let named = match &number {
            Some(number) if after.is_none() => by_number(conn, whose(ctx), filter, number).await?,
            Some(_) | None => None,
        };
        let first = named.as_ref().map(|(issue, _)| issue.id);
        let rest = list(conn, whose(ctx), filter, number.as_ref(), after, limit).await?;
        let items = named.into_iter().chain(rest).map(IssueDetail::from).collect();
        Ok(cursor.page(items, |item| {
            // The one that was named stands before all others.
            let is_first = first == Some(item.issue.id);
            if is_first { beginning() } else { (item.issue.created_at, item.issue.id.0) }
        }))
    }
}

/// A place before every issue.
fn beginning() -> (Timestamp, Uuid) {
    const YEAR_9999: i64 = 253_370_764_800;
    (DateTime::from_timestamp(YEAR_9999, 0).unwrap_or(Timestamp::MAX_UTC), Uuid::max())
}
