//! Old rows leave in chunks, so that no transaction is long and nobody waits for the sweep.

use std::time::Duration;

use chrono::TimeDelta;
use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Db;
use crate::clock;
use crate::config::{ConfigError, Retention};

/// How many rows leave at once.
pub const CHUNK: u32 = 1_000;

/// How often is swept.
pub const PERIOD: Duration = Duration::from_hours(1);

/// A broker or an outbox that was down for days still redelivers; what was forgotten by then
/// would be acted on twice.
const LEAST_INBOX_DAYS: u32 = 7;

/// The instant before which rows are old.
#[must_use]
pub fn cutoff(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub_signed(TimeDelta::days(i64::from(days))).unwrap_or(Timestamp::MIN_UTC)
}

/// Forgets the events that were received before this instant. Returns how many.
pub async fn forget_received(db: &Db, before: Timestamp) -> Result<u64, DbErr> {
    // The key is (consumer, event_id); both databases compare rows.
    let sql = "DELETE FROM inbox WHERE (consumer, event_id) IN \
               (SELECT consumer, event_id FROM inbox WHERE received_at < $1 LIMIT $2)";
    in_chunks(db, sql, before).await
}

/// Runs a statement that removes at most `$2` rows older than `$1`, until none is left.
pub async fn in_chunks(db: &Db, sql: &str, before: Timestamp) -> Result<u64, DbErr> {
    let mut removed = 0;
    loop {
        let values = [before.into(), i64::from(CHUNK).into()];
        let statement = Statement::from_sql_and_values(db.backend(), sql, values);
        // Given back after each chunk: others write in between.
        let turn = db.turn_to_write().await;
        let chunk = db.conn().execute_raw(statement).await?.rows_affected();
        drop(turn);
        removed += chunk;
        if chunk < u64::from(CHUNK) {
            return Ok(removed);
        }
    }
}

/// Refuses a memory that is shorter than redelivery may take.
pub fn check(config: &Retention) -> Result<(), ConfigError> {
    if config.inbox_days < LEAST_INBOX_DAYS {
        let problem = format!("must be at least {LEAST_INBOX_DAYS}");
        return Err(ConfigError::Refused { key: "retention.inbox_days", problem });
    }
    Ok(())
}

/// Sweeps the inbox of a service until `shutdown`.
pub fn spawn(
    db: Db,
    config: &Retention,
    shutdown: CancellationToken,
) -> Result<JoinHandle<()>, ConfigError> {
    check(config)?;
    let days = config.inbox_days;
    Ok(tokio::spawn(async move {
        let sweep = async {
            loop {
                match forget_received(&db, cutoff(clock::now(), days)).await {
                    Ok(0) => {}
                    Ok(removed) => tracing::info!(removed, "old rows of the inbox were removed"),
                    Err(error) => tracing::warn!(%error, "the inbox was not swept"),
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        // A statement that is cancelled here is one that stands alone: it happens or it does not.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sweep => {}
        }
    }))
}
