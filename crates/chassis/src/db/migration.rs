//! Migrations: run under a lock, with the tables that every service has.

use sea_orm::sqlx::{self, Connection as _, postgres::PgConnection};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::Db;

/// Any number, as long as every process that migrates uses the same.
const MIGRATION_LOCK: i64 = 7_716_448;

/// Brings the schema up to date. Processes that start together wait for each other.
pub async fn migrate<M: MigratorTrait>(db: &Db) -> Result<(), DbErr> {
    if !db.is_postgres() {
        return M::up(db.conn(), None).await;
    }
    // A connection of its own holds the lock: the session lock goes when it is closed.
    let failed = |error: sqlx::Error| DbErr::Custom(error.to_string());
    let mut lock = PgConnection::connect(db.url()).await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut lock)
        .await
        .map_err(failed)?;
    let done = M::up(db.conn(), None).await;
    let _ = lock.close().await;
    done
}

/// Runs statements that are written for both databases: `{uuid}`, `{time}`, `{bytes}`, `{serial}`
/// stand for the types whose names differ.
pub async fn statements(manager: &SchemaManager<'_>, all: &[&str]) -> Result<(), DbErr> {
    let postgres = manager.get_database_backend() == DbBackend::Postgres;
    let words = if postgres {
        [
            ("{uuid}", "uuid"),
            ("{time}", "timestamptz"),
            ("{bytes}", "bytea"),
            ("{serial}", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        ]
    } else {
        [
            ("{uuid}", "blob"),
            ("{time}", "text"),
            ("{bytes}", "blob"),
            ("{serial}", "integer PRIMARY KEY AUTOINCREMENT"),
        ]
    };
    for statement in all {
        let sql =
            words.iter().fold((*statement).to_owned(), |sql, (word, name)| sql.replace(word, name));
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Creates outbox, inbox, dead letters, idempotency keys and the audit log.
pub async fn chassis_tables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    statements(
        manager,
        &[
            "CREATE TABLE outbox (seq {serial}, id {uuid} NOT NULL, \
             organization_id {uuid} NOT NULL, kind text NOT NULL, subject {uuid} NOT NULL, \
             body text NOT NULL, traceparent text, created_at {time} NOT NULL)",
            "CREATE TABLE inbox (consumer text NOT NULL, event_id {uuid} NOT NULL, \
             received_at {time} NOT NULL, PRIMARY KEY (consumer, event_id))",
            // What the sweep of old rows removes.
            "CREATE INDEX inbox_received ON inbox (received_at)",
            "CREATE TABLE dead_letters (id {uuid} NOT NULL, consumer text NOT NULL, \
             kind text NOT NULL, body text NOT NULL, error text NOT NULL, \
             created_at {time} NOT NULL, PRIMARY KEY (consumer, id))",
            "CREATE TABLE idempotency_keys (organization_id {uuid} NOT NULL, \
             member_id {uuid} NOT NULL, key text NOT NULL, fingerprint text NOT NULL, \
             response {bytes} NOT NULL, created_at {time} NOT NULL, \
             CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, member_id, key))",
            "CREATE TABLE audit_log (seq {serial}, id {uuid} NOT NULL, \
             organization_id {uuid} NOT NULL, occurred_at {time} NOT NULL, \
             actor_id {uuid} NOT NULL, actor_role text NOT NULL, impersonator_id {uuid}, \
             action text NOT NULL, entity text NOT NULL, entity_id {uuid} NOT NULL, \
             before text, after text, reason text, request_id text NOT NULL, event_id {uuid})",
            // What happened to one entity.
            "CREATE INDEX audit_log_entity ON audit_log (organization_id, entity_id, seq)",
            // The list of an organization, the newest first.
            "CREATE INDEX audit_log_recent ON audit_log (organization_id, occurred_at, seq)",
            // The chain over the log: see `audit::sealer`. Two seals in one place, or two of one
            // row, are refused; `decided_to` is the number up to which no row can appear any more.
            "CREATE TABLE audit_seals (ordinal bigint NOT NULL PRIMARY KEY, \
             audit_seq bigint NOT NULL, audit_id {uuid} NOT NULL, prev text NOT NULL, \
             hash text NOT NULL, decided_to bigint NOT NULL, sealed_at {time} NOT NULL, \
             CONSTRAINT audit_seals_one_each UNIQUE (audit_seq))",
        ],
    )
    .await?;
    forbid_changes(manager, "audit_log").await?;
    forbid_changes(manager, "audit_seals").await
}

/// Makes a table append-only: the database itself refuses UPDATE and DELETE (product.md, rule 16).
pub async fn forbid_changes(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let conn = manager.get_connection();
    if manager.get_database_backend() == DbBackend::Postgres {
        conn.execute_unprepared(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME; END $$",
        )
        .await?;
        conn.execute_unprepared(&format!(
            "CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        ))
        .await?;
    } else {
        for verb in ["UPDATE", "DELETE"] {
            let name = verb.to_lowercase();
            conn.execute_unprepared(&format!(
                "CREATE TRIGGER {table}_no_{name} BEFORE {verb} ON {table} \
                 BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
            ))
            .await?;
        }
    }
    Ok(())
}
