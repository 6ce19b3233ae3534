//! The inbox: which events a consumer has already acted on. Written in the transaction that acts.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::Tx;

#[derive(FromQueryResult)]
struct Seen {
    event_id: Uuid,
}

/// Takes note of events and returns those that were not known before.
pub async fn first_times(
    tx: &Tx,
    consumer: &'static str,
    ids: &[Uuid],
) -> Result<HashSet<Uuid>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let backend = tx.conn().get_database_backend();
    let (sql, binds): (String, Vec<Value>) = if backend == sea_orm::DbBackend::Postgres {
        (
            "INSERT INTO inbox (consumer, event_id, received_at) \
             SELECT $1, u.id, $2 FROM unnest($3::uuid[]) AS u(id) \
             ON CONFLICT DO NOTHING RETURNING event_id"
                .to_owned(),
            vec![consumer.into(), tx.ctx().now.into(), ids.to_vec().into()],
        )
    } else {
        let rows = vec!["(?, ?, ?)"; ids.len()].join(", ");
        let binds = ids
            .iter()
            .flat_map(|id| [consumer.into(), (*id).into(), tx.ctx().now.into()])
            .collect();
        (
            format!(
                "INSERT INTO inbox (consumer, event_id, received_at) VALUES {rows} \
                 ON CONFLICT DO NOTHING RETURNING event_id"
            ),
            binds,
        )
    };
    let statement = Statement::from_sql_and_values(backend, sql, binds);
    let seen = Seen::find_by_statement(statement).all(tx.conn()).await?;
    Ok(seen.into_iter().map(|row| row.event_id).collect())
}
