//! Events become lines and sums: a batch in one transaction, each event once.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Tx, WriteError, WriteSet, inbox, retrying};
use quittance_kernel::{Ctx, CycleId, IssueId, MemberId, OrganizationId, Timestamp};
use uuid::Uuid;

use super::Balances;
use super::post::post;
use crate::consumer::QUEUE;
use crate::domain::partner::Entry;
use crate::domain::{
    DayDifferences, Differences, Earning, Filing, LedgerError, Line, Part, Position, Posting,
    Source, Told,
};
use crate::store::{
    self, CycleEntry, EntryKey, Generations, Hold, LineKey, MemberEntry, SourceKey,
};

/// One event, as the projections understand it.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) event: Uuid,
    /// The type of the event.
    pub(crate) kind: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) organization: OrganizationId,
    pub(crate) change: Change,
}

/// What an event says.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Issue(IssueId, Filing),
    Earning(IssueId, Earning),
    /// A payout or a commission: it stands in the ledger only.
    Source(Uuid, Source),
    Cycle(CycleId, CycleEntry),
    Member(MemberId, MemberEntry),
    /// A commission, or a payout of a partner.
    Partner(Uuid, Entry),
}

/// Why a batch was not projected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
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
    ) -> Result<Result<(), LedgerError>, WriteError> {
        let tx = Tx::begin(&self.db, ctx).await?;
        // Sorted, like everything that two consumers could wait for each other for.
        let ids: BTreeSet<Uuid> = facts.iter().map(|fact| fact.event).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let new = inbox::first_times(&tx, QUEUE, &ids).await?;
        let fresh: Vec<&Fact> = facts.iter().filter(|fact| new.contains(&fact.event)).collect();
        // Held until the commit: nobody switches to another generation in between.
        let organizations: BTreeSet<_> = fresh.iter().map(|fact| fact.organization).collect();
        let generations = if organizations.is_empty() {
            BTreeMap::new()
        } else {
            store::generations(&tx, &organizations, Hold::Share).await?
        };
        let placed = place(&fresh, &generations);
        let known = Known::lock(&tx, &placed).await?;
        let Folded { mut set, postings } = match fold(&known, &placed) {
            Ok(folded) => folded,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = post(&tx, &mut set, &postings).await? {
            return Ok(Err(error));
        }
        tx.write(set).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

/// An event in one of the generations that it is projected into. What was told and what the ledger
/// posts have no generations: they are noted with the one that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) fact: &'a Fact,
    /// The generation, which stands where the organization does.
    pub(super) book: OrganizationId,
    pub(super) live: bool,
}

/// Puts each event into the generation that is read, and into the one that is being built.
fn place<'a>(
    facts: &[&'a Fact],
    generations: &BTreeMap<OrganizationId, Generations>,
) -> Vec<Placed<'a>> {
    let places = |fact: &&'a Fact| {
        let fact = *fact;
        let known = generations.get(&fact.organization);
        let current = known.map_or(fact.organization, Generations::current);
        let building = known.and_then(Generations::building);
        let building = building.map(|book| Placed { fact, book, live: false });
        std::iter::once(Placed { fact, book: current, live: true }).chain(building)
    };
    facts.iter().flat_map(places).collect()
}

/// What a batch may change, as it is.
pub(super) struct Known {
    lines: BTreeMap<LineKey, Line>,
    sources: BTreeMap<SourceKey, Source>,
}

impl Known {
    pub(super) async fn lock(tx: &Tx, facts: &[Placed<'_>]) -> Result<Self, WriteError> {
        let keys: BTreeSet<LineKey> = facts.iter().filter_map(Placed::line).collect();
        let keys: Vec<LineKey> = keys.into_iter().collect();
        let lines = if keys.is_empty() {
            BTreeMap::new()
        } else {
            store::ensure(tx, &keys).await?;
            store::lock(tx, &keys).await?
        };
        let keys: BTreeSet<SourceKey> = facts.iter().filter_map(Placed::source).collect();
        let keys: Vec<SourceKey> = keys.into_iter().collect();
        let sources = if keys.is_empty() {
            BTreeMap::new()
        } else {
            store::ensure_sources(tx, &keys).await?;
            store::lock_sources(tx, &keys).await?
        };
        Ok(Self { lines, sources })
    }
}

impl Placed<'_> {
    /// The line that the event changes, if it changes one.
    fn line(&self) -> Option<LineKey> {
        match &self.fact.change {
            Change::Issue(issue, _) | Change::Earning(issue, _) => Some((self.book, *issue)),
            Change::Source(..) | Change::Cycle(..) | Change::Member(..) | Change::Partner(..) => {
                None
            }
        }
    }

