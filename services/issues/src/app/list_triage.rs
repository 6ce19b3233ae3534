use quittance_kernel::{Ctx, Severity, Timestamp};

use super::page::{Cursor, SortKey};
use super::{IssueDetail, Issues, Page, Paging, in_charge};
use crate::error::Error;
use crate::store::issue_list::{Urgency, inbox, inbox_size};

/// The triage inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    pub page: Page<IssueDetail>,
    /// Over all pages.
    pub issue_count: i64,
    pub cycle_count: i64,
}

impl SortKey for Urgency {
    fn write(&self) -> Vec<String> {
        let mut parts = vec![self.severity.as_str().to_owned()];
        parts.extend(self.created_at.write());
        parts
    }

    fn read(parts: &[String]) -> Option<Self> {
        let (severity, rest) = parts.split_first()?;
        let severity: Severity = severity.parse().ok()?;
        Some(Self { severity, created_at: Timestamp::read(rest)? })
    }
}

impl Issues {
    /// Lists open, undecided issues of open cycles: worst first, then newest.
    #[tracing::instrument(name = "issues.list_triage", skip_all)]
    pub async fn list_triage(&self, ctx: &Ctx, paging: &Paging) -> Result<Inbox, Error> {
        let mut cursor = Cursor::parse(paging, "triage".to_owned())?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let conn = self.db.conn();
        let (rows, (issue_count, cycle_count)) = tokio::try_join!(
            inbox(conn, in_charge(ctx), after, limit),
            inbox_size(conn, in_charge(ctx)),
        )?;
        let items = rows.into_iter().map(IssueDetail::from).collect();
        let page = cursor.page(items, |IssueDetail { issue, .. }| {
            let key = Urgency { severity: issue.severity, created_at: issue.created_at };
            (key, issue.id.0)
        });
        Ok(Inbox { page, issue_count, cycle_count })
    }
}
