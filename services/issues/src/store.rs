//! Rows: the only place that knows tables. Every query is bound to one organization.

pub(crate) mod api_key;
pub(crate) mod attachment;
pub(crate) mod bounty;
pub(crate) mod claim;
pub(crate) mod cycle;
pub(crate) mod delivery;
pub(crate) mod facts;
pub(crate) mod identity;
pub(crate) mod impersonation;
pub(crate) mod issue;
pub(crate) mod issue_list;
mod issue_row;
pub(crate) mod mail;
pub(crate) mod member;
pub(crate) mod mirror;
pub(crate) mod notification;
pub(crate) mod pool;
pub(crate) mod product;
pub(crate) mod rate_change;
pub(crate) mod snapshot;
mod sql;
mod submission;
pub(crate) mod totals;
pub(crate) mod webhook;

use quittance_chassis::db::{WriteError, is_transient};
use sea_orm::DbErr;
use uuid::Uuid;

/// Why the store could not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique index refused a row; holds the words of the database, which name the index.
    #[error("a unique index refused the write")]
    Duplicate(String),
    #[error("the row was changed by someone else")]
    Stale,
    #[error("row {id} of `{table}` is inconsistent in `{column}`")]
    Corrupt { table: &'static str, id: Uuid, column: &'static str },
    #[error("database failure")]
    Database(#[source] DbErr),
}

impl StoreError {
    /// Whether the same work may succeed when it is simply done again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => is_transient(error),
            Self::Duplicate(_) | Self::Stale | Self::Corrupt { .. } => false,
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        WriteError::from(error).into()
    }
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Duplicate(text) => Self::Duplicate(text),
            WriteError::Stale => Self::Stale,
            WriteError::Database(error) => Self::Database(error),
        }
    }
}

/// Where a page begins: the sort key of the last row before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct After<K> {
    pub(crate) key: K,
    pub(crate) id: Uuid,
}
