//! Members and organizations.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_chassis::snapshots::Wanted;
use quittance_events::{MemberState, kind};
use quittance_kernel::{MemberId, OrganizationId, Role, Roles};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::member::Member;

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    email: String,
    roles: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

const SELECT: &str = "SELECT id, organization_id, name, email, roles, version, created_at, \
    updated_at FROM members WHERE organization_id = ";

impl Row {
    fn read(self) -> Result<Member, StoreError> {
        let roles: Result<Vec<Role>, _> =
            self.roles.split(',').filter(|role| !role.is_empty()).map(str::parse).collect();
        let corrupt = StoreError::Corrupt { table: "members", id: self.id, column: "roles" };
        Ok(Member {
            id: MemberId(self.id),
            organization: OrganizationId(self.organization_id),
            name: self.name,
            email: self.email,
            roles: Roles::new(roles.map_err(|_| corrupt)?),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn begin(backend: DbBackend, organization: OrganizationId) -> Sql {
    let mut sql = Sql::new(backend, "");
    sql.bind(SELECT, organization.0);
    sql
}

/// Finds an organization by its name.
pub(crate) async fn organization<C: ConnectionTrait>(
    conn: &C,
    name: &str,
) -> Result<Option<OrganizationId>, StoreError> {
    let text = "SELECT id FROM organizations WHERE name = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, name);
    Ok(sql.one::<IdRow, C>(conn).await?.map(|row| OrganizationId(row.id)))
}

/// Founds an organization.
pub(crate) async fn found(tx: &mut Tx, name: &str) -> Result<(), StoreError> {
    let id = tx.ctx().organization();
    let row = Insert::into("organizations")
        .column("id", Column::same_uuid(Some(id.0)))
        .column("name", Column::same_text(Some(name)))
        .column("created_at", Column::same_time(Some(tx.ctx().now)));
    tx.insert(row).await?;
    let after = serde_json::json!({ "name": name }).to_string();
    tx.note(Entry::new("organization.created", "organization", id.0).after(after));
    Ok(())
}

/// Finds a member by e-mail.
pub(crate) async fn by_email<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    email: &str,
) -> Result<Option<Member>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.bind(" AND email = ", email);
    sql.one::<Row, C>(conn).await?.map(Row::read).transpose()
}

/// Finds the member that an identity of an external provider is linked to.
pub(crate) async fn by_identity<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    issuer: &str,
    subject: &str,
) -> Result<Option<Member>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.push(" AND id = (SELECT i.member_id FROM member_identities i")
        .bind(" WHERE i.organization_id = ", organization.0)
        .bind(" AND i.issuer = ", issuer)
        .bind(" AND i.subject = ", subject)
        .push(")");
    sql.one::<Row, C>(conn).await?.map(Row::read).transpose()
}

/// Finds a member.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: MemberId,
) -> Result<Option<Member>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.bind(" AND id = ", id.0);
    sql.one::<Row, C>(conn).await?.map(Row::read).transpose()
}

/// Lists members by name.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    after: Option<After<String>>,
    limit: u32,
) -> Result<Vec<Member>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    if let Some(After { key, id }) = after {
        sql.bind(" AND (name, id) > (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY name, id LIMIT ", i64::from(limit));
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Which of these members are not in the organization.
pub(crate) async fn strangers<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    ids: &[MemberId],
) -> Result<Vec<MemberId>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind("SELECT id FROM members WHERE organization_id = ", organization.0)
        .one_of(" AND id", ids.iter().map(|id| id.0).collect());
    let known: Vec<Uuid> = sql.all::<IdRow, C>(conn).await?.into_iter().map(|row| row.id).collect();
    Ok(ids.iter().copied().filter(|id| !known.contains(&id.0)).collect())
}

/// Makes everybody wait who changes members of the organization, until the transaction ends.
pub(crate) async fn lock_all(tx: &Tx) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT o.id FROM organizations o");
    // Not the key: members who are new may refer to it.
    sql.bind(" WHERE o.id = ", tx.ctx().organization().0).lock("NO KEY UPDATE", "o");
    sql.one::<IdRow, _>(conn).await?;
    Ok(())
}

/// Whether the organization has an admin besides this member.
pub(crate) async fn has_other_admin(tx: &Tx, member: MemberId) -> Result<bool, StoreError> {
    let conn = tx.conn();
    let mut sql = begin(conn.get_database_backend(), tx.ctx().organization());
    // In the middle of a list: `platform_admin` is something else.
    sql.bind(" AND id <> ", member.0).push(" AND ',' || roles || ',' LIKE '%,admin,%' LIMIT 1");
    Ok(sql.one::<Row, _>(conn).await?.is_some())
}

/// Saves a member that is new (`before` is none) or changed.
pub(crate) async fn save(
    tx: &mut Tx,
    before: Option<&Member>,
    member: Member,
) -> Result<Member, StoreError> {
    let version = before.map_or(0, |before| before.version);
    let saved = Member { version: version + 1, updated_at: tx.ctx().now, ..member };
    let roles: Vec<String> = saved.roles.iter().map(|role| role.as_str().to_owned()).collect();
    let mut set = WriteSet::new();
    if before.is_some() {
        let update = Update::of("members", "id", vec![saved.id.0], vec![version])
            .set("name", Column::same_text(Some(&saved.name)))
            .set("roles", Column::same_text(Some(&roles.join(","))))
            .set("updated_at", Column::same_time(Some(saved.updated_at)));
        set.update(update);
    } else {
        let insert = Insert::into("members")
            .column("id", Column::same_uuid(Some(saved.id.0)))
            .column("organization_id", Column::same_uuid(Some(saved.organization.0)))
            .column("name", Column::same_text(Some(&saved.name)))
            .column("email", Column::same_text(Some(&saved.email)))
            .column("roles", Column::same_text(Some(&roles.join(","))))
            .column("version", Column::same_i64(Some(saved.version)))
            .column("created_at", Column::same_time(Some(saved.created_at)))
            .column("updated_at", Column::same_time(Some(saved.updated_at)));
        set.insert(insert);
    }
    tx.write(set).await?;
    let entry = Entry::new(kind::MEMBER_UPDATED, "member", saved.id.0);
    let entry = match before {
        Some(before) => entry.change(audited(before), audited(&saved)),
        None => entry.after(audited(&saved)),
    };
    tx.record(entry, kind::MEMBER_UPDATED, state(&saved));
    Ok(saved)
}

/// The whole state, as consumers keep it.
pub(super) fn state(member: &Member) -> MemberState {
    MemberState {
        member_id: member.id.0,
        version: member.version,
        name: member.name.clone(),
        email: member.email.clone(),
        roles: member.roles.iter().map(|role| role.as_str().to_owned()).collect(),
    }
}

/// Reads members in the order of their ids.
pub(super) async fn snapshots<C: ConnectionTrait>(
    conn: &C,
    wanted: &Wanted,
) -> Result<Vec<Member>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), wanted.organization);
    super::snapshot::page(&mut sql, "id", wanted);
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

fn audited(member: &Member) -> String {
    let roles: Vec<&str> = member.roles.iter().map(Role::as_str).collect();
    serde_json::json!({ "name": member.name, "roles": roles, "version": member.version })
        .to_string()
}
