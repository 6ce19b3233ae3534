//! Events become lines and sums: a batch in one transaction, each event once.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Tx, WriteError, WriteSet, inbox, retrying};
use quittance_kernel::{Ctx, CycleId, IssueId, MemberId, OrganizationId};
use uuid::Uuid;

use super::Balances;
use crate::consumer::QUEUE;
use crate::domain::partner::Entry;
use crate::domain::{Differences, Earning, Filing, Line, OutOfRange};
use crate::store::{self, CycleEntry, EntryKey, LineKey, MemberEntry};

/// One event, as the projections understand it.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) event: Uuid,
    pub(crate) organization: OrganizationId,
    pub(crate) change: Change,
}

/// What an event says.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Issue(IssueId, Filing),
    Earning(IssueId, Earning),
    Cycle(CycleId, CycleEntry),
    Member(MemberId, MemberEntry),
    /// A commission, or a payout of a partner.
    Partner(Uuid, Entry),
}

/// Why a batch was not projected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Balances {
    /// Projects a batch: all of it or nothing. Events that were projected before are left out.
    pub(crate) async fn project(&self, ctx: &Ctx, facts: &[Fact]) -> Result<(), ProjectError> {
        let done = retrying(|| self.attempt(ctx, facts)).await?;
        Ok(done?)
    }

    /// The inner result is final; the outer one may be worth another attempt.
    async fn attempt(
        &self,
        ctx: &Ctx,
        facts: &[Fact],
    ) -> Result<Result<(), OutOfRange>, WriteError> {
        let tx = Tx::begin(&self.db, ctx).await?;
        // Sorted, like everything that two consumers could wait for each other for.
        let ids: BTreeSet<Uuid> = facts.iter().map(|fact| fact.event).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let new = inbox::first_times(&tx, QUEUE, &ids).await?;
        let fresh: Vec<&Fact> = facts.iter().filter(|fact| new.contains(&fact.event)).collect();

        let keys: BTreeSet<LineKey> = fresh.iter().filter_map(|fact| fact.line()).collect();
        let keys: Vec<LineKey> = keys.into_iter().collect();
        let known = if keys.is_empty() {
            BTreeMap::new()
        } else {
            store::ensure(&tx, &keys).await?;
            store::lock(&tx, &keys).await?
        };
        match fold(&known, &fresh) {
            Ok(set) => {
                tx.write(set).await?;
                tx.commit().await?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

impl Fact {
    /// The line that the event changes, if it changes one.
    fn line(&self) -> Option<LineKey> {
        match &self.change {
            Change::Issue(issue, _) | Change::Earning(issue, _) => {
                Some((self.organization, *issue))
            }
            Change::Cycle(..) | Change::Member(..) | Change::Partner(..) => None,
        }
    }
}

/// Applies events to the lines as they are, and returns every row that changes for it.
fn fold(known: &BTreeMap<LineKey, Line>, facts: &[&Fact]) -> Result<WriteSet, OutOfRange> {
    let mut lines = known.clone();
    let mut cycles: BTreeMap<(OrganizationId, CycleId), CycleEntry> = BTreeMap::new();
    let mut members: BTreeMap<(OrganizationId, MemberId), MemberEntry> = BTreeMap::new();
    let mut entries: BTreeMap<EntryKey, Entry> = BTreeMap::new();
    for fact in facts {
        let organization = fact.organization;
        match &fact.change {
            Change::Issue(issue, filing) => {
                lines.entry((organization, *issue)).or_default().apply_issue(filing.clone());
            }
            Change::Earning(issue, earning) => {
                lines.entry((organization, *issue)).or_default().apply_earning(earning.clone());
            }
            Change::Cycle(id, cycle) => {
                let newest = cycles.entry((organization, *id)).or_insert_with(|| cycle.clone());
                if newest.version < cycle.version {
                    newest.clone_from(cycle);
                }
            }
            Change::Partner(id, entry) => {
                let known = entries.entry((organization, *id)).or_insert_with(|| entry.clone());
                known.merge(entry);
            }
            Change::Member(id, member) => {
                let newest = members.entry((organization, *id)).or_insert_with(|| member.clone());
                if newest.version < member.version {
                    newest.clone_from(member);
                }
            }
        }
    }
    lines.retain(|key, line| known.get(key) != Some(line));
    let mut differences = Differences::default();
    for (key, line) in &lines {
        let before = known.get(key).cloned().unwrap_or_default();
        differences.replace(key.0, &before, line)?;
    }
    differences.settle();
    let mut set = WriteSet::new();
    set.insert(store::line_rows(&lines));
    set.insert(store::count_rows(&differences.counts));
    set.insert(store::cycle_money_rows(&differences.money));
    set.insert(store::member_money_rows(&differences.by_member()?));
    set.insert(store::cycle_rows(&cycles));
    set.insert(store::member_rows(&members));
    set.insert(store::entry_rows(&entries));
    Ok(set)
}
