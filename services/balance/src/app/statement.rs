//! A member's own statement of a month or a quarter.

use std::collections::BTreeMap;

use quittance_kernel::{Ctx, CycleId, IssueId};
use uuid::Uuid;

use super::balance::PAGE;
use super::{Balances, Error, Period};
use crate::domain::Statement;
use crate::store;

/// The longest statement; whoever has more asks for a shorter period or for the export.
const MAX_LINES: usize = 5_000;

/// A statement with the names to show it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedStatement {
    pub(crate) statement: Statement,
    pub(crate) cycles: BTreeMap<CycleId, String>,
    /// Empty until the member has been heard of.
    pub(crate) member_name: String,
}

impl Balances {
    /// Writes the caller's statement of a period: a month or a quarter (rule 12).
    #[tracing::instrument(name = "balance.statement", skip_all)]
    pub(crate) async fn statement(&self, ctx: &Ctx, period: &str) -> Result<NamedStatement, Error> {
        let period = Period::named(period)
            .ok_or(Error::Field("period", "must be a month (2026-02) or a quarter (2026-Q1)"))?;
        let (organization, member) = (ctx.organization(), ctx.member());
        let names = self.cycles(ctx).await?.into_iter().map(|(cycle, (name, _))| (cycle, name));
        let member_name = store::member_name(&self.db, organization, member).await?;
        let mut statement = Statement::new(period);
        let mut after = IssueId(Uuid::nil());
        loop {
            let page = store::told_of(&self.db, organization, member, after, PAGE).await?;
            for told in &page {
                statement.add(member, told.issue, &told.title, &told.told)?;
            }
            if MAX_LINES < statement.lines.len() {
                return Err(Error::StatementTooLong);
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE as usize) else { break };
            after = last.issue;
        }
        let statement = statement.sorted();
        Ok(NamedStatement { statement, cycles: names.collect(), member_name })
    }
}
