//! Accounts that providers pay to, and how far batches are.
//!
//! Payout accounts with an onboarding of their own take the place of `rail_accounts` in
//! [`accounts`], the only reader.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Entry, Insert, Journal, WriteSet};
use quittance_kernel::{BatchId, Ctx, MemberId, Method, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use crate::domain::rail::{Progress, is_onboarded};

/// The accounts of these members that can be paid to.
pub(crate) async fn accounts<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    rail: Method,
    members: Vec<Uuid>,
) -> Result<HashMap<MemberId, String>, DbErr> {
    let text = "SELECT member_id, account_id FROM rail_accounts WHERE organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND rail = ", rail.as_str())
        .one_of(" AND member_id", members);
    let mut accounts = HashMap::new();
    for row in sql.rows(conn).await? {
        let account: String = row.try_get_by_index(1)?;
        if is_onboarded(&account) {
            accounts.insert(MemberId(row.try_get_by_index(0)?), account);
        }
    }
    Ok(accounts)
}

/// Row and audit of an account.
pub(crate) fn set_account(
    ctx: &Ctx,
    service: &'static str,
    member: MemberId,
    rail: Method,
    account: &str,
) -> WriteSet {
    let mut set = WriteSet::new();
    set.insert(
        Insert::into("rail_accounts")
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("member_id", Column::Uuid(vec![member.0]))
            .column("rail", Column::same_text(Some(rail.as_str())))
            .column("account_id", Column::same_text(Some(account)))
            .column("updated_at", Column::same_time(Some(ctx.now)))
            .on_conflict(
                "ON CONFLICT (organization_id, member_id, rail) DO UPDATE \
                 SET account_id = excluded.account_id, updated_at = excluded.updated_at",
            ),
    );
    let mut journal = Journal::new(service);
    let after = serde_json::json!({ "rail": rail.as_str(), "accountId": account });
    let entry = Entry::new("rail_account.set", "member", member.0).after(after.to_string());
    journal.note(ctx, entry);
    journal.write_to(ctx, &mut set);
    set
}

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
