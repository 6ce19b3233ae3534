//! Whom an event of a provider is about, and what it sets going.

use quittance_chassis::db::{Db, Entry};
use quittance_kernel::{OrganizationId, Timestamp};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::rail::{About, ProviderEvent};

/// A row that an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) organization: OrganizationId,
    pub(crate) entity: &'static str,
    pub(crate) id: Uuid,
}

async fn find(db: &Db, entity: &'static str, sql: Sql) -> Result<Option<Touched>, StoreError> {
    let rows = sql.push(" LIMIT 1").rows(db.conn()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (organization, id) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(Some(Touched { organization: OrganizationId(organization), entity, id }))
}

/// Finds the attempt with this key.
pub(crate) async fn attempt(db: &Db, key: Uuid) -> Result<Option<Touched>, StoreError> {
    let text = "SELECT organization_id, id FROM attempts WHERE id = ";
    find(db, "attempt", Sql::new(db.backend(), "").bind(text, key)).await
}

/// Finds the attempt that the provider calls so.
pub(crate) async fn attempt_of(db: &Db, reference: &str) -> Result<Option<Touched>, StoreError> {
    let text = "SELECT organization_id, id FROM attempts WHERE reference <> '' AND reference = ";
    find(db, "attempt", Sql::new(db.backend(), "").bind(text, reference)).await
}

/// Finds the charge with this key.
pub(crate) async fn charge(db: &Db, key: Uuid) -> Result<Option<Touched>, StoreError> {
    let text = "SELECT organization_id, id FROM charges WHERE id = ";
    find(db, "charge", Sql::new(db.backend(), "").bind(text, key)).await
}

/// Finds the charge that the provider calls so.
pub(crate) async fn charge_of(db: &Db, reference: &str) -> Result<Option<Touched>, StoreError> {
    let text = "SELECT organization_id, id FROM charges WHERE reference <> '' AND reference = ";
    find(db, "charge", Sql::new(db.backend(), "").bind(text, reference)).await
}

/// Has the charge asked for at once, as [`hurry_attempt`] does.
pub(crate) async fn hurry_charge<C: ConnectionTrait>(
    conn: &C,
    id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    Sql::new(conn.get_database_backend(), "UPDATE charges SET")
        .bind(" next_at = ", now)
        .bind(" WHERE id = ", id)
        .bind(" AND state IN ('unknown', 'needs_action') AND next_at > ", now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Has the attempt asked for at once, if its outcome is not known yet. Its version stays: an outcome
/// that is being written is newer than what was told.
pub(crate) async fn hurry_attempt<C: ConnectionTrait>(
    conn: &C,
    id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    Sql::new(conn.get_database_backend(), "UPDATE attempts SET")
        .bind(" next_at = ", now)
        .bind(" WHERE id = ", id)
        .bind(" AND state = 'unknown' AND next_at > ", now)
        .execute(conn)
        .await?;
    Ok(())
}

/// What the audit log keeps of an event.
pub(crate) fn entry(event: &ProviderEvent, touched: Touched) -> Entry {
    let mut after = serde_json::json!({ "event": event.id, "kind": event.kind });
    if let About::TakenBack { reference, amount_minor, .. } = &event.about {
        after["reference"] = reference.as_str().into();
        after["amountMinor"] = (*amount_minor).into();
    }
    Entry::new("provider.told", touched.entity, touched.id).after(after.to_string())
}
