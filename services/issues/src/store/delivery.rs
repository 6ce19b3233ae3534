//! What is to be delivered to endpoints, and what became of it.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_chassis::db::Tx;
use quittance_kernel::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError};

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Delivered,
    Failed,
}

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: Uuid,
    pub event: Uuid,
    pub kind: String,
    pub state: State,
    pub tries: i64,
    pub next_at: Timestamp,
    pub created_at: Timestamp,
    pub delivered_at: Option<Timestamp>,
    pub last_status: i64,
    pub last_error: String,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    event_id: Uuid,
    kind: String,
    state: String,
    tries: i64,
    next_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
    last_status: i64,
    last_error: String,
}

/// While an endpoint rests, nothing is tried.
const SELECT: &str = "SELECT d.id, d.event_id, d.kind, d.state, d.tries, \
    CASE WHEN d.state = 'pending' AND d.next_at < e.rests_until THEN e.rests_until \
    ELSE d.next_at END AS next_at, \
    d.created_at, d.delivered_at, d.last_status, d.last_error FROM webhook_deliveries d \
    JOIN webhook_endpoints e ON e.id = d.endpoint_id WHERE ";

impl Row {
    fn read(self) -> Result<Delivery, StoreError> {
        let state = match self.state.as_str() {
            "pending" => State::Pending,
            "delivered" => State::Delivered,
            "failed" => State::Failed,
            _ => {
                let (table, column) = ("webhook_deliveries", "state");
                return Err(StoreError::Corrupt { table, id: self.id, column });
            }
        };
        Ok(Delivery {
            id: self.id,
            event: self.event_id,
            kind: self.kind,
            state,
            tries: self.tries,
            next_at: self.next_at,
            created_at: self.created_at,
            delivered_at: self.delivered_at,
            last_status: self.last_status,
            last_error: self.last_error,
        })
    }
}

/// What is put into the queue.
pub(crate) struct NewDelivery {
    pub(crate) organization: Uuid,
    pub(crate) endpoint: Uuid,
    pub(crate) event: Uuid,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// Rows of one statement: nine values each, far below what both databases bind.
const CHUNK: usize = 500;

/// Queues deliveries. What an endpoint was told of already is left out.
pub(crate) async fn queue(tx: &Tx, new: Vec<NewDelivery>) -> Result<(), StoreError> {
    let (conn, now) = (tx.conn(), tx.ctx().now);
    for chunk in new.chunks(CHUNK) {
        let mut sql = Sql::new(
            conn.get_database_backend(),
            "INSERT INTO webhook_deliveries (id, organization_id, endpoint_id, event_id, kind, \
             body, state, tries, next_at, created_at, last_status, last_error) VALUES ",
        );
        for (place, row) in chunk.iter().enumerate() {
            sql.bind(if place == 0 { "(" } else { ", (" }, Uuid::now_v7())
                .bind(", ", row.organization)
                .bind(", ", row.endpoint)
                .bind(", ", row.event)
                .bind(", ", row.kind.as_str())
                .bind(", ", row.body.as_str())
                .bind(", 'pending', 0, ", now)
                .bind(", ", now)
                .push(", 0, '')");
        }
        sql.push(" ON CONFLICT (endpoint_id, event_id) DO NOTHING");
        sql.execute(conn).await?;
    }
    Ok(())
}

/// A delivery that is to be tried now.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Due {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) endpoint_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) body: String,
    /// This try included.
    pub(crate) tries: i64,
    pub(crate) url: String,
    pub(crate) secret: String,
}

/// An endpoint that is awake, and for which something is due.
pub(crate) struct Ready {
    pub(crate) endpoint: Uuid,
    /// Whether the last thing that was sent to it did not arrive.
    pub(crate) failing: bool,
}

#[derive(FromQueryResult)]
struct ReadyRow {
    id: Uuid,
    failing_since: Option<DateTime<Utc>>,
}

/// Finds so many endpoints that can be sent something, none of `without`. Any of them, so that nobody
/// always waits behind others.
pub(crate) async fn ready<C: ConnectionTrait>(
    conn: &C,
    now: Timestamp,
    without: Vec<Uuid>,
    limit: u32,
) -> Result<Vec<Ready>, StoreError> {
    let text = "SELECT e.id, e.failing_since FROM webhook_endpoints e \
        WHERE e.enabled = 1 AND e.deleted_at IS NULL";
    let mut sql = Sql::new(conn.get_database_backend(), text);
    sql.bind(" AND (e.rests_until IS NULL OR e.rests_until <= ", now)
        .push(") AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.id")
        .bind(" AND d.state = 'pending' AND d.next_at <= ", now)
        .push(")")
        .one_of(" AND NOT e.id", without)
        .bind(" ORDER BY random() LIMIT ", i64::from(limit));
    let rows: Vec<ReadyRow> = sql.all(conn).await?;
    let ready = |row: ReadyRow| Ready { endpoint: row.id, failing: row.failing_since.is_some() };
    Ok(rows.into_iter().map(ready).collect())
}

#[derive(FromQueryResult)]
struct Claimed {
    id: Uuid,
}

