//! A fresh generation of an organization's projections, made of what the owners know, and switched
//! to in one step.
//!
//! As long as it is being built, events go into it as well as into the one that is read. An event
//! that was projected before that began was committed by its owner before, so that the snapshots,
//! which are read after, have it. Hence nothing is missed, however events and snapshots interleave;
//! versions make their order indifferent.
//!
//! The ledger is no projection of this kind: what was posted is never unsaid. It is held against the
//! fresh generation, and what it lacks or has too much is posted as an entry of its own.

mod settle;

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Entry, Tx, WriteError, WriteSet, retrying};
use quittance_chassis::{clock, fail_point};
use quittance_kernel::{Ctx, OrganizationId, Principal};
use uuid::Uuid;

use super::owners::{Entity, OwnersError, Snapshot};
use super::project::{Fact, Known, Placed, fold};
use super::{Balances, Change};
use crate::consumer::facts;
use crate::domain::LedgerError;
use crate::store::{self, RebuildRow};

/// The step after the last kind of entity: lines and ledger against each other.
const SETTLE: &str = "settle";

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub organization: OrganizationId,
    /// The kind of entity that is being replayed, or `settle`.
    pub step: &'static str,
    pub done: i64,
    /// An estimate.
    pub total: i64,
}

/// What a rebuild has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entities that were replayed, and lines that were settled.
    pub entities: i64,
    /// Entries that the ledger lacked.
    pub corrected: i64,
}

/// Why a rebuild ended before its end. What is there is gone on with by the next one.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Owners(#[from] OwnersError),
    #[error("an owner tells what will never be right: {0}")]
    Poison(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("somebody else goes on with this rebuild")]
    Superseded,
    #[error("the fresh generation does not add up, and is not switched to: {0}")]
    Drift(String),
    #[error("database failure")]
    Write(#[source] WriteError),
}

impl From<WriteError> for RebuildError {
    fn from(error: WriteError) -> Self {
        match error {
            // The row that says how far it is was not in the expected version.
            WriteError::Stale => Self::Superseded,
            WriteError::Duplicate(_) | WriteError::Database(_) => Self::Write(error),
        }
    }
}

impl From<sea_orm::DbErr> for RebuildError {
    fn from(error: sea_orm::DbErr) -> Self {
        WriteError::from(error).into()
    }
}

impl Balances {
    /// Rebuilds the projections of an organization, or goes on with a rebuild that was interrupted.
    /// Must run in a task that is not cancelled.
    #[tracing::instrument(name = "balance.rebuild", skip_all, fields(organization = %organization))]
    pub async fn rebuild(
        &self,
        organization: OrganizationId,
        restart: bool,
        mut watch: impl FnMut(Progress) + Send,
    ) -> Result<Rebuilt, RebuildError> {
        let owners = self.owners.clone().ok_or(OwnersError::Nobody)?;
        let total = owners.totals(organization).await?;
        let entity = |entity: &str| Entity::ALL.iter().any(|known| known.as_str() == entity);
        let total = total.iter().filter(|total| entity(&total.entity)).map(|one| one.count).sum();
        let mut rebuild = self.begin(organization, restart).await?;
        let first = Entity::ALL.iter().position(|entity| entity.as_str() == rebuild.step);
        for entity in Entity::ALL.iter().skip(first.unwrap_or(Entity::ALL.len())) {
            if rebuild.step != entity.as_str() {
                entity.as_str().clone_into(&mut rebuild.step);
                rebuild.after_id = Uuid::nil();
            }
            loop {
                let page = owners.list(organization, *entity, rebuild.after_id, &[]).await?;
                let Some(last) = page.last().map(|last| last.id) else { break };
                rebuild.after_id = last;
                rebuild.done += i64::try_from(page.len()).unwrap_or(i64::MAX);
                self.replay(&mut rebuild, &page).await?;
                fail_point!("rebuild::page");
                let (step, done) = (entity.as_str(), rebuild.done);
                watch(Progress { organization, step, done, total });
            }
        }
        if rebuild.step != SETTLE {
            SETTLE.clone_into(&mut rebuild.step);
            rebuild.after_id = Uuid::nil();
        }
        while self.settle(&mut rebuild).await? {
            watch(Progress { organization, step: SETTLE, done: rebuild.done, total });
        }
        self.switch(&mut rebuild).await?;
        while self.sweep().await? {}
        Ok(Rebuilt { entities: rebuild.done, corrected: rebuild.corrected })
    }

    /// All organizations, as their owner knows them.
    pub async fn organizations(&self) -> Result<Vec<OrganizationId>, OwnersError> {
        match &self.owners {
            Some(owners) => owners.organizations().await,
            None => Err(OwnersError::Nobody),
        }
    }

    async fn begin(
        &self,
        organization: OrganizationId,
        restart: bool,
    ) -> Result<RebuildRow, RebuildError> {
        let ctx = in_the_name_of(organization);
        let first = Entity::Member.as_str();
        Ok(retrying(|| async {
            let tx = Tx::begin(&self.db, &ctx).await?;
            let row = store::begin(&tx, organization, first, restart).await?;
            tx.commit().await?;
            Ok(row)
        })
        .await?)
    }

