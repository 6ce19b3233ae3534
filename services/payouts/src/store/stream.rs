//! Earnings with their payments, page by page, for those who rebuild a projection.

use quittance_chassis::db::Db;
use quittance_kernel::{
    CycleId, EarningId, IssueId, MemberId, Method, OrganizationId, PayoutId, Timestamp,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::earning::status_of;
use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::earning::Earning;

/// An earning and how it was paid, if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) earning: Earning,
    pub(crate) method: Option<Method>,
    pub(crate) reference: Option<String>,
    pub(crate) paid_at: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    source_id: Uuid,
    cycle_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: String,
    status: String,
    version: i64,
    source_version: i64,
    payout_id: Option<Uuid>,
    method: Option<String>,
    reference: Option<String>,
    paid_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT e.id, e.source_id, e.cycle_id, e.payee_id, e.amount_minor, e.currency, \
    e.status, e.version, e.source_version, p.id AS payout_id, p.method, p.reference, p.paid_at \
    FROM earnings e LEFT JOIN payouts p ON p.id = e.payout_id AND e.status IN ('paid', 'void') \
    WHERE e.source_kind = 'issue' AND e.organization_id = ";

/// Reads the next earnings after that of issue `after`, in the order of their issues: the unique
/// index that keeps an issue from being owed twice serves them, and each index costs every payment.
pub(crate) async fn page(
    db: &Db,
    organization: OrganizationId,
    after: Option<IssueId>,
    limit: u32,
) -> Result<Vec<Told>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind_some(" AND e.source_id > ", after.map(|id| id.0))
        .bind(" ORDER BY e.source_id LIMIT ", i64::from(limit));
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(told).collect()
}

fn told(row: Row) -> Result<Told, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "payouts", id: row.id, column };
    let method = match &row.method {
        Some(word) => Some(word.parse().map_err(|_| corrupt("method"))?),
        None => None,
    };
    let earning = Earning {
        id: EarningId(row.id),
        issue: IssueId(row.source_id),
        cycle: CycleId(row.cycle_id),
        payee: MemberId(row.payee_id),
        amount: money("earnings", row.id, row.amount_minor, &row.currency)?,
        status: status_of(row.id, &row.status)?,
        version: row.version,
        source_version: row.source_version,
        payout: row.payout_id.map(PayoutId),
    };
    Ok(Told { earning, method, reference: row.reference, paid_at: row.paid_at })
}
