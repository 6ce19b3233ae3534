//! The projections of an organization against what issues and payouts know (reliability.md, 4 and 5).
//!
//! Counts and sums first. Where they differ, or everywhere when it is to be deep, row by row: what
//! differs is looked at a second time, ours first and then the owner's, so that a row that changes
//! meanwhile is told from one that is wrong. What an event on its way would explain is no drift until
//! the owner's row has stood for a while.

mod ledger;
mod rows;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quittance_chassis::clock;
use quittance_chassis::db::{Entry, Tx, WriteError, retrying};
use quittance_kernel::{Ctx, OrganizationId, Timestamp};
use sea_orm::DbErr;
use uuid::Uuid;

use super::owners::{Entity, Owners, OwnersError};
use super::rebuild::RebuildError;
use super::{Balances, Error};
use crate::domain::{
    Finding, FindingKind, LedgerError, Reconciliation, Sum, SumKey, Verdict, compared, judge,
};
use crate::store::{self, Which};
pub(crate) use watch::Reconciler;

/// The most rows that are looked at a second time, of each kind.
const MAX_SUSPECTS: usize = 1_000;

/// Why a comparison ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Owners(#[from] OwnersError),
    #[error("an owner tells what will never be right: {0}")]
    Poison(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Read(#[from] Error),
    #[error("database failure")]
    Database(#[from] DbErr),
    #[error("the report cannot be kept")]
    Write(#[from] WriteError),
}

/// How a comparison is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// Looks at every row, whether sums differ or not.
    pub deep: bool,
    /// How long an event may be on its way.
    pub grace: Duration,
}

impl Balances {
    /// Compares and keeps the report. Must run in a task that is not cancelled.
    #[tracing::instrument(name = "balance.reconcile", skip_all, fields(organization = %organization))]
    pub async fn reconcile(
        &self,
        ctx: &Ctx,
        organization: OrganizationId,
        care: Care,
    ) -> Result<Reconciliation, ReconcileError> {
        let owners = self.owners.clone().ok_or(OwnersError::Nobody)?;
        let mut report = Reconciliation {
            id: Uuid::now_v7(),
            started_at: ctx.now,
            finished_at: ctx.now,
            deep: care.deep,
            sums: Vec::new(),
            findings: Vec::new(),
            drift: 0,
            under_way: 0,
            checked: 0,
        };
        self.compare_kept_sums(organization, &mut report).await?;
        let ours = store::kept_totals(&self.db, organization).await?;
        let theirs = totals(owners.as_ref(), organization).await?;
        report.sums = compared(&ours, &theirs);
        let differing: BTreeSet<&str> = report
            .sums
            .iter()
            .filter(|sum| sum.ours != sum.theirs)
            .map(|sum| sum.entity.as_str())
            .collect();
        let wanted: Vec<Entity> = Entity::ALL
            .iter()
            .copied()
            .filter(|entity| {
                care.deep || told_by(*entity).iter().any(|sum| differing.contains(sum))
            })
            .collect();
        for entity in wanted {
            let suspects =
                self.suspects(owners.as_ref(), organization, entity, &mut report).await?;
            self.confirm(owners.as_ref(), organization, entity, &suspects, care, &mut report)
                .await?;
        }
        self.compare_ledger(ctx, organization, care, &mut report).await?;
        report.finished_at = clock::now();
        self.keep(ctx, organization, &report).await?;
        Ok(report)
    }

    /// The last comparison of the caller's organization.
    pub(crate) async fn last_reconciliation(
        &self,
        ctx: &Ctx,
    ) -> Result<Option<Reconciliation>, Error> {
        Ok(store::last_report(&self.db, ctx.organization()).await?)
    }

    /// The kept sums against the lines: one statement, hence of one moment, and never under way.
    async fn compare_kept_sums(
        &self,
        organization: OrganizationId,
        report: &mut Reconciliation,
    ) -> Result<(), ReconcileError> {
        let current = store::current(&self.db, organization).await?;
        for drift in store::drift(&self.db, Some(current)).await? {
            let (entity, rest) = drift.split_once(' ').unwrap_or(("sum", ""));
            let (ours, theirs) = rest.split_once(", the lines say ").unwrap_or((rest, ""));
            report.find(Finding {
                kind: FindingKind::Sum,
                entity: entity.to_owned(),
                id: None,
                ours: ours.to_owned(),
                theirs: theirs.to_owned(),
            });
        }
        Ok(())
    }

    /// Walks through the rows of both sides, and returns those that differ at a first glance.
    async fn suspects(
        &self,
        owners: &dyn Owners,
        organization: OrganizationId,
        entity: Entity,
        report: &mut Reconciliation,
    ) -> Result<BTreeSet<Uuid>, ReconcileError> {
        let mut suspects = BTreeSet::new();
        let mut after = Uuid::nil();
        while suspects.len() < MAX_SUSPECTS {
            let page = owners.list(organization, entity, after, &[]).await?;
            let last = page.last().map_or(Uuid::max(), |last| last.id);
            let theirs = rows::of_owner(entity, &page)?;
            let which = Which::Between(after, last);
            let ours = rows::of_ours(&self.db, organization, entity, &which).await?;
            report.checked += i64::try_from(theirs.len().max(ours.len())).unwrap_or(i64::MAX);
            let ids: BTreeSet<&Uuid> = ours.keys().chain(theirs.keys()).collect();
            for id in ids {
                let says = |side: Option<&crate::domain::Row>| side.map(|row| row.says.clone());
                if says(ours.get(id)) != says(theirs.get(id).map(|(row, _)| row)) {
                    suspects.insert(*id);
                }
            }
            if page.is_empty() {
                break;
            }
            after = last;
        }
        Ok(suspects)
    }

    /// Looks at suspects again: ours first.
    async fn confirm(
        &self,
        owners: &dyn Owners,
        organization: OrganizationId,
        entity: Entity,
        suspects: &BTreeSet<Uuid>,
        care: Care,
        report: &mut Reconciliation,
    ) -> Result<(), ReconcileError> {
        let ids: Vec<Uuid> = suspects.iter().copied().collect();
        for ids in ids.chunks(500) {
            let which = Which::These(ids.to_vec());
            let ours = rows::of_ours(&self.db, organization, entity, &which).await?;
            let page = owners.list(organization, entity, Uuid::nil(), ids).await?;
            let theirs = rows::of_owner(entity, &page)?;
            for id in ids {
                let (mine, other) = (ours.get(id), theirs.get(id));
                let settled = other.is_some_and(|(_, at)| is_settled(*at, care.grace));
                match judge(mine, other.map(|(row, _)| row), settled) {
                    Verdict::Same => {}
                    Verdict::UnderWay => report.under_way += 1,
                    Verdict::Drift(kind) => report.find(Finding {
                        kind,
                        entity: entity.as_str().to_owned(),
                        id: Some(*id),
                        ours: mine.map_or_else(String::new, said),
                        theirs: other.map_or_else(String::new, |(row, _)| said(row)),
                    }),
                }
            }
        }
        Ok(())
    }

    async fn keep(
        &self,
        ctx: &Ctx,
        organization: OrganizationId,
        report: &Reconciliation,
    ) -> Result<(), ReconcileError> {
        retrying(|| async {
            let mut tx = Tx::begin(&self.db, ctx).await?;
            store::keep_report(&tx, organization, report).await?;
            if report.drift > 0 {
                let after = format!("{{\"drift\":{},\"run\":\"{}\"}}", report.drift, report.id);
                let entry = Entry::new("balance.drift_found", "organization", organization.0);
                tx.note(entry.after(after));
            }
            tx.commit().await
        })
        .await?;
        Ok(())
    }
}

fn said(row: &crate::domain::Row) -> String {
    format!("version {}: {}", row.version, row.says)
}

fn is_settled(changed_at: Timestamp, grace: Duration) -> bool {
    let grace = chrono::TimeDelta::from_std(grace).unwrap_or(chrono::TimeDelta::MAX);
    changed_at.checked_add_signed(grace).is_some_and(|settled| settled < clock::now())
}

/// Which sums an entity is counted in.
fn told_by(entity: Entity) -> &'static [&'static str] {
    match entity {
        Entity::Member => &["member"],
        Entity::Cycle => &["cycle"],
        Entity::Issue => &["issue"],
        Entity::Earning | Entity::Schedule => &["earning", "owed_back"],
        Entity::Payout => &["payout"],
        Entity::Commission => &["commission"],
        Entity::Receivable => &["partner_owed_back"],
    }
}

/// The owners' sums, added up where a key comes more than once.
async fn totals(
    owners: &dyn Owners,
    organization: OrganizationId,
) -> Result<BTreeMap<SumKey, Sum>, OwnersError> {
    let mut totals: BTreeMap<SumKey, Sum> = BTreeMap::new();
    for total in owners.totals(organization).await? {
        let sum = totals.entry((total.entity, total.state, total.currency)).or_default();
        *sum = (sum.0.saturating_add(total.count), sum.1.saturating_add(total.minor));
    }
    Ok(totals)
}

impl From<RebuildError> for ReconcileError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::Owners(error) => Self::Owners(error),
            RebuildError::Poison(problem) | RebuildError::Drift(problem) => Self::Poison(problem),
            RebuildError::Ledger(error) => Self::Ledger(error),
            RebuildError::Superseded => Self::Write(WriteError::Stale),
            RebuildError::Write(error) => Self::Write(error),
        }
    }
}
