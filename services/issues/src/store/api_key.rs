//! Keys of members. Of a secret only its digest is kept.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_kernel::{Ctx, MemberId, OrganizationId, Role, Roles};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::api_key::ApiKey;

const ENTITY: &str = "api_key";

/// How exactly it is kept when a key was last used: not every call should write.
const USE_NOTED: TimeDelta = TimeDelta::minutes(1);

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    member_id: Uuid,
    name: String,
    start: String,
    roles: String,
    read_only: i64,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    version: i64,
}

const SELECT: &str = "SELECT k.id, k.organization_id, k.member_id, k.name, k.start, k.roles, \
    k.read_only, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.version \
    FROM api_keys k WHERE ";

impl Row {
    fn read(self) -> Result<ApiKey, StoreError> {
        let corrupt = StoreError::Corrupt { table: "api_keys", id: self.id, column: "roles" };
        let names = self.roles.split(',').filter(|role| !role.is_empty());
        let roles = names.map(str::parse).collect::<Result<Vec<Role>, _>>();
        let roles = roles.map_err(|_| corrupt)?;
        Ok(ApiKey {
            id: self.id,
            organization: OrganizationId(self.organization_id),
            member: MemberId(self.member_id),
            name: self.name,
            start: self.start,
            roles: Some(roles).filter(|roles| !roles.is_empty()).map(Roles::new),
            read_only: self.read_only != 0,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            last_used_at: self.last_used_at,
            version: self.version,
        })
    }
}

/// Lists the caller's keys, the newest first. There are few: at most 20 good ones are made.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    ctx: &Ctx,
    limit: u32,
) -> Result<Vec<ApiKey>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind("k.organization_id = ", ctx.organization().0)
        .bind(" AND k.member_id = ", ctx.member().0)
        .bind(" ORDER BY k.created_at DESC, k.id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Finds a key of the caller, and holds it.
pub(crate) async fn hold(tx: &Tx, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind("k.organization_id = ", tx.ctx().organization().0)
        .bind(" AND k.member_id = ", tx.ctx().member().0)
        .bind(" AND k.id = ", id)
        .lock("UPDATE", "k");
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// Finds a key by the digest of its secret, whoever's it is.
pub(crate) async fn by_digest<C: ConnectionTrait>(
    conn: &C,
    digest: &str,
) -> Result<Option<ApiKey>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), SELECT);
    sql.bind("k.digest = ", digest);
    sql.one::<Row, C>(conn).await?.map(Row::read).transpose()
}

fn joined(key: &ApiKey) -> String {
    let names: Vec<&str> = key.roles.iter().flat_map(Roles::iter).map(Role::as_str).collect();
    names.join(",")
}

/// Saves a key that was just made.
pub(crate) async fn insert(tx: &mut Tx, key: &ApiKey, digest: &str) -> Result<(), StoreError> {
    let roles = joined(key);
    let row = Insert::into("api_keys")
        .column("id", Column::same_uuid(Some(key.id)))
        .column("organization_id", Column::same_uuid(Some(key.organization.0)))
        .column("member_id", Column::same_uuid(Some(key.member.0)))
        .column("name", Column::same_text(Some(&key.name)))
        .column("digest", Column::same_text(Some(digest)))
        .column("start", Column::same_text(Some(&key.start)))
        .column("roles", Column::same_text(Some(&roles)))
        .column("read_only", Column::same_i64(Some(key.read_only.into())))
        .column("created_at", Column::same_time(Some(key.created_at)))
        .column("expires_at", Column::same_time(Some(key.expires_at)))
        .column("version", Column::same_i64(Some(key.version)));
    tx.insert(row).await?;
    let after = serde_json::json!({
        "name": key.name, "roles": roles, "read_only": key.read_only,
        "expires_at": key.expires_at,
    });
    tx.note(Entry::new("api_key.created", ENTITY, key.id).after(after.to_string()));
    Ok(())
}

/// Ends a key that is held.
pub(crate) async fn revoke(tx: &mut Tx, key: ApiKey) -> Result<ApiKey, StoreError> {
    let now = tx.ctx().now;
    let mut set = WriteSet::new();
    set.update(
        Update::of("api_keys", "id", vec![key.id], vec![key.version])
            .set("revoked_at", Column::same_time(Some(now)))
            .only_where("t.revoked_at IS NULL"),
    );
    tx.write(set).await?;
    tx.note(Entry::new("api_key.revoked", ENTITY, key.id));
    Ok(ApiKey { revoked_at: Some(now), version: key.version + 1, ..key })
}

/// Whether its last use is not noted closely enough.
pub(crate) fn is_use_stale(key: &ApiKey, ctx: &Ctx) -> bool {
    key.last_used_at.is_none_or(|at| at + USE_NOTED <= ctx.now)
}

/// Notes that a key is used. It is no decision, so that the version and the audit log stay as they are.
pub(crate) async fn used(tx: &Tx, key: &ApiKey) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "UPDATE api_keys");
    sql.bind(" SET last_used_at = ", tx.ctx().now)
        .bind(" WHERE id = ", key.id)
        .bind(" AND (last_used_at IS NULL OR last_used_at < ", tx.ctx().now)
        .push(")");
    sql.execute(conn).await?;
    Ok(())
}
