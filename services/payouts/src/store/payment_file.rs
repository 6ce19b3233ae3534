//! What a plan pays to whom, added up by the database.

use quittance_chassis::db::Db;
use quittance_kernel::{MemberId, Money, OrganizationId, PlanId};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};

/// The sums of what a plan includes, by payee and currency; at most `limit`.
pub(crate) async fn sums(
    db: &Db,
    organization: OrganizationId,
    plan: PlanId,
    limit: usize,
) -> Result<Vec<(MemberId, Money)>, StoreError> {
    let text = "SELECT payee_id, currency, CAST(SUM(amount_minor) AS BIGINT) FROM plan_items \
                WHERE reasons IS NULL AND organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0)
        .push(" GROUP BY payee_id, currency ORDER BY payee_id, currency")
        .bind(" LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sql.rows(db.conn()).await?;
    rows.iter()
        .map(|row| {
            let payee: Uuid = row.try_get_by_index(0)?;
            let currency: String = row.try_get_by_index(1)?;
            let minor = row.try_get_by_index(2)?;
            Ok((MemberId(payee), money("plan_items", plan.0, minor, &currency)?))
        })
        .collect()
}
