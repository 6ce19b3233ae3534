//! Where the in-process bus parks what can never be handled. RabbitMQ has queues for that.

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use super::Message;
use crate::clock;
use crate::db::Db;

/// Parks a message. Parking it again, after a crash between this and the confirmation, changes
/// nothing.
pub(super) async fn park(
    db: &Db,
    consumer: &'static str,
    message: &Message,
    error: &str,
) -> Result<(), DbErr> {
    let sql = if db.is_postgres() {
        "INSERT INTO dead_letters (id, consumer, kind, body, error, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
    } else {
        "INSERT INTO dead_letters (id, consumer, kind, body, error, created_at) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    };
    let values: [Value; 6] = [
        message.id.into(),
        consumer.into(),
        message.kind.clone().into(),
        String::from_utf8_lossy(&message.body).into_owned().into(),
        error.into(),
        clock::now().into(),
    ];
    let _turn = db.turn_to_write().await;
    db.conn().execute_raw(Statement::from_sql_and_values(db.backend(), sql, values)).await?;
    Ok(())
}
