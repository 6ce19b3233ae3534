//! Who viewed as whom. What they looked at is in the audit log.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_kernel::{MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::impersonation::Impersonation;

const ENTITY: &str = "impersonation";

/// An impersonation as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    pub impersonation: Impersonation,
    pub admin_name: String,
    pub member_name: String,
    pub reads: i64,
    pub refusals: i64,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    admin_id: Uuid,
    admin_name: String,
    member_id: Uuid,
    member_name: String,
    reason: String,
    started_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    version: i64,
    reads: i64,
    refusals: i64,
}

impl From<Row> for Logged {
    fn from(row: Row) -> Self {
        Self {
            impersonation: Impersonation {
                id: row.id,
                admin: MemberId(row.admin_id),
                member: MemberId(row.member_id),
                reason: row.reason,
                started_at: row.started_at,
                expires_at: row.expires_at,
                ended_at: row.ended_at,
                version: row.version,
            },
            admin_name: row.admin_name,
            member_name: row.member_name,
            reads: row.reads,
            refusals: row.refusals,
        }
    }
}

const SELECT: &str = "SELECT v.id, v.admin_id, COALESCE(a.name, '') AS admin_name, v.member_id, \
    m.name AS member_name, v.reason, v.started_at, v.expires_at, v.ended_at, v.version, \
    (SELECT count(*) FROM audit_log l WHERE l.organization_id = v.organization_id \
     AND l.entity_id = v.id AND l.action = 'impersonation.read') AS reads, \
    (SELECT count(*) FROM audit_log l WHERE l.organization_id = v.organization_id \
     AND l.entity_id = v.id AND l.action = 'impersonation.refused') AS refusals \
    FROM impersonations v LEFT JOIN members a ON a.id = v.admin_id \
    JOIN members m ON m.id = v.member_id WHERE v.organization_id = ";

/// Finds an impersonation.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Logged>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(SELECT, organization.0).bind(" AND v.id = ", id);
    Ok(sql.one::<Row, C>(conn).await?.map(Logged::from))
}

/// Lists the impersonations of an organization, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<Logged>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(SELECT, organization.0);
    if let Some(After { key, id }) = after {
        sql.bind(" AND (v.started_at, v.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY v.started_at DESC, v.id DESC LIMIT ", i64::from(limit));
    Ok(sql.all::<Row, C>(conn).await?.into_iter().map(Logged::from).collect())
}

/// Saves one that has just begun.
pub(crate) async fn begin(
    tx: &mut Tx,
    impersonation: Impersonation,
) -> Result<Impersonation, StoreError> {
    let begun = Impersonation { version: 1, ..impersonation };
    let row = Insert::into("impersonations")
        .column("id", Column::same_uuid(Some(begun.id)))
        .column("organization_id", Column::same_uuid(Some(tx.ctx().organization().0)))
        .column("admin_id", Column::same_uuid(Some(begun.admin.0)))
        .column("member_id", Column::same_uuid(Some(begun.member.0)))
        .column("reason", Column::same_text(Some(&begun.reason)))
        .column("started_at", Column::same_time(Some(begun.started_at)))
        .column("expires_at", Column::same_time(Some(begun.expires_at)))
        .column("version", Column::same_i64(Some(begun.version)));
    tx.insert(row).await?;
    let after = serde_json::json!({
        "member_id": begun.member.to_string(), "expires_at": begun.expires_at,
    });
    let entry = Entry::new("impersonation.started", ENTITY, begun.id).after(after.to_string());
    tx.note(entry.because(Some(begun.reason.clone())));
    Ok(begun)
}

#[derive(FromQueryResult)]
struct Open {
    id: Uuid,
    version: i64,
}

/// Ends those of an admin that are open: one, or all. Returns how many.
pub(crate) async fn end(
    tx: &mut Tx,
    admin: MemberId,
    only: Option<Uuid>,
) -> Result<usize, StoreError> {
    let (organization, now) = (tx.ctx().organization(), tx.ctx().now);
    let mut sql = Sql::new(tx.conn().get_database_backend(), "");
    sql.bind(
        "SELECT v.id, v.version FROM impersonations v WHERE v.organization_id = ",
        organization.0,
    );
    sql.bind(" AND v.admin_id = ", admin.0).push(" AND v.ended_at IS NULL");
    sql.bind(" AND v.expires_at > ", now);
    if let Some(id) = only {
        sql.bind(" AND v.id = ", id);
    }
    sql.push(" ORDER BY v.id").lock("UPDATE", "v");
    let open: Vec<Open> = sql.all(tx.conn()).await?;
    let (ids, versions): (Vec<_>, Vec<_>) = open.iter().map(|row| (row.id, row.version)).unzip();
    let mut set = WriteSet::new();
    set.update(
        Update::of("impersonations", "id", ids, versions)
            .set("ended_at", Column::same_time(Some(now)))
            .only_where("t.ended_at IS NULL"),
    );
    tx.write(set).await?;
    for row in &open {
        tx.note(Entry::new("impersonation.ended", ENTITY, row.id));
    }
    Ok(open.len())
}

/// Notes what somebody who views has asked for.
pub(crate) fn note(tx: &mut Tx, id: Uuid, refused: bool, method: &str, path: &str) {
    let action = if refused { "impersonation.refused" } else { "impersonation.read" };
    let asked = serde_json::json!({ "method": method, "path": path }).to_string();
    tx.note(Entry::new(action, ENTITY, id).after(asked));
}
