//! The use cases, one file each.

mod balance;
mod error;
mod explain;
mod export;
mod history;
mod import;
mod ledger;
mod owners;
mod post;
mod project;
mod rebuild;
mod recompute;
mod reconcile;
mod reconciliation_error;
mod statement;
mod statistics;
mod totals;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use quittance_chassis::db::Db;

pub use crate::domain::{ComparedSum, Finding, FindingKind, Period, Reconciliation};
pub use error::Error;
pub(crate) use explain::ExplainedLine;
pub use export::Export;
pub(crate) use history::HistoryPage;
pub(crate) use import::{Format, Statement};
pub use owners::{Entity, OwnedTotal, Owners, OwnersError, Remote, Snapshot};
pub(crate) use project::{Change, Fact, ProjectError};
pub use rebuild::{Progress, RebuildError, Rebuilt};
pub(crate) use reconcile::Reconciler;
pub use reconcile::{Care, ReconcileError};
pub use reconciliation_error::ReconciliationError;
pub(crate) use statement::NamedStatement;
pub(crate) use totals::OrganizationTotals;
pub use verify::{LedgerFlaw, LedgerVerdict};

/// The usual patience with events.
const GRACE: Duration = Duration::from_mins(2);

/// The projections and what is read from them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Balances {
    db: Db,
    /// Whose entities are projected; none where nobody is to be asked.
    owners: Option<Arc<dyn Owners>>,
    /// How long an event may be on its way before its absence is drift.
    grace: Duration,
}

impl Balances {
    /// Works on a database that has been migrated.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, owners: None, grace: GRACE }
    }

    /// Asks these owners when projections are rebuilt or held against the truth.
    #[must_use]
    pub fn asking(self, owners: Arc<dyn Owners>) -> Self {
        Self { owners: Some(owners), ..self }
    }

    /// Lets events be on their way for so long before their absence is drift.
    #[must_use]
    pub fn patient_for(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How a comparison is made.
    #[must_use]
    pub fn care(&self, deep: bool) -> Care {
        Care { deep, grace: self.grace }
    }

    /// The database that all of this is in.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}
