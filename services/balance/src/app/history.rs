//! A member's own issues, the newest first.

use chrono::SecondsFormat;
use quittance_kernel::{Ctx, CycleId, IssueId, PageError, PageRequest, Timestamp, token};

use super::{Balances, Error};
use crate::store::{self, HistoryKey, HistoryLine};

/// One page of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryPage {
    pub(crate) lines: Vec<HistoryLine>,
    /// Empty on the last page.
    pub(crate) next: String,
}

impl Balances {
    /// Lists the caller's issues, of one cycle or of all; drafts are left out.
    #[tracing::instrument(name = "balance.history", skip_all)]
    pub(crate) async fn history(
        &self,
        ctx: &Ctx,
        cycle: Option<CycleId>,
        page_size: i32,
        page_token: &str,
    ) -> Result<HistoryPage, Error> {
        let query = cycle.map_or_else(|| "history".to_owned(), |id| format!("history?cycle={id}"));
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let after = page.after.as_deref().map(read).transpose()?;
        let (organization, member) = (ctx.organization(), ctx.member());
        // One more than asked for tells whether there is another page.
        let limit = page.size + 1;
        let mut lines = store::history(&self.db, organization, member, cycle, after, limit).await?;
        let more = lines.len() > page.size as usize;
        lines.truncate(page.size as usize);
        let last = if more { lines.last() } else { None };
        let next = last.and_then(write).map(|keys| token::encode(&keys, &query));
        Ok(HistoryPage { next: next.unwrap_or_default(), lines })
    }
}

fn write(last: &HistoryLine) -> Option<[String; 2]> {
    let filed_at = last.line.filing.as_ref()?.filed_at;
    Some([filed_at.to_rfc3339_opts(SecondsFormat::Micros, true), last.issue.to_string()])
}

fn read(keys: &[String]) -> Result<HistoryKey, PageError> {
    let [filed_at, issue] = keys else { return Err(PageError::BadToken) };
    let filed_at: Timestamp = filed_at.parse().map_err(|_| PageError::BadToken)?;
    let issue: IssueId = issue.parse().map_err(|_| PageError::BadToken)?;
    Ok((filed_at, issue))
}
