//! Endpoints of organizations.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_kernel::OrganizationId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::webhook::Endpoint;

const ENTITY: &str = "webhook_endpoint";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    url: String,
    description: String,
    kinds: String,
    enabled: i64,
    disabled_reason: String,
    failing_since: Option<DateTime<Utc>>,
    failures: i64,
    rests_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
}

const SELECT: &str = "SELECT e.id, e.organization_id, e.url, e.description, e.kinds, e.enabled, \
    e.disabled_reason, e.failing_since, e.failures, e.rests_until, e.created_at, e.updated_at, \
    e.version \
    FROM webhook_endpoints e WHERE e.deleted_at IS NULL";

impl From<Row> for Endpoint {
    fn from(row: Row) -> Self {
        let kinds = row.kinds.split(',').filter(|kind| !kind.is_empty());
        Self {
            id: row.id,
            url: row.url,
            description: row.description,
            kinds: kinds.map(str::to_owned).collect(),
            enabled: row.enabled != 0,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since,
            failures: row.failures,
            rests_until: row.rests_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

/// Lists those of an organization, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
) -> Result<Vec<Endpoint>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind(" AND e.organization_id = ", organization.0)
        .push(" ORDER BY e.created_at DESC, e.id DESC");
    Ok(sql.all::<Row, C>(conn).await?.into_iter().map(Endpoint::from).collect())
}

/// Lists those of several organizations that are to be told.
pub(crate) async fn listening<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
) -> Result<Vec<(Uuid, Endpoint)>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.push(" AND e.enabled = 1").one_of(" AND e.organization_id", organizations);
    told(conn, sql).await
}

/// The same; nobody disables or removes them until the transaction ends.
pub(crate) async fn listening_still(
    tx: &Tx,
    organizations: Vec<Uuid>,
) -> Result<Vec<(Uuid, Endpoint)>, StoreError> {
    let mut sql = Sql::new(tx.conn().get_database_backend(), SELECT);
    sql.push(" AND e.enabled = 1")
        .one_of(" AND e.organization_id", organizations)
        .lock("KEY SHARE", "e");
    told(tx.conn(), sql).await
}

async fn told<C: ConnectionTrait>(conn: &C, sql: Sql) -> Result<Vec<(Uuid, Endpoint)>, StoreError> {
    let rows = sql.all::<Row, C>(conn).await?;
    Ok(rows.into_iter().map(|row| (row.organization_id, Endpoint::from(row))).collect())
}

/// Finds one.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Endpoint>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind(" AND e.organization_id = ", organization.0).bind(" AND e.id = ", id);
    Ok(sql.one::<Row, C>(conn).await?.map(Endpoint::from))
}

/// Finds one, and holds it.
pub(crate) async fn hold(tx: &Tx, id: Uuid) -> Result<Option<Endpoint>, StoreError> {
    let mut sql = Sql::new(tx.conn().get_database_backend(), SELECT);
    sql.bind(" AND e.organization_id = ", tx.ctx().organization().0)
        .bind(" AND e.id = ", id)
        .lock("UPDATE", "e");
    Ok(sql.one::<Row, _>(tx.conn()).await?.map(Endpoint::from))
}

/// Adds one.
pub(crate) async fn insert(
    tx: &mut Tx,
    endpoint: &Endpoint,
    secret: &str,
) -> Result<(), StoreError> {
    let kinds = endpoint.kinds.join(",");
    let row = Insert::into("webhook_endpoints")
        .column("id", Column::same_uuid(Some(endpoint.id)))
        .column("organization_id", Column::same_uuid(Some(tx.ctx().organization().0)))
        .column("url", Column::same_text(Some(&endpoint.url)))
        .column("description", Column::same_text(Some(&endpoint.description)))
        .column("secret", Column::same_text(Some(secret)))
        .column("kinds", Column::same_text(Some(&kinds)))
        .column("enabled", Column::same_i64(Some(endpoint.enabled.into())))
        .column("disabled_reason", Column::same_text(Some("")))
        .column("failures", Column::same_i64(Some(endpoint.failures)))
        .column("created_at", Column::same_time(Some(endpoint.created_at)))
        .column("updated_at", Column::same_time(Some(endpoint.updated_at)))
        .column("version", Column::same_i64(Some(endpoint.version)));
    tx.insert(row).await?;
    tx.note(Entry::new("webhook_endpoint.created", ENTITY, endpoint.id).after(audited(endpoint)));
    Ok(())
}

