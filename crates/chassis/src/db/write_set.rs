//! Sets of rows written at once: the one place that knows how each database takes them.
//!
//! On PostgreSQL the whole set is **one statement** (a CTE per table over `unnest` arrays), so that
//! it costs one round trip and is atomic by itself; the number of parameters does not depend on
//! the number of rows. On SQLite the statements take chunks of rows as `VALUES`, in a transaction.

mod column;
mod postgres;
mod sqlite;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, SqlErr};
use uuid::Uuid;

pub use self::column::Column;
use super::{Db, retry};

/// What can go wrong when a set is written; nothing of it has been written then.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A unique index refused a row. Holds the database's words, which name the index or its columns.
    #[error("a unique index refused the write")]
    Duplicate(String),
    /// A row that an update expected was not there, or not in the expected version or state.
    #[error("a row was changed by someone else")]
    Stale,
    #[error("database failure")]
    Database(#[source] DbErr),
}

impl From<DbErr> for WriteError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(text)) = error.sql_err() {
            return Self::Duplicate(text);
        }
        // The guard of the single statement divides by zero when an update missed a row.
        if retry::sql_state(&error).as_deref() == Some("22012") {
            return Self::Stale;
        }
        Self::Database(error)
    }
}

type Columns = Vec<(&'static str, Column)>;

/// Rows for one table.
#[derive(Debug)]
pub struct Insert {
    table: &'static str,
    columns: Columns,
    conflict: &'static str,
}

impl Insert {
    #[must_use]
    pub fn into(table: &'static str) -> Self {
        Self { table, columns: Vec::new(), conflict: "" }
    }

    #[must_use]
    pub fn column(mut self, name: &'static str, values: Column) -> Self {
        self.columns.push((name, values));
        self
    }

    /// Appends an `ON CONFLICT …` clause that both databases understand.
    #[must_use]
    pub fn on_conflict(mut self, clause: &'static str) -> Self {
        self.conflict = clause;
        self
    }
}

/// Rows of one table that must all be there, in the expected version, and are then one version on.
#[derive(Debug)]
pub struct Update {
    table: &'static str,
    key: &'static str,
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    columns: Columns,
    guard: &'static str,
}

impl Update {
    /// `key` is the primary key column; `ids` and `versions` go together.
    #[must_use]
    pub fn of(table: &'static str, key: &'static str, ids: Vec<Uuid>, versions: Vec<i64>) -> Self {
        Self { table, key, ids, versions, columns: Vec::new(), guard: "" }
    }

    #[must_use]
    pub fn set(mut self, name: &'static str, values: Column) -> Self {
        self.columns.push((name, values));
        self
    }

    /// A condition on the row as it is (`t.status = 'approved'`): a second wall beside the version.
    #[must_use]
    pub fn only_where(mut self, condition: &'static str) -> Self {
        self.guard = condition;
        self
    }
}

#[derive(Debug)]
enum Write {
    Insert(Insert),
    Update(Update),
}

/// Writes to several tables that happen together or not at all.
#[derive(Debug, Default)]
#[must_use = "a set that is not executed is not written"]
pub struct WriteSet(Vec<Write>);

impl WriteSet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds rows; an insert without rows is left out.
    pub fn insert(&mut self, insert: Insert) {
        if row_count(&insert.columns) > 0 {
            self.0.push(Write::Insert(insert));
        }
    }

    /// Adds changes; an update without rows is left out.
    pub fn update(&mut self, update: Update) {
        if !update.ids.is_empty() {
            self.0.push(Write::Update(update));
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the set inside the caller's transaction, or, on PostgreSQL, by itself.
    /// A caller on SQLite must be inside a transaction.
    pub(crate) async fn execute<C: ConnectionTrait>(self, conn: &C) -> Result<(), WriteError> {
        if self.0.is_empty() {
            return Ok(());
        }
        if conn.get_database_backend() == DbBackend::Postgres {
            postgres::execute(self.0, conn).await
        } else {
            sqlite::execute(self.0, conn).await
        }
    }

    /// Writes the set by itself: one statement on PostgreSQL, one transaction on SQLite.
    /// Wakes relay and sealer afterwards.
    pub async fn commit(self, db: &Db) -> Result<(), WriteError> {
        self.commit_quietly(db).await?;
        db.committed().notify_one();
        db.audited().notify_one();
        Ok(())
    }

    /// Writes the set by itself and wakes nobody.
    pub(crate) async fn commit_quietly(self, db: &Db) -> Result<(), WriteError> {
        if db.is_postgres() {
            self.execute(db.conn()).await?;
        } else {
            let (conn, turn) = super::tx::begin_raw(db).await?;
            self.execute(&conn).await?;
            conn.commit().await?;
            drop(turn);
        }
        Ok(())
    }
}

fn row_count(columns: &Columns) -> usize {
    columns.iter().find_map(|(_, column)| column.len()).unwrap_or(1)
}
