//! How far batches are.

use quittance_kernel::{BatchId, MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use crate::domain::rail::Progress;

#[derive(FromQueryResult)]
struct BatchRow {
    id: Uuid,
    state: String,
    created_by: Uuid,
    created_at: Timestamp,
    item_count: i64,
}

/// Reads a batch and counts its payouts by state.
pub(crate) async fn progress<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    batch: BatchId,
) -> Result<Option<Progress>, DbErr> {
    let backend = conn.get_database_backend();
    let text = "SELECT id, state, created_by, created_at, item_count FROM batches \
                WHERE organization_id = ";
    let sql = Sql::new(backend, "").bind(text, organization.0).bind(" AND id = ", batch.0);
    let Some(row) = sql.one::<BatchRow, _>(conn).await? else { return Ok(None) };
    let text = "SELECT state, count(*) FROM payouts WHERE organization_id = ";
    let rows = Sql::new(backend, "")
        .bind(text, organization.0)
        .bind(" AND batch_id = ", batch.0)
        .push(" GROUP BY state ORDER BY state")
        .rows(conn)
        .await?;
    let counts: Result<_, DbErr> =
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect();
    Ok(Some(Progress {
        id: BatchId(row.id),
        state: row.state,
        created_by: MemberId(row.created_by),
        created_at: row.created_at,
        item_count: row.item_count,
        counts: counts?,
    }))
}
