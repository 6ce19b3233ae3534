//! Notifications: the rows that members are told by.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Insert, Tx, WriteSet};
use quittance_kernel::{
    EventId, IssueId, MemberId, Money, NotificationId, OrganizationId, Timestamp,
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::notice::{Notice, NoticeKind};

/// What a member was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub id: NotificationId,
    pub kind: NoticeKind,
    /// None when it is about money of several issues.
    pub issue: Option<IssueId>,
    pub title: String,
    /// A JSON object.
    pub data: String,
    pub created_at: Timestamp,
    pub read_at: Option<Timestamp>,
}

/// Whose notifications are meant: everybody has their own alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) organization: OrganizationId,
    pub(crate) member: MemberId,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    kind: String,
    issue_id: Option<Uuid>,
    title: String,
    data: String,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct ToldRow {
    id: Uuid,
    member_id: Uuid,
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

const SELECT: &str = "SELECT id, kind, issue_id, title, data, created_at, read_at";

impl Row {
    fn read(self) -> Result<Notification, StoreError> {
        let corrupt = StoreError::Corrupt { table: "notifications", id: self.id, column: "kind" };
        Ok(Notification {
            id: NotificationId(self.id),
            kind: NoticeKind::read(&self.kind).ok_or(corrupt)?,
            issue: self.issue_id.map(IssueId),
            title: self.title,
            data: self.data,
            created_at: self.created_at,
            read_at: self.read_at,
        })
    }
}

/// What a program needs beyond the title. What there is not is left out.
fn data(notice: &Notice) -> String {
    let fields = [
        ("issueId", notice.issue.map(|id| id.to_string().into())),
        ("cycleId", notice.cycle.map(|id| id.to_string().into())),
        ("amountMinor", notice.amount.map(|amount| amount.minor().into())),
        ("currency", notice.amount.map(|amount: Money| amount.currency().code().into())),
        ("reason", notice.reason.as_deref().map(Into::into)),
        ("payoutId", notice.payout.map(|id| id.to_string().into())),
        ("reference", notice.reference.as_deref().map(Into::into)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    serde_json::Value::Object(fields.collect()).to_string()
}

/// Writes what members are told, as a set, in the transaction of what it is about. What an event
/// has told already is not told again.
pub(crate) async fn write(tx: &Tx, told: Vec<(EventId, Notice)>) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    let ids = told.iter().map(|_| NotificationId::new().0).collect();
    let of = |read: fn(&Notice) -> Uuid| told.iter().map(|(_, notice)| read(notice)).collect();
    let kinds = told.iter().map(|(_, notice)| notice.kind.as_str().to_owned()).collect();
    let issues = told.iter().map(|(_, notice)| notice.issue.map(|id| id.0));
    let insert = Insert::into("notifications")
        .column("id", Column::Uuid(ids))
        .column("organization_id", Column::same_uuid(Some(tx.ctx().organization().0)))
        .column("member_id", Column::Uuid(of(|notice| notice.member.0)))
        .column("kind", Column::Text(kinds))
        .column("issue_id", Column::OptUuid(issues.collect()))
        .column("data", Column::Text(told.iter().map(|(_, notice)| data(notice)).collect()))
        .column("event_id", Column::Uuid(told.iter().map(|(event, _)| event.0).collect()))
        .column("mail_tries", Column::same_i64(Some(0)))
        .column("created_at", Column::same_time(Some(tx.ctx().now)))
        .column("title", Column::Text(told.into_iter().map(|(_, notice)| notice.title).collect()))
        .on_conflict("ON CONFLICT DO NOTHING");
    let mut set = WriteSet::new();
    set.insert(insert);
    Ok(tx.write(set).await?)
}

/// Removes at most `$2` of those that were read and written before `$1`, whoever they told.
pub(crate) const FORGET: &str = "DELETE FROM notifications WHERE id IN (SELECT id \
    FROM notifications WHERE read_at IS NOT NULL AND created_at < $1 LIMIT $2)";

fn begin<C: ConnectionTrait>(conn: &C, select: &str, owner: Owner) -> Sql {
    let mut sql = Sql::new(conn.get_database_backend(), select);
    sql.bind(" FROM notifications WHERE organization_id = ", owner.organization.0)
        .bind(" AND member_id = ", owner.member.0);
    sql
}

async fn read<C: ConnectionTrait>(conn: &C, sql: Sql) -> Result<Vec<Notification>, StoreError> {
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Lists notifications, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    owner: Owner,
    before: Option<Uuid>,
    unread_only: bool,
    limit: u32,
) -> Result<Vec<Notification>, StoreError> {
    let mut sql = begin(conn, SELECT, owner);
    if let Some(before) = before {
        sql.bind(" AND id < ", before);
    }
    if unread_only {
        sql.push(" AND read_at IS NULL");
    }
    sql.bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    read(conn, sql).await
}

/// Reads on: what came after this one, the oldest first.
pub(crate) async fn after<C: ConnectionTrait>(
    conn: &C,
    owner: Owner,
    after: Uuid,
    limit: u32,
) -> Result<Vec<Notification>, StoreError> {
    let mut sql = begin(conn, SELECT, owner);
    sql.bind(" AND id > ", after).bind(" ORDER BY id LIMIT ", i64::from(limit));
    read(conn, sql).await
}

/// Who was told of something with an id above this one, whoever they are.
pub(crate) async fn written_after<C: ConnectionTrait>(
    conn: &C,
    after: Uuid,
    limit: u32,
) -> Result<Vec<(Uuid, MemberId)>, StoreError> {
    let mut sql = Sql::new(
        conn.get_database_backend(),
        "SELECT id, member_id FROM notifications WHERE id > ",
    );
    // The newest first: they are what nobody has rung for yet.
    sql.bind("", after).bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    let rows: Vec<ToldRow> = sql.all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, MemberId(row.member_id))).collect())
}