    /// The payout or commission that it changes, if it changes one.
    fn source(&self) -> Option<SourceKey> {
        match &self.fact.change {
            Change::Source(source, _) if self.live => Some((self.fact.organization, *source)),
            Change::Source(..)
            | Change::Issue(..)
            | Change::Earning(..)
            | Change::Cycle(..)
            | Change::Member(..)
            | Change::Partner(..) => None,
        }
    }
}

impl Fact {
    pub(super) fn told(&self, part: Part) -> Told {
        Told { event: self.event, kind: self.kind.clone(), at: self.at, part }
    }

    /// What the ledger is to post for it, if anything moves.
    fn posting(
        &self,
        source: Uuid,
        version: i64,
        before: &Position,
        after: &Position,
    ) -> Result<Option<Posting>, LedgerError> {
        let transfers = before.to(after)?;
        let (event, kind, occurred_at) = (self.event, self.kind.clone(), self.at);
        let posting = Posting { source, version, event, kind, occurred_at, transfers };
        Ok(Some(posting).filter(|posting| !posting.transfers.is_empty()))
    }
}

/// What a batch changes: rows, and what the ledger is to post in the same transaction.
pub(super) struct Folded {
    pub(super) set: WriteSet,
    pub(super) postings: BTreeMap<OrganizationId, Vec<Posting>>,
}

/// Applies events one by one, and returns every row that changes for it.
pub(super) fn fold(known: &Known, facts: &[Placed<'_>]) -> Result<Folded, LedgerError> {
    let Known { mut lines, mut sources } =
        Known { lines: known.lines.clone(), sources: known.sources.clone() };
    let mut cycles: BTreeMap<(OrganizationId, CycleId), CycleEntry> = BTreeMap::new();
    let mut members: BTreeMap<(OrganizationId, MemberId), MemberEntry> = BTreeMap::new();
    let mut entries: BTreeMap<EntryKey, Entry> = BTreeMap::new();
    let mut told: Vec<(LineKey, Told)> = Vec::new();
    let mut postings: BTreeMap<OrganizationId, Vec<Posting>> = BTreeMap::new();
    for Placed { fact, book, live } in facts {
        let (organization, book) = (fact.organization, *book);
        let part = match &fact.change {
            Change::Issue(issue, filing) => (*issue, Part::Issue(filing.clone())),
            Change::Earning(issue, earning) => (*issue, Part::Earning(earning.clone())),
            // It stands in the ledger only.
            Change::Source(..) if !live => continue,
            Change::Source(id, heard) => {
                let source = sources.get(&(organization, *id)).copied();
                let newest = Source::or_newer(source, *heard);
                let before = source.map(|source| source.position()).transpose()?;
                let (before, after) = (before.unwrap_or_default(), newest.position()?);
                let posting = fact.posting(*id, newest.version, &before, &after)?;
                postings.entry(organization).or_default().extend(posting);
                sources.insert((organization, *id), newest);
                continue;
            }
            Change::Cycle(id, cycle) => {
                let newest = cycles.entry((book, *id)).or_insert_with(|| cycle.clone());
                if newest.version < cycle.version {
                    newest.clone_from(cycle);
                }
                continue;
            }
            Change::Partner(id, entry) => {
                let known = entries.entry((book, *id)).or_insert_with(|| entry.clone());
                known.merge(entry);
                continue;
            }
            Change::Member(id, member) => {
                let newest = members.entry((book, *id)).or_insert_with(|| member.clone());
                if newest.version < member.version {
                    newest.clone_from(member);
                }
                continue;
            }
        };
        let (issue, part) = part;
        let line = lines.entry((book, issue)).or_default();
        let before = line.position()?;
        line.apply(&part);
        if !live {
            continue;
        }
        let posting = fact.posting(issue.0, line.version(), &before, &line.position()?)?;
        postings.entry(organization).or_default().extend(posting);
        told.push(((organization, issue), fact.told(part)));
    }
    lines.retain(|key, line| known.lines.get(key) != Some(line));
    sources.retain(|key, source| known.sources.get(key) != Some(source));
    postings.retain(|_, postings| !postings.is_empty());
    let mut differences = Differences::default();
    let mut days = DayDifferences::default();
    for (key, line) in &lines {
        let before = known.lines.get(key).cloned().unwrap_or_default();
        differences.replace(key.0, &before, line)?;
        days.replace(key.0, &before, line)?;
    }
    differences.settle();
    days.settle();
    let mut set = WriteSet::new();
    set.insert(store::line_rows(&lines));
    set.insert(store::told_rows(&told));
    set.insert(store::source_rows(&sources));
    set.insert(store::count_rows(&differences.counts));
    set.insert(store::cycle_money_rows(&differences.money));
    set.insert(store::member_money_rows(&differences.by_member()?));
    set.insert(store::day_rows(&days));
    set.insert(store::cycle_rows(&cycles));
    set.insert(store::member_rows(&members));
    set.insert(store::partner_rows(&entries));
    Ok(Folded { set, postings })
}
