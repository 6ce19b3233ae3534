//! Payouts as they are looked at before they are undone, and the steps that they have taken.

use std::collections::{HashMap, HashSet};

use quittance_chassis::db::Db;
use quittance_kernel::{
    IssueId, MemberId, Money, OrganizationId, PayoutId, PayoutItemId, Timestamp,
};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::earning::read;
use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::lifecycle::{Held, Step};
use crate::domain::payout::PayoutState;

/// The columns of an earning come first, as its reader wants them.
const HELD: &str = "SELECT e.id, e.source_id, e.cycle_id, e.payee_id, e.amount_minor, e.currency, \
    e.status, e.version, e.source_version, e.payout_id, e.organization_id, i.id, i.live, \
    i.amount_minor, i.payout_id FROM payout_items i JOIN earnings e ON e.id = i.earning_id \
    WHERE i.organization_id = ";

/// Reads all items of a payout with their earnings and locks them, in the order in which payments
/// lock them.
pub(crate) async fn hold<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<Vec<Held>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(HELD, organization.0)
        .bind(" AND i.payout_id = ", payout.0)
        .push(" ORDER BY e.id")
        .for_update();
    sql.rows(conn).await?.iter().map(held).collect()
}

/// The same of several payouts.
pub(crate) async fn hold_all<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payouts: Vec<Uuid>,
) -> Result<HashMap<PayoutId, Vec<Held>>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(HELD, organization.0)
        .one_of(" AND i.payout_id", payouts)
        .push(" ORDER BY e.id")
        .for_update();
    let mut items: HashMap<PayoutId, Vec<Held>> = HashMap::new();
    for row in &sql.rows(conn).await? {
        items.entry(PayoutId(row.try_get_by_index(14)?)).or_default().push(held(row)?);
    }
    Ok(items)
}

fn held(row: &QueryResult) -> Result<Held, StoreError> {
    let earning = read(row)?;
    let amount = Money::signed(row.try_get_by_index(13)?, earning.amount.currency());
    let item = PayoutItemId(row.try_get_by_index(11)?);
    Ok(Held { item, live: row.try_get_by_index(12)?, amount, earning })
}

/// Tells whether a payout pays a partner, for commissions or by hand.
pub(crate) async fn is_of_partner<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<bool, DbErr> {
    let text = "SELECT 1 FROM payouts WHERE source <> 'issue' AND organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "").bind(text, organization.0);
    Ok(!sql.bind(" AND id = ", payout.0).rows(conn).await?.is_empty())
}

/// Which of these issues are live items of a payout.
pub(crate) async fn in_payouts(
    db: &Db,
    organization: OrganizationId,
    issues: Vec<Uuid>,
) -> Result<HashSet<IssueId>, DbErr> {
    let text = "SELECT i.issue_id FROM payout_items i JOIN earnings e ON e.id = i.earning_id \
                WHERE i.live AND e.source_kind = 'issue' AND e.organization_id = ";
    let sql = Sql::new(db.backend(), "").bind(text, organization.0);
    let rows = sql.one_of(" AND e.source_id", issues).rows(db.conn()).await?;
    rows.iter().map(|row| Ok(IssueId(row.try_get_by_index(0)?))).collect()
}

#[derive(FromQueryResult)]
struct StepRow {
    id: Uuid,
    from_state: String,
    to_state: String,
    reason: String,
    actor_id: Uuid,
    item_count: i64,
    amount_minor: i64,
    currency: String,
    created_at: Timestamp,
}

/// Reads the steps of a payout, in the order in which they happened.
pub(crate) async fn steps(
    db: &Db,
    organization: OrganizationId,
    payout: PayoutId,
    limit: u32,
) -> Result<Vec<Step>, StoreError> {
    let text = "SELECT id, from_state, to_state, reason, actor_id, item_count, amount_minor, \
                currency, created_at FROM payout_steps WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind(" AND payout_id = ", payout.0)
        .bind(" ORDER BY created_at, id LIMIT ", i64::from(limit));
    sql.all::<StepRow, _>(db.conn()).await?.into_iter().map(step).collect()
}

fn step(row: StepRow) -> Result<Step, StoreError> {
    let state = |word: &str, column| {
        let found = PayoutState::ALL.iter().copied().find(|state| state.as_str() == word);
        found.ok_or(StoreError::Corrupt { table: "payout_steps", id: row.id, column })
    };
    Ok(Step {
        from: state(&row.from_state, "from_state")?,
        to: state(&row.to_state, "to_state")?,
        amount: money("payout_steps", row.id, row.amount_minor, &row.currency)?,
        reason: row.reason,
        actor: MemberId(row.actor_id),
        at: row.created_at,
        item_count: row.item_count,
    })
}
