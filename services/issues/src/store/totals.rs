//! Sums over the issues of a cycle, currency by currency.

use quittance_kernel::{CycleId, Money, OrganizationId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::StoreError;
use super::sql::Sql;

/// A sum and how many amounts are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub sum: Money,
    pub count: i64,
}

#[derive(FromQueryResult)]
struct Row {
    currency: String,
    sum: i64,
    n: i64,
}

/// Approved, not paid and not void.
const COMMITTED: &str = " AND review = 'approved' AND pay_status IS NULL";

async fn sums<C: ConnectionTrait>(
    conn: &C,
    (organization, cycle): (OrganizationId, CycleId),
    (minor, currency): (&str, &str),
    condition: &str,
) -> Result<Vec<Total>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT ");
    sql.push(currency)
        .push(" AS currency, CAST(SUM(")
        .push(minor)
        .push(") AS bigint) AS sum, count(*) AS n FROM issues")
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND cycle_id = ", cycle.0)
        .push(condition)
        .push(" GROUP BY ")
        .push(currency)
        .push(" ORDER BY ")
        .push(currency);
    let rows = sql.all::<Row, C>(conn).await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = StoreError::Corrupt { table: "issues", id: cycle.0, column: "currency" };
            let currency = row.currency.parse().map_err(|_| corrupt)?;
            Ok(Total { sum: Money::signed(row.sum, currency), count: row.n })
        })
        .collect()
}

/// Sums what is approved and neither paid nor void.
pub(crate) async fn approved_unpaid<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, CycleId),
) -> Result<Vec<Total>, StoreError> {
    sums(conn, whose, ("amount_minor", "currency"), COMMITTED).await
}

/// Sums what was paid, in the amounts that were paid.
pub(crate) async fn paid<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, CycleId),
) -> Result<Vec<Total>, StoreError> {
    sums(conn, whose, ("paid_minor", "paid_currency"), " AND pay_status = 'paid'").await
}

/// Sums what is approved, unpaid and not verified: what a gate holds back.
pub(crate) async fn unverified<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, CycleId),
) -> Result<Vec<Total>, StoreError> {
    let condition = format!("{COMMITTED} AND status NOT IN ('verified', 'closed')");
    sums(conn, whose, ("amount_minor", "currency"), &condition).await
}
