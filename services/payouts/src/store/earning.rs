//! Earnings: rows and their reading.

use std::collections::HashMap;

use quittance_chassis::db::Db;
use quittance_kernel::{CycleId, EarningId, IssueId, MemberId, OrganizationId, PayoutId};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::earning::{Earning, EarningStatus};

pub(super) const TABLE: &str = "earnings";

pub(super) const SELECT: &str = "SELECT id, source_id, cycle_id, payee_id, amount_minor, currency, status, \
    version, source_version, payout_id, organization_id FROM earnings \
    WHERE source_kind = 'issue' AND organization_id";

/// Reads the earnings of these issues, as far as there are any.
pub(crate) async fn of_issues(
    db: &Db,
    organization: OrganizationId,
    issues: Vec<Uuid>,
) -> Result<HashMap<IssueId, Earning>, StoreError> {
    let sql =
        Sql::new(db.backend(), SELECT).bind(" = ", organization.0).one_of(" AND source_id", issues);
    let rows = sql.rows(db.conn()).await?;
    rows.iter().map(|row| read(row).map(|earning| (earning.issue, earning))).collect()
}

/// Reads the earnings of issues of several organizations and locks them, in the order of their ids:
/// the order in which payments lock them.
pub(crate) async fn lock<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    issues: Vec<Uuid>,
) -> Result<Vec<(OrganizationId, Earning)>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .one_of("", organizations)
        .one_of(" AND source_id", issues)
        .push(" ORDER BY id")
        .for_update();
    let rows = sql.rows(conn).await?;
    rows.iter().map(|row| Ok((OrganizationId(row.try_get_by_index(10)?), read(row)?))).collect()
}

/// By position: looking columns up by name costs more than reading them when there are thousands.
pub(super) fn read(row: &QueryResult) -> Result<Earning, StoreError> {
    let id: Uuid = row.try_get_by_index(0)?;
    let minor = row.try_get_by_index(4)?;
    let currency: String = row.try_get_by_index(5)?;
    let status: String = row.try_get_by_index(6)?;
    Ok(Earning {
        id: EarningId(id),
        issue: IssueId(row.try_get_by_index(1)?),
        cycle: CycleId(row.try_get_by_index(2)?),
        payee: MemberId(row.try_get_by_index(3)?),
        amount: money(TABLE, id, minor, &currency)?,
        status: status_of(id, &status)?,
        version: row.try_get_by_index(7)?,
        source_version: row.try_get_by_index(8)?,
        payout: row.try_get_by_index::<Option<Uuid>>(9)?.map(PayoutId),
    })
}

pub(super) fn status_of(id: Uuid, word: &str) -> Result<EarningStatus, StoreError> {
    EarningStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or(StoreError::Corrupt { table: TABLE, id, column: "status" })
}

/// Notes newer versions of issues whose earnings stay as they are. The rows keep their version:
/// nothing about them has changed that a payment would have to know of.
pub(crate) async fn refresh<C: ConnectionTrait>(
    conn: &C,
    rows: Vec<(Uuid, i64)>,
) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let backend = conn.get_database_backend();
    let sql = if backend == sea_orm::DbBackend::Postgres {
        let (ids, versions): (Vec<Uuid>, Vec<i64>) = rows.into_iter().unzip();
        Sql::new(backend, "UPDATE earnings t SET source_version = u.v FROM unnest(")
            .bind("", ids)
            .bind("::uuid[], ", versions)
            .push("::bigint[]) AS u(k, v)")
    } else {
        let values = rows.into_iter().enumerate().fold(
            Sql::new(backend, "WITH u(k, v) AS (VALUES "),
            |sql, (place, (id, version))| {
                sql.bind(if place == 0 { "(" } else { ", (" }, id).bind(", ", version).push(")")
            },
        );
        values.push(") UPDATE earnings AS t SET source_version = u.v FROM u")
    };
    sql.push(" WHERE t.id = u.k AND t.source_version < u.v").execute(conn).await?;
    Ok(())
}
