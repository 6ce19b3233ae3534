//! Why a figure of the caller's balance is what it is (product.md, "a balance that explains itself").

use quittance_kernel::{Ctx, IssueId, Money, PageError, PageRequest, Timestamp, token};
use uuid::Uuid;

use super::balance::{PAGE, line_at};
use super::{Balances, Error, Period};
use crate::domain::{Figure, Share, Told};
use crate::store;

/// What one issue adds to the figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExplainedLine {
    pub(crate) issue: IssueId,
    pub(crate) title: String,
    pub(crate) cycle_name: String,
    pub(crate) share: Share,
    /// What was told of it up to the instant, in the order in which it happened.
    pub(crate) events: Vec<Told>,
}

/// A figure and one page of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) totals: Vec<Money>,
    pub(crate) lines: Vec<ExplainedLine>,
    /// Empty on the last page.
    pub(crate) next: String,
    pub(crate) as_of: Timestamp,
}

impl Balances {
    /// Opens a figure to its lines, in the order in which their issues were made. The figure is
    /// read from the kept sums and the lines from what was told, each of them proving the other.
    #[tracing::instrument(name = "balance.explain", skip_all)]
    pub(crate) async fn explain(
        &self,
        ctx: &Ctx,
        figure: &str,
        as_of: Option<Timestamp>,
        page_size: i32,
        page_token: &str,
    ) -> Result<Explained, Error> {
        let figure: Figure = figure.parse().map_err(|_| {
            let known = "must be earned, pending, awaiting, receivable or cycle:<id>";
            Error::Field("figure", known)
        })?;
        let query = format!("explain?{figure}&{as_of:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let after = match page.after.as_deref() {
            None => IssueId(Uuid::nil()),
            Some([issue]) => issue.parse().map_err(|_| PageError::BadToken)?,
            Some(_) => return Err(PageError::BadToken.into()),
        };
        let balance = match as_of {
            Some(instant) => self.balance_as_of(ctx, instant).await?,
            None => self.balance(ctx).await?,
        };
        let instant = as_of.unwrap_or(Period::ALL.to);
        let limit = page.size as usize;
        let mut lines = self.shares(ctx, figure, instant, after, limit + 1).await?;
        let more = limit < lines.len();
        lines.truncate(limit);
        let last = if more { lines.last() } else { None };
        let next = last.map(|line| token::encode(&[line.issue.to_string()], &query));
        Ok(Explained {
            totals: figure.of(&balance),
            lines,
            next: next.unwrap_or_default(),
            as_of: as_of.unwrap_or(ctx.now),
        })
    }

    /// The next lines of a figure, at most so many.
    async fn shares(
        &self,
        ctx: &Ctx,
        figure: Figure,
        instant: Timestamp,
        mut after: IssueId,
        limit: usize,
    ) -> Result<Vec<ExplainedLine>, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        let cycles = self.cycles(ctx).await?;
        let mut lines = Vec::new();
        while lines.len() < limit {
            let page = store::told_of(&self.db, organization, member, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            let (end, full) = (last.issue, page.len() == PAGE as usize);
            for told in page {
                let line = line_at(&told, instant);
                let rates = |cycle| cycles.get(&cycle).and_then(|(_, rates)| *rates);
                let Some(share) = figure.share(&line, member, rates) else { continue };
                let name = cycles.get(&share.cycle).map(|(name, _)| name.clone());
                let events = told.told.into_iter().filter(|told| told.at <= instant).collect();
                lines.push(ExplainedLine {
                    issue: told.issue,
                    title: told.title,
                    cycle_name: name.unwrap_or_default(),
                    share,
                    events,
                });
            }
            if !full {
                break;
            }
            after = end;
        }
        lines.truncate(limit);
        Ok(lines)
    }
}
