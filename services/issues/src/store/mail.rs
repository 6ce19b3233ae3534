//! Notifications on their way into the mail: claimed, then sent or given up.

use chrono::{DateTime, Utc};
use quittance_chassis::db::Tx;
use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;

/// A notification that is to be mailed, and to whom.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Letter {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) data: String,
    /// The attempt that is being made, counted from 1.
    pub(crate) mail_tries: i64,
    pub(crate) created_at: DateTime<Utc>,
    /// None when the member is not known here.
    pub(crate) email: Option<String>,
}

#[derive(FromQueryResult)]
struct Claimed {
    id: Uuid,
}

/// Which letters are claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Older ones are not mailed any more.
    pub(crate) since: Timestamp,
    /// Nobody else takes them until then.
    pub(crate) lease: Timestamp,
    pub(crate) limit: u32,
}

/// Takes the next letters. Mailers of several processes take different ones; one that dies with its
/// letters leaves them to the others when its lease is over.
pub(crate) async fn claim(tx: &Tx, claim: Claim) -> Result<Vec<Letter>, StoreError> {
    let conn = tx.conn();
    let backend = conn.get_database_backend();
    let mut sql = Sql::new(backend, "UPDATE notifications");
    sql.bind(" SET mail_tries = mail_tries + 1, mail_after = ", claim.lease)
        .push(" WHERE id IN (SELECT id FROM notifications WHERE mailed_at IS NULL")
        .bind(" AND mail_error IS NULL AND created_at >= ", claim.since)
        .bind(" AND (mail_after IS NULL OR mail_after <= ", tx.ctx().now)
        .bind(") ORDER BY created_at, id LIMIT ", i64::from(claim.limit));
    if backend == DbBackend::Postgres {
        sql.push(" FOR UPDATE SKIP LOCKED");
    }
    sql.push(") RETURNING id");
    let claimed = sql.all::<Claimed, _>(conn).await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let text = "SELECT n.id, n.title, n.data, n.mail_tries, n.created_at, m.email \
        FROM notifications n LEFT JOIN members m ON m.id = n.member_id \
        AND m.organization_id = n.organization_id WHERE";
    let mut sql = Sql::new(backend, text);
    sql.one_of(" n.id", claimed.into_iter().map(|row| row.id).collect())
        .push(" ORDER BY n.created_at, n.id");
    Ok(sql.all::<Letter, _>(conn).await?)
}

/// Notes that the mail server took a letter.
pub(crate) async fn sent(tx: &Tx, id: Uuid) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE notifications");
    sql.bind(" SET mailed_at = ", tx.ctx().now).bind(" WHERE id = ", id);
    sql.execute(conn).await?;
    Ok(())
}

/// Notes that a letter is to be tried again at some time.
pub(crate) async fn put_off(tx: &Tx, id: Uuid, until: Timestamp) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE notifications");
    sql.bind(" SET mail_after = ", until).bind(" WHERE mailed_at IS NULL AND id = ", id);
    sql.execute(conn).await?;
    Ok(())
}

/// Notes why a letter will never be sent.
pub(crate) async fn give_up(tx: &Tx, id: Uuid, why: &str) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE notifications");
    sql.bind(" SET mail_error = ", why).bind(" WHERE mailed_at IS NULL AND id = ", id);
    sql.execute(conn).await?;
    Ok(())
}
