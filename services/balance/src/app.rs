//! The use cases, one file each.

mod balance;
mod error;
mod explain;
mod export;
mod history;
mod ledger;
mod post;
mod project;
mod recompute;
mod statement;
mod statistics;
mod totals;
mod verify;

use quittance_chassis::db::Db;

pub use crate::domain::Period;
pub use error::Error;
pub(crate) use explain::ExplainedLine;
pub use export::Export;
pub(crate) use history::HistoryPage;
pub(crate) use project::{Change, Fact, ProjectError};
pub(crate) use statement::NamedStatement;
pub(crate) use totals::OrganizationTotals;
pub use verify::{LedgerFlaw, LedgerVerdict};

/// The projections and what is read from them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Balances {
    db: Db,
}

impl Balances {
    /// Works on a database that has been migrated.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// The database that all of this is in.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}
