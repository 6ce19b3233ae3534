//! Pay facts: one statement, whatever the number of issues.

use quittance_kernel::{CycleId, IssueId, IssueStatus, MemberId, Money, OrganizationId};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::facts::PayFact;
use crate::domain::gate;
use crate::domain::review::Stand;
use crate::domain::sight::Sight;
use crate::domain::status::is_verified;

struct Row {
    id: Uuid,
    reporter_id: Uuid,
    cycle_id: Uuid,
    status: String,
    review: String,
    amount_minor: Option<i64>,
    currency: Option<String>,
    version: i64,
    cycle_gate: Option<bool>,
    product_gate: Option<bool>,
}

/// By position: looking columns up by name costs more than reading them when there are thousands.
impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get_by_index(0)?,
            reporter_id: row.try_get_by_index(1)?,
            cycle_id: row.try_get_by_index(2)?,
            status: row.try_get_by_index(3)?,
            review: row.try_get_by_index(4)?,
            amount_minor: row.try_get_by_index(5)?,
            currency: row.try_get_by_index(6)?,
            version: row.try_get_by_index(7)?,
            cycle_gate: row.try_get_by_index(8)?,
            product_gate: row.try_get_by_index(9)?,
        })
    }
}

const SELECT: &str = "SELECT i.id, i.reporter_id, i.cycle_id, i.status, i.review, i.amount_minor, \
    i.currency, i.version, c.requires_verification, p.requires_verification FROM issues i JOIN cycles c ON c.id = i.cycle_id \
    JOIN products p ON p.id = i.product_id WHERE i.organization_id = ";

/// Reads the facts of those issues that exist and that the caller may see.
pub(crate) async fn read<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    ids: Vec<Uuid>,
) -> Result<Vec<PayFact>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(SELECT, organization.0).one_of(" AND i.id", ids).seen_by(sight);
    sql.all::<Row, C>(conn).await?.into_iter().map(|row| fact(&row)).collect()
}

fn fact(row: &Row) -> Result<PayFact, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "issues", id: row.id, column };
    let review = match row.review.as_str() {
        "pending" => Stand::Pending,
        "approved" => Stand::Approved,
        "rejected" => Stand::Rejected,
        _ => return Err(corrupt("review")),
    };
    let amount = match (row.amount_minor, row.currency.as_deref()) {
        (Some(minor), Some(code)) => {
            Some(Money::signed(minor, code.parse().map_err(|_| corrupt("currency"))?))
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(corrupt("amount_minor")),
    };
    let status: IssueStatus = row.status.parse().map_err(|_| corrupt("status"))?;
    Ok(PayFact {
        issue: IssueId(row.id),
        reporter: MemberId(row.reporter_id),
        cycle: CycleId(row.cycle_id),
        review,
        amount,
        gate: gate::effective(row.cycle_gate, row.product_gate).required,
        verified: is_verified(status),
        version: row.version,
    })
}
