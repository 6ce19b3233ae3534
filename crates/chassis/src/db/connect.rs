//! Connecting, with the guards that each database needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::sqlx::{self, Row as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr};
use tokio::sync::{Mutex, Notify};

/// How long a session may sit inside a transaction, or wait for a lock, before PostgreSQL ends it.
const IDLE_IN_TRANSACTION: &str = "10s";
const LOCK_TIMEOUT: &str = "10s";
const STATEMENT_TIMEOUT: &str = "120s";

/// One service's database.
#[derive(Clone, Debug)]
pub struct Db {
    /// For statements that are whole by themselves.
    conn: DatabaseConnection,
    /// For transactions. On PostgreSQL their connections are looked at after each use, which costs
    /// a round trip; on SQLite these are the connections of `conn`.
    transactions: DatabaseConnection,
    service: &'static str,
    url: Arc<str>,
    committed: Arc<Notify>,
    audited: Arc<Notify>,
    /// SQLite has one writer: tasks queue here in order, instead of polling for the file lock.
    writer: Option<Arc<Mutex<()>>>,
    /// What was sent to the database; clones count together.
    #[cfg(feature = "testing")]
    statements: Arc<AtomicU64>,
}

impl Db {
    /// Connects to `sqlite://…` or `postgres://…`. `service` names the publisher of its events.
    pub async fn connect(
        service: &'static str,
        url: &str,
        max_connections: u32,
    ) -> Result<Self, DbErr> {
        let statements = Arc::<AtomicU64>::default();
        let (conn, transactions) = if DbBackend::Sqlite.is_prefix_of(url) {
            let mut options = options(url, max_connections);
            guard_sqlite(&mut options, url);
            let conn = counted(Database::connect(options).await?, &statements);
            (conn.clone(), conn)
        } else {
            let for_transactions = (max_connections / 2).max(1);
            let mut options = options(url, (max_connections - for_transactions).max(1));
            guard_postgres(&mut options);
            let conn = counted(Database::connect(options.clone()).await?, &statements);
            options.max_connections(for_transactions).connect_lazy(true);
            guard_transactions(&mut options);
            (conn, counted(Database::connect(options).await?, &statements))
        };
        let one_writer = conn.get_database_backend() == DbBackend::Sqlite;
        let writer = one_writer.then(|| Arc::new(Mutex::new(())));
        let committed = Arc::new(Notify::new());
        let audited = Arc::new(Notify::new());
        Ok(Self {
            conn,
            transactions,
            service,
            url: url.into(),
            committed,
            audited,
            writer,
            #[cfg(feature = "testing")]
            statements,
        })
    }

    /// A database in memory that vanishes with the value, for tests.
    pub async fn memory(service: &'static str) -> Result<Self, DbErr> {
        Self::connect(service, "sqlite::memory:", 1).await
    }

    #[must_use]
    pub fn conn(&self) -> &DatabaseConnection {
        &self.conn
    }

    /// Where transactions begin: nowhere else, so that only these connections have to be guarded.
    pub(crate) fn transactions(&self) -> &DatabaseConnection {
        &self.transactions
    }

    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.conn.get_database_backend()
    }

    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// The service that owns this database.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The address it was opened with; it may hold a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Notified after each commit that wrote outbox rows: wakes the relay in this process.
    #[must_use]
    pub fn committed(&self) -> &Arc<Notify> {
        &self.committed
    }

    /// Notified after each commit that may have written audit rows: wakes the sealer in this process.
    #[must_use]
    pub fn audited(&self) -> &Arc<Notify> {
        &self.audited
    }

    /// How many statements were sent so far: tests count round trips.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::SeqCst)
    }

    /// Waits for this process's turn to write. `None` on PostgreSQL, which needs no queue.
    pub(crate) async fn turn_to_write(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        match &self.writer {
            Some(writer) => Some(Arc::clone(writer).lock_owned().await),
            None => None,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.conn.ping().await
    }
}

/// Has statements counted, for tests.
fn counted(mut conn: DatabaseConnection, statements: &Arc<AtomicU64>) -> DatabaseConnection {
    if cfg!(feature = "testing") {
        let statements = Arc::clone(statements);
        conn.set_metric_callback(move |_| {
            statements.fetch_add(1, Ordering::SeqCst);
        });
    }
    conn
}

fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .test_before_acquire_if_idle_for(Duration::from_secs(1))
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

fn guard_sqlite(options: &mut ConnectOptions, url: &str) {
    // Each connection to `:memory:` is a database of its own: there must be one, for ever.
    if url.contains(":memory:") {
        options.max_connections(1).min_connections(1);
        options.map_sqlx_sqlite_pool_opts(|pool| pool.idle_timeout(None).max_lifetime(None));
    }
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            // FULL: an acknowledged commit survives a power cut.
            .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
    });
    options.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|conn, _| {
            Box::pin(async move {
                // Ends what a cancelled `begin` may have left open; an error says there was nothing.
                let _ = sqlx::raw_sql("ROLLBACK").execute(conn).await;
                Ok(true)
            })
        })
    });
}

fn guard_postgres(options: &mut ConnectOptions) {
    options.map_sqlx_postgres_opts(|postgres| {
        postgres.options([
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
            ("lock_timeout", LOCK_TIMEOUT),
            ("statement_timeout", STATEMENT_TIMEOUT),
        ])
    });
}

fn guard_transactions(options: &mut ConnectOptions) {
    options.map_sqlx_postgres_pool_opts(|pool| {
        pool.after_release(|conn, _| {
            Box::pin(async move {
                // A future dropped inside `begin` leaves the session in a transaction that the pool
                // does not know of; the next user's acknowledged writes would be rolled back.
                // Outside a transaction both instants are the same; inside one they differ. Such a
                // connection is closed. (A bare ROLLBACK would fill the server's log with warnings.)
                let clean = sqlx::raw_sql("SELECT now() = statement_timestamp()")
                    .fetch_one(conn)
                    .await
                    .and_then(|row| row.try_get::<bool, _>(0));
                Ok(clean.unwrap_or(false))
            })
        })
    });
}
