//! Payouts and their items, as they are read.

use quittance_chassis::db::Db;
use quittance_kernel::{
    BatchId, EarningId, IssueId, MemberId, OrganizationId, PayoutId, PayoutItemId, Timestamp,
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::payout::{Payout, PayoutItem, PayoutState};

#[derive(FromQueryResult)]
pub(super) struct Row {
    id: Uuid,
    batch_id: Option<Uuid>,
    payee_id: Uuid,
    amount_minor: i64,
    netted_minor: i64,
    currency: String,
    method: String,
    reference: String,
    state: String,
    item_count: i64,
    paid_at: Option<Timestamp>,
    created_by: Uuid,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, batch_id, payee_id, amount_minor, netted_minor, currency, method, reference, \
    state, item_count, paid_at, created_by, version, created_at, updated_at FROM payouts \
    WHERE organization_id = ";

/// Which payouts are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    /// Only this payee's.
    pub(crate) payee: Option<MemberId>,
    pub(crate) state: Option<PayoutState>,
}

/// Reads one payout.
pub(crate) async fn find(
    db: &Db,
    organization: OrganizationId,
    id: PayoutId,
) -> Result<Option<Payout>, StoreError> {
    let sql = Sql::new(db.backend(), "").bind(SELECT, organization.0).bind(" AND id = ", id.0);
    sql.one::<Row, _>(db.conn()).await?.map(payout).transpose()
}

/// Reads one payout and locks it until the transaction ends.
pub(crate) async fn lock<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: PayoutId,
) -> Result<Option<Payout>, StoreError> {
    let backend = conn.get_database_backend();
    let sql = Sql::new(backend, "").bind(SELECT, organization.0).bind(" AND id = ", id.0);
    sql.for_update().one::<Row, _>(conn).await?.map(payout).transpose()
}

/// Reads payouts and locks them until the transaction ends.
pub(crate) async fn lock_all<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    ids: Vec<Uuid>,
) -> Result<Vec<Payout>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "").bind(SELECT, organization.0);
    let sql = sql.one_of(" AND id", ids).push(" ORDER BY id").for_update();
    sql.all::<Row, _>(conn).await?.into_iter().map(payout).collect()
}

/// Reads payouts, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: Filter,
    before: Option<PayoutId>,
    limit: u32,
) -> Result<Vec<Payout>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind_some(" AND payee_id = ", filter.payee.map(|payee| payee.0))
        .bind_some(" AND state = ", filter.state.map(PayoutState::as_str))
        .bind_some(" AND id < ", before.map(|id| id.0))
        .bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(payout).collect()
}

pub(super) fn payout(row: Row) -> Result<Payout, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "payouts", id: row.id, column };
    let state = PayoutState::ALL
        .iter()
        .copied()
        .find(|state| state.as_str() == row.state)
        .ok_or(corrupt("state"))?;
    Ok(Payout {
        id: PayoutId(row.id),
        batch: row.batch_id.map(BatchId),
        payee: MemberId(row.payee_id),
        amount: money("payouts", row.id, row.amount_minor, &row.currency)?,
        netted_minor: row.netted_minor,
        // Empty until a partner's payout is paid.
        method: match row.method.as_str() {
            "" => None,
            word => Some(word.parse().map_err(|_| corrupt("method"))?),
        },
        reference: row.reference,
        state,
        item_count: row.item_count,
        paid_at: row.paid_at,
        created_by: MemberId(row.created_by),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

#[derive(FromQueryResult)]
struct ItemRow {
    id: Uuid,
    earning_id: Uuid,
    issue_id: Uuid,
    amount_minor: i64,
    currency: String,
    live: bool,
}

/// Reads the first items of a payout.
pub(crate) async fn items(
    db: &Db,
    organization: OrganizationId,
    id: PayoutId,
    limit: u32,
) -> Result<Vec<PayoutItem>, StoreError> {
    let text = "SELECT id, earning_id, issue_id, amount_minor, currency, live FROM payout_items \
                WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind(" AND payout_id = ", id.0)
        .bind(" ORDER BY id LIMIT ", i64::from(limit));
    let rows = sql.all::<ItemRow, _>(db.conn()).await?;
    rows.into_iter()
        .map(|row| {
            Ok(PayoutItem {
                id: PayoutItemId(row.id),
                earning: EarningId(row.earning_id),
                issue: IssueId(row.issue_id),
                amount: money("payout_items", row.id, row.amount_minor, &row.currency)?,
                live: row.live,
            })
        })
        .collect()
}
