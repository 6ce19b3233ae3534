//! What a run looks at: earnings that are approved and not paid.

use quittance_chassis::db::Db;
use quittance_kernel::{Currency, EarningId, OrganizationId};

use super::StoreError;
use super::earning::{SELECT, read};
use super::sql::Sql;
use crate::domain::earning::Earning;
use crate::domain::plan::Filters;

/// Reads what is due, in the order of the earnings' ids: at most `limit`, those after `after`.
pub(crate) async fn due(
    db: &Db,
    organization: OrganizationId,
    filters: &Filters,
    after: Option<EarningId>,
    limit: usize,
) -> Result<Vec<Earning>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" = ", organization.0)
        .push(" AND status = 'approved'")
        .bind_some(
            " AND cycle_id IN (SELECT k.cycle_id FROM known_cycles k \
             WHERE k.organization_id = earnings.organization_id AND k.product_id = ",
            filters.product.map(|product| product.0),
        )
        .push(if filters.product.is_some() { ")" } else { "" })
        .bind_some(" AND cycle_id = ", filters.cycle.map(|cycle| cycle.0))
        .bind_some(" AND payee_id = ", filters.payee.map(|payee| payee.0))
        .bind_some(" AND currency = ", filters.currency.map(Currency::code))
        .bind_some(" AND approved_at >= ", filters.start)
        .bind_some(" AND approved_at < ", filters.end)
        .bind_some(" AND id > ", after.map(|id| id.0))
        .bind(" ORDER BY id LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    sql.rows(db.conn()).await?.iter().map(read).collect()
}