    /// Projects what the owners know into the generation that is being built.
    async fn replay(
        &self,
        rebuild: &mut RebuildRow,
        page: &[Snapshot],
    ) -> Result<(), RebuildError> {
        let facts = read(page)?;
        let ctx = in_the_name_of(rebuild.organization());
        let done = retrying(|| async {
            let mut next = rebuild.clone();
            let corrected = self.replay_once(&ctx, &mut next, &facts).await?;
            Ok(corrected.map(|()| next))
        })
        .await?;
        *rebuild = done?;
        Ok(())
    }

    /// The inner result is final.
    async fn replay_once(
        &self,
        ctx: &Ctx,
        rebuild: &mut RebuildRow,
        facts: &[Fact],
    ) -> Result<Result<(), LedgerError>, WriteError> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let book = rebuild.building();
        let placed: Vec<Placed<'_>> =
            facts.iter().map(|fact| Placed { fact, book, live: false }).collect();
        let known = Known::lock(&tx, &placed).await?;
        let mut set = match fold(&known, &placed) {
            Ok(folded) => folded.set,
            Err(error) => return Ok(Err(error)),
        };
        set.insert(store::told_again_rows(&told(facts)));
        match settle::sources(&tx, &mut set, rebuild, facts).await? {
            Ok(()) => {}
            Err(error) => return Ok(Err(error)),
        }
        set.update(rebuild.advance(ctx.now));
        tx.write(set).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Holds the next lines of both generations and the ledger against each other; `false` at the end.
    async fn settle(&self, rebuild: &mut RebuildRow) -> Result<bool, RebuildError> {
        let ctx = in_the_name_of(rebuild.organization());
        let done = retrying(|| async {
            let mut next = rebuild.clone();
            let tx = Tx::begin(&self.db, &ctx).await?;
            let mut set = WriteSet::new();
            let more = match settle::lines(&tx, &mut set, &mut next).await? {
                Ok(more) => more,
                Err(error) => return Ok(Err(error)),
            };
            if more {
                set.update(next.advance(ctx.now));
                tx.write(set).await?;
            }
            tx.commit().await?;
            Ok(Ok((more, next)))
        })
        .await?;
        let (more, next) = done?;
        *rebuild = next;
        Ok(more)
    }

    async fn switch(&self, rebuild: &mut RebuildRow) -> Result<(), RebuildError> {
        let drift = store::drift(&self.db, Some(rebuild.building())).await?;
        if let Some(first) = drift.into_iter().next() {
            return Err(RebuildError::Drift(first));
        }
        let ctx = in_the_name_of(rebuild.organization());
        retrying(|| async {
            let mut next = rebuild.clone();
            let mut tx = Tx::begin(&self.db, &ctx).await?;
            store::switch(&tx, &mut next).await?;
            let after = format!(
                "{{\"generation\":\"{}\",\"entities\":{},\"corrected\":{}}}",
                next.building_id, next.done, next.corrected
            );
            let organization = next.organization().0;
            tx.note(Entry::new("balance.rebuilt", "organization", organization).after(after));
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    /// Removes a piece of what nobody reads any more; `false` once there is nothing left.
    async fn sweep(&self) -> Result<bool, RebuildError> {
        let ctx = in_the_name_of(OrganizationId(Uuid::nil()));
        Ok(retrying(|| async {
            let tx = Tx::begin(&self.db, &ctx).await?;
            let more = store::sweep(&tx).await?;
            tx.commit().await?;
            Ok(more)
        })
        .await?)
    }
}

/// Rebuilds act by themselves.
fn in_the_name_of(organization: OrganizationId) -> Ctx {
    Ctx::new(Principal::service(organization), clock::now(), Uuid::now_v7().to_string())
}

/// Reads what owners say as consumers read events.
pub(super) fn read(page: &[Snapshot]) -> Result<Vec<Fact>, RebuildError> {
    let facts: Result<Vec<Vec<Fact>>, String> =
        page.iter().map(|snapshot| facts::read(&snapshot.told)).collect();
    Ok(facts.map_err(RebuildError::Poison)?.into_iter().flatten().collect())
}

/// What snapshots tell of lines, to be noted where it was not heard before.
fn told(facts: &[Fact]) -> Vec<(store::LineKey, crate::domain::Told)> {
    use crate::domain::Part;
    let mut told = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for fact in facts {
        let (issue, part) = match &fact.change {
            Change::Issue(issue, filing) => (*issue, Part::Issue(filing.clone())),
            Change::Earning(issue, earning) => (*issue, Part::Earning(earning.clone())),
            Change::Source(..) | Change::Cycle(..) | Change::Member(..) | Change::Partner(..) => {
                continue;
            }
        };
        let key = (fact.organization, issue);
        // One statement cannot write a row twice.
        if seen.insert((key, matches!(part, Part::Issue(_)))) {
            told.insert((key, seen.len()), fact.told(part));
        }
    }
    told.into_iter().map(|((key, _), told)| (key, told)).collect()
}
