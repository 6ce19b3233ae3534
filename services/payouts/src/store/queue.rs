//! The pay queue: what is approved and not paid, by payee.

use std::collections::HashMap;

use quittance_chassis::db::Db;
use quittance_kernel::{IssueId, MemberId, Money, OrganizationId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};

/// A sum of earnings of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) amount: Money,
    pub(crate) count: i64,
}

#[derive(FromQueryResult)]
struct SumRow {
    currency: String,
    amount_minor: i64,
    count: i64,
}

#[derive(FromQueryResult)]
struct PayeeRow {
    payee_id: Uuid,
    currency: String,
    amount_minor: i64,
    count: i64,
}

/// A sum of `bigint` is a `numeric` on PostgreSQL.
const SUMS: &str = "currency, CAST(SUM(amount_minor) AS BIGINT) AS amount_minor, \
    count(*) AS count FROM earnings WHERE status = 'approved' AND source_kind = 'issue' \
    AND organization_id = ";

/// Sums over all payees, by currency.
pub(crate) async fn totals(db: &Db, organization: OrganizationId) -> Result<Vec<Sum>, StoreError> {
    let sql = Sql::new(db.backend(), "SELECT ")
        .bind(SUMS, organization.0)
        .push(" GROUP BY currency ORDER BY currency");
    let rows = sql.all::<SumRow, _>(db.conn()).await?;
    rows.into_iter().map(|row| sum(row.amount_minor, &row.currency, row.count)).collect()
}

/// Sums by payee and currency, in the order of the payees' ids: at most `limit` payees, those after
/// `after`.
pub(crate) async fn by_payee(
    db: &Db,
    organization: OrganizationId,
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<(MemberId, Sum)>, StoreError> {
    let sql = Sql::new(db.backend(), "SELECT payee_id, ")
        .bind(SUMS, organization.0)
        .push(
            " AND payee_id IN (SELECT DISTINCT payee_id FROM earnings \
             WHERE status = 'approved' AND source_kind = 'issue'",
        )
        .bind(" AND organization_id = ", organization.0)
        .bind_some(" AND payee_id > ", after.map(|payee| payee.0))
        .bind(" ORDER BY payee_id LIMIT ", i64::from(limit))
        .push(") GROUP BY payee_id, currency ORDER BY payee_id, currency");
    let rows = sql.all::<PayeeRow, _>(db.conn()).await?;
    rows.into_iter()
        .map(|row| Ok((MemberId(row.payee_id), sum(row.amount_minor, &row.currency, row.count)?)))
        .collect()
}

fn sum(minor: i64, currency: &str, count: i64) -> Result<Sum, StoreError> {
    Ok(Sum { amount: money("earnings", Uuid::nil(), minor, currency)?, count })
}

/// The issues of these payees, in the order of their earnings; the first `most` of each.
pub(crate) async fn issues(
    db: &Db,
    organization: OrganizationId,
    payees: Vec<Uuid>,
    most: i64,
) -> Result<HashMap<MemberId, Vec<IssueId>>, StoreError> {
    let text = "SELECT payee_id, source_id FROM (SELECT payee_id, source_id, id, \
                row_number() OVER (PARTITION BY payee_id ORDER BY id) AS place FROM earnings \
                WHERE status = 'approved' AND source_kind = 'issue' AND organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .one_of(" AND payee_id", payees)
        .bind(") AS queue WHERE place <= ", most)
        .push(" ORDER BY payee_id, id");
    let mut issues: HashMap<MemberId, Vec<IssueId>> = HashMap::new();
    for row in sql.rows(db.conn()).await? {
        let payee = MemberId(row.try_get_by_index(0)?);
        issues.entry(payee).or_default().push(IssueId(row.try_get_by_index(1)?));
    }
    Ok(issues)
}
