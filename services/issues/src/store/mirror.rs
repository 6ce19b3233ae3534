//! The mirror of payments: what payouts said of the earnings of issues.

use chrono::{DateTime, Utc};
use quittance_chassis::db::Tx;
use quittance_events::EarningState;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;

/// An issue that was changed by the mirror.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Mirrored {
    pub(crate) id: Uuid,
    /// `pending`, `approved` or `rejected`.
    pub(crate) review: String,
    pub(crate) reporter_id: Uuid,
    pub(crate) cycle_id: Uuid,
    pub(crate) title: String,
}

#[derive(FromQueryResult)]
struct Known {
    id: Uuid,
}

/// Writes what is newer than what is known, all of it in one statement. Each issue may be named
/// once. Money that came back leaves no payment. The version of the issue moves on, so that whoever decides on the old row is refused.
pub(crate) async fn apply(tx: &Tx, earnings: &[EarningState]) -> Result<Vec<Mirrored>, StoreError> {
    if earnings.is_empty() {
        return Ok(Vec::new());
    }
    let conn = tx.conn();
    let mut sql = Sql::new(
        conn.get_database_backend(),
        "WITH u(k, v, state, payout, paid, minor, code) AS (VALUES ",
    );
    for (place, earning) in earnings.iter().enumerate() {
        let paid_at: Option<DateTime<Utc>> = earning.paid_at;
        sql.typed(if place == 0 { "(" } else { ", (" }, earning.issue_id, "uuid")
            .typed(", ", earning.version, "bigint")
            .typed(", ", earning.status.as_str(), "text")
            .typed(", ", earning.payout_id, "uuid")
            .typed(", ", paid_at, "timestamptz")
            .typed(", ", earning.amount_minor, "bigint")
            .typed(", ", earning.currency.clone(), "text")
            .push(")");
    }
    sql.bind(") UPDATE issues AS t SET updated_at = ", tx.ctx().now)
        .push(
            ", version = t.version + 1, pay_version = u.v, \
             pay_status = CASE WHEN u.state = 'approved' THEN NULL ELSE u.state END, \
             payout_id = CASE WHEN u.state = 'approved' THEN NULL \
             ELSE COALESCE(u.payout, t.payout_id) END, \
             paid_at = CASE WHEN u.state = 'approved' THEN NULL \
             ELSE COALESCE(u.paid, t.paid_at) END, \
             paid_minor = CASE WHEN u.state = 'approved' THEN NULL ELSE u.minor END, \
             paid_currency = CASE WHEN u.state = 'approved' THEN NULL ELSE u.code END \
             FROM u WHERE t.id = u.k AND t.pay_version < u.v",
        )
        .bind(" AND t.organization_id = ", tx.ctx().organization().0)
        .push(" RETURNING id, review, reporter_id, cycle_id, title");
    Ok(sql.all::<Mirrored, _>(conn).await?)
}

/// Which of these issues exist in the organization.
pub(crate) async fn known(tx: &Tx, ids: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT id FROM issues WHERE ");
    sql.bind("organization_id = ", tx.ctx().organization().0).one_of(" AND id", ids);
    Ok(sql.all::<Known, _>(conn).await?.into_iter().map(|row| row.id).collect())
}