/// Saves a change of one that is held.
pub(crate) async fn save(
    tx: &mut Tx,
    before: &Endpoint,
    after: &Endpoint,
    action: &'static str,
) -> Result<(), StoreError> {
    let kinds = after.kinds.join(",");
    let mut set = WriteSet::new();
    set.update(
        Update::of("webhook_endpoints", "id", vec![after.id], vec![before.version])
            .set("url", Column::same_text(Some(&after.url)))
            .set("description", Column::same_text(Some(&after.description)))
            .set("kinds", Column::same_text(Some(&kinds)))
            .set("enabled", Column::same_i64(Some(after.enabled.into())))
            .set("disabled_reason", Column::same_text(Some(&after.disabled_reason)))
            .set("failing_since", Column::same_time(after.failing_since))
            .set("failures", Column::same_i64(Some(after.failures)))
            .set("rests_until", Column::same_time(after.rests_until))
            .set("updated_at", Column::same_time(Some(after.updated_at))),
    );
    tx.write(set).await?;
    let entry = Entry::new(action, ENTITY, after.id).change(audited(before), audited(after));
    tx.note(entry.because(Some(after.disabled_reason.clone()).filter(|why| !why.is_empty())));
    Ok(())
}

/// Removes one that is held, with its secret. Its log goes with time.
pub(crate) async fn remove(tx: &mut Tx, endpoint: &Endpoint) -> Result<(), StoreError> {
    let mut set = WriteSet::new();
    set.update(
        Update::of("webhook_endpoints", "id", vec![endpoint.id], vec![endpoint.version])
            .set("secret", Column::same_text(Some("")))
            .set("deleted_at", Column::same_time(Some(tx.ctx().now))),
    );
    tx.write(set).await?;
    let entry = Entry::new("webhook_endpoint.deleted", ENTITY, endpoint.id);
    tx.note(entry.after(audited(endpoint)));
    Ok(())
}

/// Notes that something arrived. No decision, hence no version.
pub(crate) async fn note_arrival(tx: &Tx, id: Uuid) -> Result<(), StoreError> {
    let mut sql = Sql::new(tx.conn().get_database_backend(), "UPDATE webhook_endpoints");
    sql.push(" SET failing_since = NULL, failures = 0, rests_until = NULL")
        .bind(" WHERE failing_since IS NOT NULL AND id = ", id);
    sql.execute(tx.conn()).await?;
    Ok(())
}

/// Lets one that rests be sent something at once. If that does not arrive, it rests again.
pub(crate) async fn wake(tx: &Tx, id: Uuid) -> Result<(), StoreError> {
    let mut sql = Sql::new(tx.conn().get_database_backend(), "UPDATE webhook_endpoints");
    sql.push(" SET rests_until = NULL").bind(" WHERE rests_until IS NOT NULL AND id = ", id);
    sql.execute(tx.conn()).await?;
    Ok(())
}

/// Notes a failure of one that is held. No decision either.
pub(crate) async fn note_failure(tx: &Tx, after: &Endpoint) -> Result<(), StoreError> {
    let mut sql = Sql::new(tx.conn().get_database_backend(), "UPDATE webhook_endpoints");
    sql.typed(" SET failing_since = ", after.failing_since, "timestamptz")
        .bind(", failures = ", after.failures)
        .typed(", rests_until = ", after.rests_until, "timestamptz")
        .bind(" WHERE id = ", after.id);
    sql.execute(tx.conn()).await?;
    Ok(())
}

/// An address may have a secret of its own in its path or query: only where it leads is noted.
fn audited(endpoint: &Endpoint) -> String {
    let end = endpoint.url.find("://").map_or(0, |at| at + 3);
    let host = endpoint.url[end..].split(['/', '?']).next().unwrap_or_default();
    serde_json::json!({ "host": host, "kinds": endpoint.kinds, "enabled": endpoint.enabled })
        .to_string()
}
