//! Claims to bounties.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_events::{ClaimState as Told, kind};
use quittance_kernel::{BountyId, ClaimId, IssueId, MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::bounty::{Bounty, ClaimMode};
use crate::domain::claim::{Claim, ClaimState};

/// How many claims are shown with a bounty.
const SHOWN: i64 = 200;
/// How many claims one sweep of an organization expires.
const SWEPT: i64 = 500;

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    bounty_id: Uuid,
    member_id: Uuid,
    state: String,
    expires_at: DateTime<Utc>,
    issue_id: Option<Uuid>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

#[derive(FromQueryResult)]
struct Tenant {
    organization_id: Uuid,
}

const COLUMNS: &str =
    "id, bounty_id, member_id, state, expires_at, issue_id, version, created_at, updated_at";

impl Row {
    fn read(self) -> Result<Claim, StoreError> {
        let corrupt = StoreError::Corrupt { table: "claims", id: self.id, column: "state" };
        Ok(Claim {
            id: ClaimId(self.id),
            bounty: BountyId(self.bounty_id),
            member: MemberId(self.member_id),
            state: ClaimState::parse(&self.state).ok_or(corrupt)?,
            expires_at: self.expires_at,
            issue: self.issue_id.map(IssueId),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn select<C: ConnectionTrait>(conn: &C, organization: OrganizationId) -> Sql {
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT ");
    sql.push(COLUMNS).bind(" FROM claims WHERE organization_id = ", organization.0);
    sql
}

/// Lists the claims of a bounty, the latest first; only those of one member when given.
pub(crate) async fn of_bounty<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    bounty: BountyId,
    member: Option<MemberId>,
) -> Result<Vec<Claim>, StoreError> {
    let mut sql = select(conn, organization);
    sql.bind(" AND bounty_id = ", bounty.0);
    if let Some(member) = member {
        sql.bind(" AND member_id = ", member.0);
    }
    sql.bind(" ORDER BY created_at DESC, id DESC LIMIT ", SHOWN);
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// The claim of a member that is active by the row. The bounty must be locked.
pub(crate) async fn active(tx: &Tx, bounty: BountyId) -> Result<Option<Claim>, StoreError> {
    let conn = tx.conn();
    let mut sql = select(conn, tx.ctx().organization());
    sql.bind(" AND bounty_id = ", bounty.0)
        .bind(" AND member_id = ", tx.ctx().member().0)
        .push(" AND state = 'active'");
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// One claim of a bounty. The bounty must be locked.
pub(crate) async fn load(
    tx: &Tx,
    bounty: BountyId,
    claim: ClaimId,
) -> Result<Option<Claim>, StoreError> {
    let conn = tx.conn();
    let mut sql = select(conn, tx.ctx().organization());
    sql.bind(" AND bounty_id = ", bounty.0).bind(" AND id = ", claim.0);
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// The claim that work was handed in for. The issue must be locked.
pub(crate) async fn of_issue(tx: &Tx, issue: IssueId) -> Result<Option<Claim>, StoreError> {
    let conn = tx.conn();
    let mut sql = select(conn, tx.ctx().organization());
    sql.bind(" AND issue_id = ", issue.0);
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// How many claims of a bounty stand there.
pub(crate) async fn count(
    tx: &Tx,
    bounty: BountyId,
    states: &'static str,
) -> Result<i64, StoreError> {
    let conn = tx.conn();
    let text = "SELECT count(*) AS n FROM claims WHERE organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, tx.ctx().organization().0).bind(" AND bounty_id = ", bounty.0).push(states);
    Ok(sql.one::<Count, _>(conn).await?.map_or(0, |count| count.n))
}

/// The places that are held, once what has expired is written down.
pub(crate) const HELD: &str = " AND state IN ('active', 'submitted', 'accepted')";
/// Those whose work is under way.
pub(crate) const WORKING: &str = " AND state IN ('active', 'submitted')";
pub(crate) const ACCEPTED: &str = " AND state = 'accepted'";

/// Writes down which claims have expired: of one bounty, or of all in the organization (some, by a
/// sweep). Returns how many.
pub(crate) async fn expire(tx: &mut Tx, bounty: Option<BountyId>) -> Result<usize, StoreError> {
    let now = tx.ctx().now;
    let organization = tx.ctx().organization().0;
    let mut sql = Sql::new(tx.conn().get_database_backend(), "");
    sql.bind("UPDATE claims SET state = 'expired', version = version + 1, updated_at = ", now)
        .bind(" WHERE id IN (SELECT c.id FROM claims c WHERE c.organization_id = ", organization)
        .bind(" AND c.state = 'active' AND c.expires_at <= ", now);
    if let Some(bounty) = bounty {
        sql.bind(" AND c.bounty_id = ", bounty.0);
    }
    // The state once more: somebody may have handed work in since the inner look.
    sql.bind(" ORDER BY c.id LIMIT ", SWEPT)
        .push(") AND state = 'active' RETURNING ")
        .push(COLUMNS);
    let rows = sql.all::<Row, _>(tx.conn()).await?;
    let count = rows.len();
    for row in rows {
        let claim = row.read()?;
        let entry = Entry::new(kind::CLAIM_EXPIRED, "claim", claim.id.0).after(audited(&claim));
        tx.record(entry, kind::CLAIM_EXPIRED, told(&claim));
    }
    Ok(count)
}

/// The organizations in which claims are to be expired.
pub(crate) async fn overdue<C: ConnectionTrait>(
    conn: &C,
    now: Timestamp,
) -> Result<Vec<OrganizationId>, StoreError> {
    let text =
        "SELECT DISTINCT organization_id FROM claims WHERE state = 'active' AND expires_at <= ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, now).push(" LIMIT 1000");
    let tenants = sql.all::<Tenant, C>(conn).await?;
    Ok(tenants.into_iter().map(|tenant| OrganizationId(tenant.organization_id)).collect())
}

/// Writes a new claim.
pub(crate) async fn insert(
    tx: &mut Tx,
    bounty: &Bounty,
    claim: Claim,
) -> Result<Claim, StoreError> {
    let saved = Claim { version: 1, updated_at: tx.ctx().now, ..claim };
    let single = bounty.mode == ClaimMode::Single;
    let row = Insert::into("claims")
        .column("id", Column::same_uuid(Some(saved.id.0)))
        .column("organization_id", Column::same_uuid(Some(bounty.organization.0)))
        .column("bounty_id", Column::same_uuid(Some(saved.bounty.0)))
        .column("member_id", Column::same_uuid(Some(saved.member.0)))
        .column("state", Column::same_text(Some(saved.state.as_str())))
        .column("single", Column::Same(single.into(), "boolean"))
        .column("expires_at", Column::same_time(Some(saved.expires_at)))
        .column("issue_id", Column::same_uuid(saved.issue.map(|issue| issue.0)))
        .column("version", Column::same_i64(Some(saved.version)))
        .column("created_at", Column::same_time(Some(saved.created_at)))
        .column("updated_at", Column::same_time(Some(saved.updated_at)));
    tx.insert(row).await?;
    let entry = Entry::new(kind::CLAIM_CREATED, "claim", saved.id.0).after(audited(&saved));
    tx.record(entry, kind::CLAIM_CREATED, told(&saved));
    Ok(saved)
}

/// Writes what became of a claim.
pub(crate) async fn update(tx: &mut Tx, before: &Claim, claim: Claim) -> Result<Claim, StoreError> {
    let saved = Claim { version: before.version + 1, updated_at: tx.ctx().now, ..claim };
    let row = Update::of("claims", "id", vec![saved.id.0], vec![before.version])
        .set("state", Column::same_text(Some(saved.state.as_str())))
        .set("issue_id", Column::same_uuid(saved.issue.map(|issue| issue.0)))
        .set("updated_at", Column::same_time(Some(saved.updated_at)));
    let mut set = WriteSet::new();
    set.update(row);
    tx.write(set).await?;
    let entry = Entry::new(kind::CLAIM_UPDATED, "claim", saved.id.0);
    tx.record(entry.change(audited(before), audited(&saved)), kind::CLAIM_UPDATED, told(&saved));
    Ok(saved)
}

fn audited(claim: &Claim) -> String {
    serde_json::json!({
        "bountyId": claim.bounty.to_string(),
        "memberId": claim.member.to_string(),
        "state": claim.state.as_str(),
        "issueId": claim.issue.map(|issue| issue.to_string()),
        "version": claim.version,
    })
    .to_string()
}

fn told(claim: &Claim) -> Told {
    Told {
        claim_id: claim.id.0,
        version: claim.version,
        bounty_id: claim.bounty.0,
        member_id: claim.member.0,
        status: claim.state.as_str().to_owned(),
        expires_at: claim.expires_at,
        issue_id: claim.issue.map(|issue| issue.0),
    }
}
