//! Statements that are put together from fixed pieces; values are always bound.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use crate::domain::sight::Sight;

/// A statement under construction. Both databases understand `$n`.
pub(super) struct Sql {
    backend: DbBackend,
    text: String,
    binds: Vec<Value>,
}

impl Sql {
    pub(super) fn new(backend: DbBackend, text: &str) -> Self {
        Self { backend, text: text.to_owned(), binds: Vec::new() }
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Appends a piece of the statement.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a piece and a value after it.
    pub(super) fn bind(&mut self, text: &str, value: impl Into<Value>) -> &mut Self {
        self.binds.push(value.into());
        self.text.push_str(text);
        self.text.push('$');
        self.text.push_str(&self.binds.len().to_string());
        self
    }

    /// Appends a piece and a value whose type PostgreSQL cannot guess.
    pub(super) fn typed(&mut self, text: &str, value: impl Into<Value>, kind: &str) -> &mut Self {
        self.bind(text, value);
        if self.backend == DbBackend::Postgres {
            self.text.push_str("::");
            self.text.push_str(kind);
        }
        self
    }

    /// Appends a piece and the condition that it is one of these.
    pub(super) fn one_of(&mut self, text: &str, ids: Vec<Uuid>) -> &mut Self {
        if self.backend == DbBackend::Postgres {
            return self.push(text).bind(" = ANY(", ids).push(")");
        }
        self.push(text).push(" IN (");
        for (place, id) in ids.into_iter().enumerate() {
            self.bind(if place == 0 { "" } else { ", " }, id);
        }
        self.push(")")
    }

    /// Locks the rows of `alias` until the transaction ends; SQLite has one writer anyway.
    pub(super) fn lock(&mut self, strength: &str, alias: &str) -> &mut Self {
        if self.backend == DbBackend::Postgres {
            self.push(" FOR ").push(strength).push(" OF ").push(alias);
        }
        self
    }

    /// Limits the issues `i` to what the caller may see.
    pub(super) fn seen_by(&mut self, sight: Sight) -> &mut Self {
        const LED: &str = "EXISTS (SELECT 1 FROM cycle_members s \
             WHERE s.cycle_id = i.cycle_id AND s.lead AND s.member_id = ";
        match sight {
            Sight::All => self,
            Sight::Own(member) => self.bind(" AND i.reporter_id = ", member.0),
            Sight::Led(member) => self.push(" AND ").bind(LED, member.0).push(")"),
            Sight::OwnAndLed(member) => self
                .bind(" AND (i.reporter_id = ", member.0)
                .push(" OR ")
                .bind(LED, member.0)
                .push("))"),
        }
    }

    pub(super) fn build(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.binds)
    }

    pub(super) async fn all<R: FromQueryResult, C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> Result<Vec<R>, DbErr> {
        R::find_by_statement(self.build()).all(conn).await
    }

    pub(super) async fn one<R: FromQueryResult, C: ConnectionTrait>(
        self,
        conn: &C,
    ) -> Result<Option<R>, DbErr> {
        R::find_by_statement(self.build()).one(conn).await
    }

    pub(super) async fn execute<C: ConnectionTrait>(self, conn: &C) -> Result<u64, DbErr> {
        Ok(conn.execute_raw(self.build()).await?.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_ids_are_bound_as_each_database_takes_them() {
        let ids = vec![Uuid::nil(), Uuid::max()];
        let mut sql = Sql::new(DbBackend::Postgres, "SELECT 1 WHERE");
        sql.bind(" a = ", 1_i64).one_of(" AND id", ids.clone());
        let built = sql.build();
        assert_eq!(built.sql, "SELECT 1 WHERE a = $1 AND id = ANY($2)");
        let mut sql = Sql::new(DbBackend::Sqlite, "SELECT 1 WHERE");
        sql.bind(" a = ", 1_i64).one_of(" AND id", ids);
        let built = sql.build();
        assert_eq!(built.sql, "SELECT 1 WHERE a = $1 AND id IN ($2, $3)");
    }
}
