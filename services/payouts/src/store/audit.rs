//! The audit log, as it is read. It is written by the journal alone.

use quittance_chassis::db::Db;
use quittance_kernel::{OrganizationId, Timestamp};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct AuditEntry {
    pub(crate) seq: i64,
    pub(crate) id: Uuid,
    pub(crate) occurred_at: Timestamp,
    pub(crate) actor_id: Uuid,
    pub(crate) actor_role: String,
    pub(crate) impersonator_id: Option<Uuid>,
    pub(crate) action: String,
    pub(crate) entity: String,
    pub(crate) entity_id: Uuid,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) request_id: String,
}

const SELECT: &str = "SELECT seq, id, occurred_at, actor_id, actor_role, impersonator_id, action, \
    entity, entity_id, before, after, reason, request_id FROM audit_log WHERE organization_id = ";

/// Reads entries, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    entity: Option<Uuid>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AuditEntry>, DbErr> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind_some(" AND entity_id = ", entity)
        .bind_some(" AND seq < ", before)
        .bind(" ORDER BY seq DESC LIMIT ", i64::from(limit));
    sql.all(db.conn()).await
}
