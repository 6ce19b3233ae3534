//! The reward pool: grants, and how it grew.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_events::{PointsState, kind};
use quittance_kernel::{IssueId, MemberId, OrganizationId, ProductId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, product};
use crate::domain::issue::Issue;
use crate::domain::pool::{Expansion, Pool, Standing, expansion};

/// How many expansions are shown.
const SHOWN: i64 = 50;

#[derive(FromQueryResult)]
struct Sum {
    points: i64,
}

#[derive(FromQueryResult)]
struct StandingRow {
    member_id: Uuid,
    name: Option<String>,
    points: i64,
}

#[derive(FromQueryResult)]
struct ExpansionRow {
    before_points: i64,
    after_points: i64,
    issue_id: Uuid,
    created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct GrantRow {
    id: Uuid,
    points: i64,
    version: i64,
}

async fn granted<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    product: ProductId,
) -> Result<i64, StoreError> {
    let text = "SELECT CAST(COALESCE(SUM(points), 0) AS bigint) AS points FROM points_grants \
                WHERE revoked_at IS NULL AND organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, organization.0).bind(" AND product_id = ", product.0);
    Ok(sql.one::<Sum, C>(conn).await?.map_or(0, |sum| sum.points))
}

/// Reads the pool of a product.
pub(crate) async fn read<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: ProductId,
) -> Result<Option<Pool>, StoreError> {
    let Some(product) = product::find(conn, organization, id).await? else { return Ok(None) };
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(
        "SELECT g.member_id, m.name, CAST(SUM(g.points) AS bigint) AS points \
         FROM points_grants g LEFT JOIN members m ON m.id = g.member_id \
         WHERE g.revoked_at IS NULL AND g.organization_id = ",
        organization.0,
    )
    .bind(" AND g.product_id = ", id.0)
    .push(" GROUP BY g.member_id, m.name ORDER BY points DESC, g.member_id");
    let standings: Vec<Standing> = sql
        .all::<StandingRow, C>(conn)
        .await?
        .into_iter()
        .map(|row| Standing {
            member: MemberId(row.member_id),
            name: row.name.unwrap_or_default(),
            points: row.points,
        })
        .collect();
    let text = "SELECT before_points, after_points, issue_id, created_at FROM pool_expansions \
                WHERE organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, organization.0)
        .bind(" AND product_id = ", id.0)
        .bind(" ORDER BY created_at DESC, id DESC LIMIT ", SHOWN);
    let rows = sql.all::<ExpansionRow, C>(conn).await?;
    let expansions = rows
        .into_iter()
        .map(|row| Expansion {
            before: row.before_points,
            after: row.after_points,
            issue: IssueId(row.issue_id),
            at: row.created_at,
        })
        .collect();
    Ok(Some(Pool {
        product: id,
        capacity: product.capacity_points,
        granted: standings.iter().map(|standing| standing.points).sum(),
        fee_bps: product.platform_fee_bps,
        standings,
        expansions,
    }))
}

/// Grants the points of an accepted submission, and records it when the pool grows by them. Other
/// grants of the product wait until the transaction ends.
pub(super) async fn grant(tx: &mut Tx, issue: &Issue, points: i64) -> Result<(), StoreError> {
    let (ctx, now) = (tx.ctx().clone(), tx.ctx().now);
    let organization = ctx.organization();
    let product = product::load(tx, issue.product).await?.ok_or(StoreError::Stale)?;
    let before = granted(tx.conn(), organization, issue.product).await?;
    let id = Uuid::now_v7();
    let bounty = issue.bounty.ok_or(StoreError::Stale)?;
    let mut set = WriteSet::new();
    set.insert(
        Insert::into("points_grants")
            .column("id", Column::same_uuid(Some(id)))
            .column("organization_id", Column::same_uuid(Some(organization.0)))
            .column("product_id", Column::same_uuid(Some(issue.product.0)))
            .column("bounty_id", Column::same_uuid(Some(bounty.0)))
            .column("issue_id", Column::same_uuid(Some(issue.id.0)))
            .column("member_id", Column::same_uuid(Some(issue.reporter.0)))
            .column("points", Column::same_i64(Some(points)))
            .column("granted_by", Column::same_uuid(Some(ctx.member().0)))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", Column::same_time(Some(now))),
    );
    if let Some((from, to)) = expansion(product.capacity_points, before, points) {
        set.insert(
            Insert::into("pool_expansions")
                .column("id", Column::same_uuid(Some(Uuid::now_v7())))
                .column("organization_id", Column::same_uuid(Some(organization.0)))
                .column("product_id", Column::same_uuid(Some(issue.product.0)))
                .column("issue_id", Column::same_uuid(Some(issue.id.0)))
                .column("before_points", Column::same_i64(Some(from)))
                .column("after_points", Column::same_i64(Some(to)))
                .column("created_at", Column::same_time(Some(now))),
        );
    }
    tx.write(set).await?;
    let state = PointsState {
        grant_id: id,
        version: 1,
        product_id: issue.product.0,
        bounty_id: bounty.0,
        issue_id: issue.id.0,
        member_id: issue.reporter.0,
        points,
        capacity_points: product.capacity_points,
        granted_points: before + points,
    };
    let entry = Entry::new(kind::POINTS_GRANTED, "points", id).after(audited(&state));
    tx.record(entry, kind::POINTS_GRANTED, state);
    Ok(())
}

/// Takes the points of a submission back whose approval was.
pub(super) async fn revoke(tx: &mut Tx, issue: &Issue) -> Result<(), StoreError> {
    let organization = tx.ctx().organization();
    let product = product::load(tx, issue.product).await?.ok_or(StoreError::Stale)?;
    let text = "SELECT id, points, version FROM points_grants WHERE revoked_at IS NULL \
                AND organization_id = ";
    let mut sql = Sql::new(tx.conn().get_database_backend(), "");
    sql.bind(text, organization.0).bind(" AND issue_id = ", issue.id.0);
    let grant = sql.one::<GrantRow, _>(tx.conn()).await?.ok_or(StoreError::Stale)?;
    let mut set = WriteSet::new();
    set.update(
        Update::of("points_grants", "id", vec![grant.id], vec![grant.version])
            .set("revoked_at", Column::same_time(Some(tx.ctx().now))),
    );
    tx.write(set).await?;
    let state = PointsState {
        grant_id: grant.id,
        version: grant.version + 1,
        product_id: issue.product.0,
        bounty_id: issue.bounty.ok_or(StoreError::Stale)?.0,
        issue_id: issue.id.0,
        member_id: issue.reporter.0,
        points: grant.points,
        capacity_points: product.capacity_points,
        granted_points: granted(tx.conn(), organization, issue.product).await?,
    };
    let entry = Entry::new(kind::POINTS_REVOKED, "points", grant.id).after(audited(&state));
    tx.record(entry, kind::POINTS_REVOKED, state);
    Ok(())
}

fn audited(state: &PointsState) -> String {
    serde_json::json!({
        "issueId": state.issue_id.to_string(),
        "memberId": state.member_id.to_string(),
        "points": state.points,
        "grantedPoints": state.granted_points,
        "version": state.version,
    })
    .to_string()
}
