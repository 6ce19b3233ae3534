//! The fresh generation against the one that is read and against the ledger, piece by piece.
//!
//! Whatever is settled is held while it is looked at, so that no event comes in between. From then
//! on both generations have the same lines, and each further event makes the same of both.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Tx, WriteError, WriteSet};
use quittance_kernel::{IssueId, OrganizationId};
use uuid::Uuid;

use super::super::post::post;
use super::super::project::{Change, Fact};
use crate::domain::{
    DayDifferences, Differences, LedgerError, Line, OutOfRange, Position, Posting, Source,
};
use crate::store::{self, Hold, LineKey, Posted, RebuildRow, SourceKey};

/// How a correction is called in the ledger.
const CORRECTED: &str = "balance.rebuilt";

/// How many lines are settled at once.
const PAGE: u32 = 500;

type Final<T> = Result<T, LedgerError>;

/// Takes payouts and commissions as their owner knows them, and corrects what the ledger has of them.
pub(super) async fn sources(
    tx: &Tx,
    set: &mut WriteSet,
    rebuild: &mut RebuildRow,
    facts: &[Fact],
) -> Result<Final<()>, WriteError> {
    let heard: BTreeMap<SourceKey, Source> = facts
        .iter()
        .filter_map(|fact| match &fact.change {
            Change::Source(id, source) => Some(((fact.organization, *id), *source)),
            Change::Issue(..)
            | Change::Earning(..)
            | Change::Cycle(..)
            | Change::Member(..)
            | Change::Partner(..) => None,
        })
        .collect();
    if heard.is_empty() {
        return Ok(Ok(()));
    }
    let keys: Vec<SourceKey> = heard.keys().copied().collect();
    store::ensure_sources(tx, &keys).await?;
    let known = store::lock_sources(tx, &keys).await?;
    let mut newest = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    for (key, heard) in heard {
        // Of the same version the owner's word holds.
        let newer = known.get(&key).filter(|known| heard.version < known.version);
        let source = newer.copied().unwrap_or(heard);
        wanted.insert(key, source.position());
        newest.insert(key, source);
    }
    newest.retain(|key, source| known.get(key) != Some(source));
    set.insert(store::source_rows(&newest));
    correct(tx, set, rebuild, wanted).await
}

/// Settles the next lines; `false` at the end.
pub(super) async fn lines(
    tx: &Tx,
    set: &mut WriteSet,
    rebuild: &mut RebuildRow,
) -> Result<Final<bool>, WriteError> {
    let (organization, building) = (rebuild.organization(), rebuild.building());
    let known = store::generations(tx, &BTreeSet::from([organization]), Hold::Share).await?;
    let known = known.get(&organization).filter(|known| known.building() == Some(building));
    let current = known.ok_or(WriteError::Stale)?.current();
    let after = IssueId(rebuild.after_id);
    let issues = store::lines_of_both(tx, [current, building], after, PAGE).await?;
    let Some(last) = issues.last() else { return Ok(Ok(false)) };
    rebuild.after_id = last.0;
    rebuild.done += i64::try_from(issues.len()).unwrap_or(i64::MAX);
    let keys = |book: OrganizationId| issues.iter().map(move |issue| (book, *issue));
    let live: Vec<LineKey> = keys(current).collect();
    store::ensure(tx, &live).await?;
    let both: BTreeSet<LineKey> = keys(current).chain(keys(building)).collect();
    let mut held = store::lock(tx, &both.into_iter().collect::<Vec<_>>()).await?;
    let mut changed: BTreeMap<LineKey, Line> = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    let (mut sums, mut days) = (Differences::default(), DayDifferences::default());
    for issue in &issues {
        let fresh = held.remove(&(building, *issue)).unwrap_or_default();
        let live = held.remove(&(current, *issue)).unwrap_or_default();
        wanted.insert((organization, issue.0), fresh.position());
        if live != fresh {
            let moved = sums.replace(current, &live, &fresh);
            if let Err(error) = moved.and_then(|()| days.replace(current, &live, &fresh)) {
                return Ok(Err(error.into()));
            }
            changed.insert((current, *issue), fresh);
        }
    }
    sums.settle();
    days.settle();
    let by_member = match sums.by_member() {
        Ok(by_member) => by_member,
        Err(error) => return Ok(Err(error.into())),
    };
    set.insert(store::line_rows(&changed));
    set.insert(store::count_rows(&sums.counts));
    set.insert(store::cycle_money_rows(&sums.money));
    set.insert(store::member_money_rows(&by_member));
    set.insert(store::day_rows(&days));
    Ok(correct(tx, set, rebuild, wanted).await?.map(|()| true))
}

/// Posts what leads from what the ledger has of sources to where they stand.
async fn correct(
    tx: &Tx,
    set: &mut WriteSet,
    rebuild: &mut RebuildRow,
    wanted: BTreeMap<SourceKey, Result<Position, OutOfRange>>,
) -> Result<Final<()>, WriteError> {
    let keys: Vec<SourceKey> = wanted.keys().copied().collect();
    let posted = store::posted(tx, &keys).await?;
    let mut postings: BTreeMap<OrganizationId, Vec<Posting>> = BTreeMap::new();
    for ((organization, source), position) in wanted {
        let nothing = Posted::default();
        let had = posted.get(&(organization, source)).unwrap_or(&nothing);
        let posting = match position
            .map_err(LedgerError::from)
            .and_then(|after| correction(source, rebuild.building_id, had, &after, tx.ctx().now))
        {
            Ok(posting) => posting,
            Err(error) => return Ok(Err(error)),
        };
        postings.entry(organization).or_default().extend(posting);
    }
    postings.retain(|_, postings| !postings.is_empty());
    let count = postings.values().flatten().map(|posting| posting.transfers.len()).sum::<usize>();
    rebuild.corrected += i64::try_from(count).unwrap_or(i64::MAX);
    post(tx, set, &postings).await
}

/// Versions below zero are those of corrections: each source counts its own down.
fn correction(
    source: Uuid,
    event: Uuid,
    had: &Posted,
    after: &Position,
    occurred_at: quittance_kernel::Timestamp,
) -> Result<Option<Posting>, LedgerError> {
    let transfers = had.position.to(after)?;
    let version = had.lowest_version.min(0) - 1;
    let kind = CORRECTED.to_owned();
    let posting = Posting { source, version, event, kind, occurred_at, transfers };
    Ok(Some(posting).filter(|posting| !posting.transfers.is_empty()))
}