/// Takes what is due for endpoints, so much for each, what waits longest first. Others take other rows; who
/// dies with theirs leaves them when the lease is over.
pub(crate) async fn claim(
    tx: &Tx,
    lease: TimeDelta,
    shares: &[(Uuid, usize)],
) -> Result<Vec<Due>, StoreError> {
    let (conn, now) = (tx.conn(), tx.ctx().now);
    let backend = conn.get_database_backend();
    let mut sql = Sql::new(backend, "UPDATE webhook_deliveries");
    sql.bind(" SET tries = tries + 1, next_at = ", now + lease)
        .push(" WHERE id IN (SELECT d.id FROM webhook_deliveries d WHERE d.state = 'pending'")
        .bind(" AND d.next_at <= ", now)
        .push(" AND d.id IN (");
    for (place, (endpoint, share)) in shares.iter().enumerate() {
        sql.push(if place == 0 { "" } else { " UNION ALL " })
            .push("SELECT s.id FROM (SELECT w.id FROM webhook_deliveries w")
            .bind(" WHERE w.state = 'pending' AND w.endpoint_id = ", *endpoint)
            .bind(" AND w.next_at <= ", now)
            .bind(" ORDER BY w.next_at, w.id LIMIT ", i64::try_from(*share).unwrap_or(i64::MAX))
            .push(") s");
    }
    sql.push(")");
    if backend == DbBackend::Postgres {
        sql.push(" FOR UPDATE OF d SKIP LOCKED");
    }
    sql.push(") RETURNING id");
    let claimed: Vec<Claimed> = sql.all(conn).await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let text = "SELECT d.id, d.organization_id, d.endpoint_id, d.event_id, d.body, d.tries, \
        e.url, e.secret FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id \
        WHERE";
    let mut sql = Sql::new(backend, text);
    sql.one_of(" d.id", claimed.into_iter().map(|row| row.id).collect());
    Ok(sql.all(conn).await?)
}

/// What is noted of a try.
pub(crate) struct Tried<'a> {
    pub(crate) state: State,
    pub(crate) next_at: Timestamp,
    pub(crate) status: u16,
    pub(crate) error: &'a str,
}

/// Notes what became of a try. What was given up meanwhile stays so, unless it has arrived after all.
pub(crate) async fn note(tx: &Tx, id: Uuid, tried: &Tried<'_>) -> Result<(), StoreError> {
    let conn = tx.conn();
    let (state, delivered) = match tried.state {
        State::Pending => ("pending", None),
        State::Delivered => ("delivered", Some(tx.ctx().now)),
        State::Failed => ("failed", None),
    };
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE webhook_deliveries");
    sql.bind(" SET state = ", state)
        .bind(", next_at = ", tried.next_at)
        .typed(", delivered_at = ", delivered, "timestamptz")
        .bind(", last_status = ", i64::from(tried.status))
        .bind(", last_error = ", tried.error)
        .bind(" WHERE id = ", id)
        .push(if delivered.is_some() {
            " AND state <> 'delivered'"
        } else {
            " AND state = 'pending'"
        });
    sql.execute(conn).await?;
    Ok(())
}

/// Gives up what waits for an endpoint. Returns how much that was.
pub(crate) async fn give_up(tx: &Tx, endpoint: Uuid, why: &str) -> Result<u64, StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE webhook_deliveries");
    sql.bind(" SET state = 'failed', last_error = ", why)
        .bind(" WHERE state = 'pending' AND endpoint_id = ", endpoint);
    Ok(sql.execute(conn).await?)
}

/// How much is under way to all organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) waiting: u64,
    /// Since when something is due for an endpoint that takes what it is sent.
    pub(crate) due_since: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct BacklogRow {
    waiting: i64,
    due_since: Option<DateTime<Utc>>,
}

/// Counts what waits.
pub(crate) async fn backlog<C: ConnectionTrait>(conn: &C) -> Result<Backlog, StoreError> {
    let text = "SELECT count(*) AS waiting, \
        min(CASE WHEN e.failing_since IS NULL THEN d.next_at END) AS due_since \
        FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id \
        WHERE d.state = 'pending' AND e.enabled = 1 AND e.deleted_at IS NULL";
    let sql = Sql::new(conn.get_database_backend(), text);
    let row: Option<BacklogRow> = sql.one(conn).await?;
    let row = row.unwrap_or(BacklogRow { waiting: 0, due_since: None });
    let waiting = u64::try_from(row.waiting).unwrap_or_default();
    Ok(Backlog { waiting, due_since: row.due_since })
}

/// Lists the deliveries of an endpoint, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    endpoint: Uuid,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind("d.endpoint_id = ", endpoint);
    if let Some(After { key, id }) = after {
        sql.bind(" AND (d.created_at, d.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY d.created_at DESC, d.id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Makes a delivery due again, from its beginning.
pub(crate) async fn again(
    tx: &Tx,
    endpoint: Uuid,
    id: Uuid,
) -> Result<Option<Delivery>, StoreError> {
    let (conn, now) = (tx.conn(), tx.ctx().now);
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE webhook_deliveries");
    sql.bind(" SET state = 'pending', tries = 0, next_at = ", now)
        .bind(", delivered_at = NULL WHERE endpoint_id = ", endpoint)
        .bind(" AND id = ", id);
    sql.execute(conn).await?;
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind("d.endpoint_id = ", endpoint).bind(" AND d.id = ", id);
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// Removes at most `$2` that were queued before `$1`, delivered or not: what could not be delivered for
/// so long is given up by then.
pub(crate) const FORGET: &str = "DELETE FROM webhook_deliveries WHERE id IN (SELECT id \
    FROM webhook_deliveries WHERE created_at < $1 LIMIT $2)";
