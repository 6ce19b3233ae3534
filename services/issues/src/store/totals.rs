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
    paid: bool,
    currency: String,
    sum: i64,
    n: i64,
}

/// A set of issues and the columns of their amounts.
struct Part {
    paid: bool,
    minor: &'static str,
    currency: &'static str,
    condition: &'static str,
}

/// Approved for an amount, not paid and not void. Points are no amount.
const UNPAID: Part = Part {
    paid: false,
    minor: "amount_minor",
    currency: "currency",
    condition: " AND review = 'approved' AND amount_minor IS NOT NULL AND pay_status IS NULL",
};

const PAID: Part = Part {
    paid: true,
    minor: "paid_minor",
    currency: "paid_currency",
    condition: " AND pay_status = 'paid'",
};

const UNVERIFIED: Part = Part {
    condition: " AND review = 'approved' AND amount_minor IS NOT NULL AND pay_status IS NULL \
                AND status NOT IN ('verified', 'closed')",
    ..UNPAID
};

fn select(sql: &mut Sql, (organization, cycle): (OrganizationId, CycleId), part: &Part) {
    let paid = if part.paid { "SELECT TRUE" } else { "SELECT FALSE" };
    sql.push(paid)
        .push(" AS paid, ")
        .push(part.currency)
        .push(" AS currency, CAST(SUM(")
        .push(part.minor)
        .push(") AS bigint) AS sum, count(*) AS n FROM issues")
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND cycle_id = ", cycle.0)
        .push(part.condition)
        .push(" GROUP BY ")
        .push(part.currency);
}

fn totals(rows: Vec<Row>, cycle: CycleId) -> Result<Vec<Total>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let corrupt = StoreError::Corrupt { table: "issues", id: cycle.0, column: "currency" };
            let currency = row.currency.parse().map_err(|_| corrupt)?;
            Ok(Total { sum: Money::signed(row.sum, currency), count: row.n })
        })
        .collect()
}

/// Sums what is approved and neither paid nor void, and what was paid, in the amounts that were
/// paid. One statement sees one moment: between two, a payment would count on both sides.
pub(crate) async fn unpaid_and_paid<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, CycleId),
) -> Result<(Vec<Total>, Vec<Total>), StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    select(&mut sql, whose, &UNPAID);
    sql.push(" UNION ALL ");
    select(&mut sql, whose, &PAID);
    sql.push(" ORDER BY currency");
    let rows = sql.all::<Row, C>(conn).await?;
    let (paid, unpaid): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.paid);
    Ok((totals(unpaid, whose.1)?, totals(paid, whose.1)?))
}

/// Sums what is approved, unpaid and not verified: what a gate holds back.
pub(crate) async fn unverified<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, CycleId),
) -> Result<Vec<Total>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    select(&mut sql, whose, &UNVERIFIED);
    sql.push(" ORDER BY currency");
    totals(sql.all::<Row, C>(conn).await?, whose.1)
}
