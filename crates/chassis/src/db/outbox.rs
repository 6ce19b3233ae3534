//! The outbox as the relay sees it. Rows leave when the bus has confirmed them: nobody keeps a
//! cursor, because a sequence number can become visible after a higher one.

use bytes::Bytes;
use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use super::Db;
use crate::bus::Message;

/// The next messages in the order of their commits' sequence numbers.
pub async fn window(db: &Db, limit: u32) -> Result<Vec<(i64, Message)>, DbErr> {
    let sql = format!(
        "SELECT seq, id, organization_id, kind, subject, body, traceparent FROM outbox ORDER BY seq LIMIT {limit}"
    );
    let rows = db.conn().query_all_raw(Statement::from_string(db.backend(), sql)).await?;
    rows.iter().map(message).collect()
}

fn message(row: &QueryResult) -> Result<(i64, Message), DbErr> {
    let body: String = row.try_get("", "body")?;
    let message = Message {
        id: row.try_get("", "id")?,
        kind: row.try_get("", "kind")?,
        organization: row.try_get("", "organization_id")?,
        subject: row.try_get("", "subject")?,
        body: Bytes::from(body),
        traceparent: row.try_get("", "traceparent")?,
    };
    Ok((row.try_get("", "seq")?, message))
}

/// Removes messages that the bus has confirmed.
pub async fn remove(db: &Db, sequence: &[i64]) -> Result<(), DbErr> {
    if sequence.is_empty() {
        return Ok(());
    }
    let _turn = db.turn_to_write().await;
    if db.is_postgres() {
        let all: Value = sequence.to_vec().into();
        let sql = "DELETE FROM outbox WHERE seq = ANY($1)";
        db.conn().execute_raw(Statement::from_sql_and_values(db.backend(), sql, [all])).await?;
    } else {
        let list = serde_json::to_string(sequence).unwrap_or_default();
        let sql = "DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))";
        let statement = Statement::from_sql_and_values(db.backend(), sql, [list.into()]);
        db.conn().execute_raw(statement).await?;
    }
    Ok(())
}

/// How many messages wait, and since when the oldest does.
pub async fn depth(db: &Db) -> Result<(i64, Option<Timestamp>), DbErr> {
    let count = Statement::from_string(db.backend(), "SELECT count(*) AS n FROM outbox");
    let pending = match db.conn().query_one_raw(count).await? {
        Some(row) => row.try_get("", "n")?,
        None => 0,
    };
    let sql = "SELECT created_at FROM outbox ORDER BY seq LIMIT 1";
    let oldest = match db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await? {
        Some(row) => Some(row.try_get("", "created_at")?),
        None => None,
    };
    Ok((pending, oldest))
}

/// The ids of the events that wait, for checks.
pub async fn waiting(db: &Db) -> Result<Vec<Uuid>, DbErr> {
    let sql = "SELECT id FROM outbox ORDER BY seq";
    let rows = db.conn().query_all_raw(Statement::from_string(db.backend(), sql)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}
