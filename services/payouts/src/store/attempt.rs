//! Attempts: what is due, and writing down that a provider is about to be called.

use quittance_chassis::db::{Column, Db, Entry, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::attempt::{Attempt, AttemptState};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    payout_id: Uuid,
    number: i64,
    state: String,
    rail: String,
    account_id: String,
    amount_minor: i64,
    currency: String,
    asked: i64,
    version: i64,
}

const DUE: &str = " state IN ('created', 'submitted', 'unknown') AND next_at <= ";

/// The attempts of one organization that are due, the one that has waited longest first: at most
/// `limit`. Organizations take turns, since a transaction is one organization's.
pub(crate) async fn due(
    db: &Db,
    now: Timestamp,
    limit: u32,
) -> Result<Option<(OrganizationId, Vec<Attempt>)>, StoreError> {
    let first = Sql::new(db.backend(), "SELECT organization_id FROM attempts WHERE")
        .bind(DUE, now)
        .push(" ORDER BY next_at, id LIMIT 1");
    let rows = first.rows(db.conn()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let organization = OrganizationId(row.try_get_by_index(0)?);
    let text = "SELECT id, payout_id, number, state, rail, account_id, amount_minor, currency, \
                asked, version FROM attempts WHERE organization_id = ";
    let rows = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .push(" AND")
        .bind(DUE, now)
        .bind(" ORDER BY next_at, id LIMIT ", i64::from(limit))
        .all::<Row, _>(db.conn())
        .await?;
    let attempts: Result<Vec<_>, StoreError> = rows.into_iter().map(attempt).collect();
    Ok(Some((organization, attempts?)))
}

fn attempt(row: Row) -> Result<Attempt, StoreError> {
    let state = AttemptState::ALL.iter().copied().find(|state| state.as_str() == row.state);
    Ok(Attempt {
        id: row.id,
        payout: PayoutId(row.payout_id),
        number: row.number,
        state: state.ok_or(StoreError::Corrupt {
            table: "attempts",
            id: row.id,
            column: "state",
        })?,
        rail: row.rail,
        account: row.account_id,
        amount: money("attempts", row.id, row.amount_minor, &row.currency)?,
        asked: row.asked,
        version: row.version,
    })
}

/// Writes down that these are about to be called; they stay due until their outcome is written.
pub(crate) fn submit(ctx: &Ctx, service: &'static str, attempts: &[&Attempt]) -> WriteSet {
    let mut set = WriteSet::new();
    let ids = attempts.iter().map(|attempt| attempt.id).collect();
    let versions = attempts.iter().map(|attempt| attempt.version).collect();
    set.update(
        Update::of("attempts", "id", ids, versions)
            .set("state", Column::same_text(Some(AttemptState::Submitted.as_str())))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.state = 'created'"),
    );
    let mut journal = Journal::new(service);
    for attempt in attempts {
        let after = serde_json::json!({
            "status": AttemptState::Submitted.as_str(),
            "payoutId": attempt.payout.0,
            "number": attempt.number,
        });
        let entry = Entry::new("attempt.submitted", "attempt", attempt.id);
        journal.note(ctx, entry.change(r#"{"status":"created"}"#, after.to_string()));
    }
    journal.write_to(ctx, &mut set);
    set
}
