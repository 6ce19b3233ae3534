//! The one write transaction: commit is visible, rollback is the default.

use quittance_events::Payload;
use quittance_kernel::{Ctx, EventId};
use sea_orm::{
    DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{Notify, OwnedMutexGuard};

use super::{Db, Entry, Insert, Journal, WriteError, WriteSet};

/// A write transaction that keeps a journal: the audit and outbox rows of everything it changes,
/// written as sets when it commits.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Tx {
    conn: DatabaseTransaction,
    ctx: Ctx,
    journal: Journal,
    committed: std::sync::Arc<Notify>,
    audited: std::sync::Arc<Notify>,
    // Dropped last: the next writer of this process starts when this transaction is over.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Tx {
    /// Begins a transaction that will write. Must run in a task that is not cancelled with its
    /// request (`grpc::detached`).
    pub async fn begin(db: &Db, ctx: &Ctx) -> Result<Self, DbErr> {
        let (conn, turn) = begin_raw(db).await?;
        Ok(Self {
            conn,
            ctx: ctx.clone(),
            journal: Journal::new(db.service()),
            committed: db.committed().clone(),
            audited: db.audited().clone(),
            _turn: turn,
        })
    }

    #[must_use]
    pub fn conn(&self) -> &DatabaseTransaction {
        &self.conn
    }

    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Notes a change and its event; both are written when the transaction commits. Returns the id
    /// of the event.
    pub fn record<T: Payload>(&mut self, entry: Entry, kind: &'static str, payload: T) -> EventId {
        self.journal.record(&self.ctx, entry, kind, payload)
    }

    /// Notes a decision that has no event, such as a denial.
    pub fn note(&mut self, entry: Entry) {
        self.journal.note(&self.ctx, entry);
    }

    /// Writes rows at once, inside this transaction.
    pub async fn insert(&self, insert: Insert) -> Result<(), WriteError> {
        let mut set = WriteSet::new();
        set.insert(insert);
        set.execute(&self.conn).await
    }

    /// Writes a set inside this transaction.
    pub async fn write(&self, set: WriteSet) -> Result<(), WriteError> {
        set.execute(&self.conn).await
    }

    /// Writes the journal and commits. Wakes the sealer and the relay.
    pub async fn commit(self) -> Result<(), WriteError> {
        let mut set = WriteSet::new();
        self.journal.write_to(&self.ctx, &mut set);
        set.execute(&self.conn).await?;
        crate::fail_point!("tx::before_commit");
        self.conn.commit().await?;
        crate::fail_point!("tx::after_commit");
        self.audited.notify_one();
        self.committed.notify_one();
        Ok(())
    }
}

/// Begins IMMEDIATE on SQLite: a deferred transaction that reads and then writes fails with
/// `SQLITE_BUSY` at once, whatever the busy timeout.
pub(crate) async fn begin_raw(
    db: &Db,
) -> Result<(DatabaseTransaction, Option<OwnedMutexGuard<()>>), DbErr> {
    let turn = db.turn_to_write().await;
    let options = TransactionOptions {
        sqlite_transaction_mode: (!db.is_postgres()).then_some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok((db.transactions().begin_with_options(options).await?, turn))
}