/// The ids in a stretch, its end included.
pub(crate) async fn ids_within<C: ConnectionTrait>(
    conn: &C,
    owner: Owner,
    (after, to): (Uuid, Uuid),
) -> Result<Vec<Uuid>, StoreError> {
    let mut sql = begin(conn, "SELECT id", owner);
    sql.bind(" AND id > ", after).bind(" AND id <= ", to);
    Ok(sql.all::<IdRow, C>(conn).await?.into_iter().map(|row| row.id).collect())
}

/// Reads the ones with these ids, the oldest first.
pub(crate) async fn by_ids<C: ConnectionTrait>(
    conn: &C,
    owner: Owner,
    ids: Vec<Uuid>,
) -> Result<Vec<Notification>, StoreError> {
    let mut sql = begin(conn, SELECT, owner);
    sql.one_of(" AND id", ids).push(" ORDER BY id");
    read(conn, sql).await
}

/// Counts what is unread.
pub(crate) async fn unread<C: ConnectionTrait>(conn: &C, owner: Owner) -> Result<i64, StoreError> {
    let mut sql = begin(conn, "SELECT count(*) AS n", owner);
    sql.push(" AND read_at IS NULL");
    Ok(sql.one::<Count, C>(conn).await?.map_or(0, |count| count.n))
}

/// Which notifications are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    These(Vec<NotificationId>),
    AllUpTo(Timestamp),
}

/// Marks notifications of the caller as read, and returns how many were unread.
pub(crate) async fn mark(tx: &Tx, owner: Owner, which: Marked) -> Result<u64, StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE notifications");
    sql.bind(" SET read_at = ", tx.ctx().now)
        .bind(" WHERE organization_id = ", owner.organization.0)
        .bind(" AND member_id = ", owner.member.0)
        .push(" AND read_at IS NULL");
    match which {
        Marked::These(ids) => sql.one_of(" AND id", ids.into_iter().map(|id| id.0).collect()),
        Marked::AllUpTo(time) => sql.bind(" AND created_at <= ", time),
    };
    Ok(sql.execute(conn).await?)
}
