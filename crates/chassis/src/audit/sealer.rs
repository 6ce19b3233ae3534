//! Seals committed audit rows into a chain, within a second and behind the back of whoever writes.
//!
//! On PostgreSQL a sequence number can become visible after a higher one. So the chain has an order
//! of its own, the order of sealing, and numbers that were passed over stay open as gaps: their rows
//! are sealed when they appear. A gap is given up only when nothing can appear in it any more; see
//! [`gaps`]. SQLite has one writer, whose numbers appear in order.

mod gaps;

use std::pin::pin;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult as _, Statement, Value};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::gaps::Gaps;
use super::instruments::INSTRUMENTS;
use super::record::{COLUMNS, GENESIS, Hash, Record, parse};
use crate::bus::relay::leadership::Leadership;
use crate::clock::now;
use crate::db::{Column, Db, Insert, WriteError, WriteSet};

/// How many rows are sealed by one statement.
const CHUNK: usize = 1000;
/// How often the log is looked at when no commit wakes the sealer: another process may commit.
const POLL: Duration = Duration::from_millis(500);
/// How long commits are gathered, so that a burst of them costs a few statements only.
const GATHER: Duration = Duration::from_millis(150);
const PAUSE: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(5);

/// Starts the sealer of one database.
///
/// Any number of processes may run one for the same PostgreSQL database: one is active, the others
/// stand by. On shutdown it seals what is there.
#[must_use]
pub fn spawn(db: Db, shutdown: CancellationToken) -> JoinHandle<()> {
    let sealer = Sealer { db, end: None, measured: None, failures: 0 };
    tokio::spawn(sealer.run(shutdown))
}

struct Sealer {
    db: Db,
    /// Unknown at first and after a failure: then it is read from the table.
    end: Option<End>,
    measured: Option<Instant>,
    failures: u32,
}

/// Where the chain ends.
#[derive(Clone, Debug)]
struct End {
    ordinal: i64,
    hash: Hash,
    /// The highest number that is sealed.
    high: i64,
    /// Numbers below that were not there when they were passed.
    gaps: Gaps,
}

impl Sealer {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut leadership = Leadership::new(self.db.clone(), "sealer", self.db.service());
        while !shutdown.is_cancelled() {
            if !leadership.holds().await {
                self.end = None;
                wait(PAUSE, &shutdown).await;
                continue;
            }
            let audited = self.db.audited().clone();
            // Registered before the log is read, so that no commit falls in between.
            let mut woken = pin!(audited.notified());
            woken.as_mut().enable();
            let pause = self.follow().await;
            self.measure().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = &mut woken => wait(GATHER, &shutdown).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if leadership.holds().await {
            self.follow().await;
        }
        leadership.resign().await;
    }

    /// Seals whatever is there, and says how long nothing need be done.
    async fn follow(&mut self) -> Duration {
        loop {
            match self.round().await {
                Ok(sealed) => {
                    self.failures = 0;
                    INSTRUMENTS.sealed(self.db.service(), sealed);
                    if sealed < CHUNK {
                        return POLL;
                    }
                }
                Err(error) => {
                    // Another sealer may have been faster; the table knows.
                    self.end = None;
                    self.failures = self.failures.saturating_add(1);
                    if self.failures.is_power_of_two() {
                        let service = self.db.service();
                        tracing::warn!(service, error = %crate::problem::chain(&error), "nothing sealed");
                    }
                    return PAUSE;
                }
            }
        }
    }

    /// Seals one chunk: rows that appeared late first, then what is new.
    async fn round(&mut self) -> Result<usize, WriteError> {
        let mut end = match self.end.take() {
            Some(end) => end,
            None => End::load(&self.db).await?,
        };
        let mut rows = end.gaps.appeared(&self.db).await?;
        let all_late = rows.len() < CHUNK;
        rows.extend(fresh(&self.db, end.high).await?);
        let sealed = rows.len();
        if !rows.is_empty() {
            let seals = end.append(&rows, self.db.is_postgres());
            let mut set = WriteSet::new();
            set.insert(seals);
            set.commit_quietly(&self.db).await?;
        }
        if all_late {
            end.gaps.give_up(&self.db).await?;
        }
        self.end = Some(end);
        Ok(sealed)
    }

    async fn measure(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < MEASURE) {
            return;
        }
        self.measured = Some(Instant::now());
        let high = self.end.as_ref().map_or(0, |end| end.high);
        let sql = "SELECT count(*) FROM audit_log WHERE seq > $1";
        let statement = Statement::from_sql_and_values(self.db.backend(), sql, [high.into()]);
        if let Ok(Some(row)) = self.db.conn().query_one_raw(statement).await
            && let Ok(count) = row.try_get_by_index(0)
        {
            INSTRUMENTS.unsealed(self.db.service(), count);
        }
    }
}

impl End {
    async fn load(db: &Db) -> Result<Self, DbErr> {
        let sql = "SELECT ordinal, hash, decided_to, \
                   (SELECT max(audit_seq) FROM audit_seals) AS high \
                   FROM audit_seals ORDER BY ordinal DESC LIMIT 1";
        let last = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await?;
        let Some(last) = last else {
            return Ok(Self { ordinal: 0, hash: GENESIS, high: 0, gaps: Gaps::default() });
        };
        let text: String = last.try_get("", "hash")?;
        // A seal that was tampered with is found by verifying; new rows are sealed all the same.
        let hash = parse(&text).unwrap_or(GENESIS);
        let decided: i64 = last.try_get("", "decided_to")?;
        let gaps = if db.is_postgres() { Gaps::load(db, decided).await? } else { Gaps::default() };
        let (ordinal, high) = (last.try_get("", "ordinal")?, last.try_get("", "high")?);
        Ok(Self { ordinal, hash, high, gaps })
    }

    /// Chains rows, and returns their seals.
    fn append(&mut self, rows: &[Record], gaps: bool) -> Insert {
        let (mut ordinals, mut prevs, mut hashes) = (vec![], vec![], vec![]);
        for row in rows {
            if row.seq <= self.high {
                self.gaps.fill(row.seq);
            } else {
                if gaps {
                    self.gaps.open(self.high + 1, row.seq - 1);
                }
                self.high = row.seq;
            }
            self.ordinal += 1;
            ordinals.push(self.ordinal);
            prevs.push(hex::encode(self.hash));
            self.hash = row.hash(&self.hash);
            hashes.push(hex::encode(self.hash));
        }
        Insert::into("audit_seals")
            .column("ordinal", Column::I64(ordinals))
            .column("audit_seq", Column::I64(rows.iter().map(|row| row.seq).collect()))
            .column("audit_id", Column::Uuid(rows.iter().map(|row| row.id).collect()))
            .column("prev", Column::Text(prevs))
            .column("hash", Column::Text(hashes))
            .column("decided_to", Column::same_i64(Some(self.gaps.decided_to(self.high))))
            .column("sealed_at", Column::same_time(Some(now())))
    }
}

/// The next rows after a number.
async fn fresh(db: &Db, high: i64) -> Result<Vec<Record>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS} FROM audit_log a WHERE a.seq > $1 ORDER BY a.seq LIMIT {CHUNK}");
    read(db, &sql, vec![high.into()]).await
}

async fn read(db: &Db, sql: &str, values: Vec<Value>) -> Result<Vec<Record>, DbErr> {
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let rows = db.conn().query_all_raw(statement).await?;
    rows.iter().map(|row| Record::from_query_result(row, "")).collect()
}

async fn wait(pause: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
