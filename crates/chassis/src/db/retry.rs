//! Trying again what the database asks to be tried again.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use sea_orm::{DbErr, RuntimeErr};

use super::WriteError;

/// The SQLSTATE, or SQLite's result code, of a database error.
pub(crate) fn sql_state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(cause) | DbErr::Query(cause) | DbErr::Conn(cause)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(cause) = cause else { return None };
    cause.as_database_error().and_then(|cause| cause.code().map(std::borrow::Cow::into_owned))
}

/// Whether the same work may succeed if it is simply done again: serialization failure, deadlock,
/// lock timeout (PostgreSQL 40001, 40P01, 55P03), a busy file (SQLite 5, 517).
#[must_use]
pub fn is_transient(error: &DbErr) -> bool {
    matches!(sql_state(error).as_deref(), Some("40001" | "40P01" | "55P03" | "5" | "261" | "517"))
}

/// Does the work, and does it again up to three times while the database says that this may help.
pub async fn retrying<T, F, W>(work: W) -> Result<T, WriteError>
where
    W: FnMut() -> F,
    F: Future<Output = Result<T, WriteError>>,
{
    let schedule = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(200))
        .with_max_times(3)
        .with_jitter();
    work.retry(schedule)
        .when(|error| match error {
            WriteError::Database(cause) => is_transient(cause),
            WriteError::Duplicate(_) | WriteError::Stale => false,
        })
        .await
}
