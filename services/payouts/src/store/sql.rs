//! Statements that are put together from fixed pieces; values are always bound.

use chrono::SecondsFormat;
use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryResult, Statement, Value};
use uuid::Uuid;

/// A statement under construction. Both databases understand `$n`.
pub(crate) struct Sql {
    backend: DbBackend,
    text: String,
    binds: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(backend: DbBackend, text: &str) -> Self {
        Self { backend, text: text.to_owned(), binds: Vec::new() }
    }

    /// Appends a piece of the statement.
    pub(crate) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends a piece and a value after it.
    pub(crate) fn bind(mut self, text: &str, value: impl Into<Value>) -> Self {
        self.binds.push(value.into());
        self.text.push_str(text);
        self.text.push('$');
        self.text.push_str(&self.binds.len().to_string());
        self
    }

    /// Appends a piece and a value if there is one.
    pub(crate) fn bind_some(self, text: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.bind(text, value),
            None => self,
        }
    }

    /// Appends a piece and the condition that it is one of these. On PostgreSQL the number of
    /// parameters does not depend on the number of ids.
    pub(crate) fn one_of(self, text: &str, ids: Vec<Uuid>) -> Self {
        if self.backend == DbBackend::Postgres {
            return self.push(text).bind(" = ANY(", ids).push(")");
        }
        let list =
            ids.into_iter().enumerate().fold(self.push(text).push(" IN ("), |sql, (place, id)| {
                sql.bind(if place == 0 { "" } else { ", " }, id)
            });
        list.push(")")
    }

    /// Locks the rows until the transaction ends; SQLite has one writer anyway.
    pub(crate) fn for_update(self) -> Self {
        if self.backend == DbBackend::Postgres { self.push(" FOR UPDATE") } else { self }
    }

    /// The same, but passes over rows that others have locked.
    pub(crate) fn skip_locked(self) -> Self {
        let postgres = self.backend == DbBackend::Postgres;
        if postgres { self.push(" FOR UPDATE SKIP LOCKED") } else { self }
    }

    /// Appends a piece and an instant after it, on PostgreSQL as a constant: a plan that does not
    /// know the instant may take another index after a few executions.
    pub(crate) fn instant(self, text: &str, at: Timestamp) -> Self {
        if self.backend == DbBackend::Postgres {
            let at = at.to_rfc3339_opts(SecondsFormat::Micros, true);
            return self.push(text).push(&format!("'{at}'::timestamptz"));
        }
        self.bind(text, at)
    }

    /// The text, for tests that look at plans.
    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn build(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.binds)
    }

    /// The rows as the driver gives them, to be read by position where there are many.
    pub(crate) async fn rows<C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> Result<Vec<QueryResult>, DbErr> {
        conn.query_all_raw(self.build()).await
    }

    pub(crate) async fn all<R: FromQueryResult, C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> Result<Vec<R>, DbErr> {
        R::find_by_statement(self.build()).all(conn).await
    }

    pub(crate) async fn one<R: FromQueryResult, C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> Result<Option<R>, DbErr> {
        R::find_by_statement(self.build()).one(conn).await
    }

    pub(crate) async fn execute<C: ConnectionTrait>(self, conn: &C) -> Result<u64, DbErr> {
        Ok(conn.execute_raw(self.build()).await?.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_ids_are_bound_as_each_database_takes_them() {
        let ids = vec![Uuid::nil(), Uuid::max()];
        let sql = |backend| {
            Sql::new(backend, "SELECT 1 WHERE").bind(" a = ", 1_i64).one_of(" AND id", ids.clone())
        };
        let text = |backend| sql(backend).for_update().build().sql;
        let postgres = "SELECT 1 WHERE a = $1 AND id = ANY($2) FOR UPDATE";
        assert_eq!(text(DbBackend::Postgres), postgres);
        assert_eq!(text(DbBackend::Sqlite), "SELECT 1 WHERE a = $1 AND id IN ($2, $3)");
    }
}
