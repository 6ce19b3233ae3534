//! What is written when a provider is to pay: attempts, and who is told.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Entry, Insert, Journal, Tx, Update, WriteError, WriteSet};
use quittance_events::{EarningState, PayoutState as PayoutEvent, kind};
use quittance_kernel::{Ctx, MemberId, Method, OrganizationId, PayoutId, PayoutStatus, Timestamp};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::sql::Sql;
use crate::domain::lifecycle::Held;
use crate::domain::partner::Source;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::settlement::{Item, Settlement};

/// An attempt that is about to be written down, before anybody is called.
#[derive(Clone, Debug)]
pub(crate) struct NewAttempt {
    pub(crate) payout: Uuid,
    pub(crate) number: i64,
    pub(crate) rail: String,
    pub(crate) account: String,
    pub(crate) minor: i64,
    pub(crate) currency: &'static str,
    pub(crate) at: Timestamp,
}

impl NewAttempt {
    /// The transfer of a payout that follows the one with this number.
    pub(crate) fn after(
        last: Option<&i64>,
        payout: &Payout,
        account: String,
        at: Timestamp,
    ) -> Self {
        Self {
            payout: payout.id.0,
            number: last.map_or(1, |last| last + 1),
            rail: payout.method.map(Method::as_str).unwrap_or_default().to_owned(),
            account,
            minor: payout.amount.minor(),
            currency: payout.amount.currency().code(),
            at,
        }
    }
}

/// Adds the first attempt of each payout, audit and events.
pub(super) fn start(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    settlement: &Settlement,
    accounts: &HashMap<MemberId, String>,
) {
    let attempts: Vec<NewAttempt> = settlement
        .payouts
        .iter()
        .map(|payout| NewAttempt {
            payout: payout.id.0,
            number: 1,
            rail: payout.method.as_str().to_owned(),
            account: accounts.get(&payout.payee).cloned().unwrap_or_default(),
            minor: payout.total.minor(),
            currency: payout.total.currency().code(),
            at: ctx.now,
        })
        .collect();
    set.insert(insert_attempts(ctx, &attempts));
    for item in &settlement.items {
        tell_approval(ctx, journal, item);
    }
    for new in &settlement.payouts {
        let payout = Payout {
            id: new.id,
            batch: settlement.batch,
            payee: new.payee,
            amount: new.total,
            netted_minor: new.netted,
            method: Some(new.method),
            reference: new.reference.clone(),
            state: PayoutState::Processing,
            item_count: i64::try_from(new.item_count).unwrap_or(i64::MAX),
            paid_at: None,
            created_by: ctx.member(),
            version: 1,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        tell_payout(ctx, journal, &payout, None, Source::Issue);
    }
}

pub(crate) fn insert_attempts(ctx: &Ctx, attempts: &[NewAttempt]) -> Insert {
    let text = |of: fn(&NewAttempt) -> &str| {
        Column::Text(attempts.iter().map(|attempt| of(attempt).to_owned()).collect())
    };
    let number = |of: fn(&NewAttempt) -> i64| Column::I64(attempts.iter().map(of).collect());
    let next = attempts.iter().map(|attempt| Some(attempt.at)).collect();
    Insert::into("attempts")
        .column("id", Column::Uuid(attempts.iter().map(|_| Uuid::now_v7()).collect()))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("payout_id", Column::Uuid(attempts.iter().map(|new| new.payout).collect()))
        .column("number", number(|attempt| attempt.number))
        .column("rail", text(|attempt| &attempt.rail))
        .column("account_id", text(|attempt| &attempt.account))
        .column("amount_minor", number(|attempt| attempt.minor))
        .column("currency", text(|attempt| attempt.currency))
        .column("state", Column::same_text(Some("created")))
        .column("next_at", Column::OptTime(next))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

/// An approval that the review's own event has not told yet, or told with another price.
fn tell_approval(ctx: &Ctx, journal: &mut Journal, item: &Item) {
    let paid = &item.paid;
    let same = |was: crate::domain::decision::Was| {
        was.amount == paid.amount && was.status == crate::domain::earning::EarningStatus::Approved
    };
    if paid.was.is_some_and(same) {
        return;
    }
    let after = serde_json::json!({
        "status": "approved",
        "amountMinor": paid.amount.minor(),
        "currency": paid.amount.currency().code(),
    });
    let entry = Entry::new("earning.approved", "earning", paid.earning.0).after(after.to_string());
    let state = EarningState {
        earning_id: paid.earning.0,
        version: paid.was.map_or(1, |was| was.version + 1),
        issue_id: paid.issue.0,
        cycle_id: paid.cycle.0,
        payee_id: paid.payee.0,
        amount_minor: paid.amount.minor(),
        currency: paid.amount.currency().code().to_owned(),
        status: PayoutStatus::Approved,
        payout_id: None,
        method: None,
        reference: None,
        paid_at: None,
        reason: None,
        voided_at: None,
        receivable_minor: None,
    };
    journal.record(ctx, entry, kind::EARNING_APPROVED, state);
}

/// Where the obligation of a payout by a provider comes from: issues, or a schedule.
pub(super) fn source_of(items: &[Held]) -> Source {
    if items.iter().all(|held| held.earning.is_of_issue()) {
        Source::Issue
    } else {
        Source::Schedule
    }
}

/// Tells where a payout stands now.
pub(super) fn tell_payout(
    ctx: &Ctx,
    journal: &mut Journal,
    payout: &Payout,
    from: Option<PayoutState>,
    source: Source,
) {
    let kind = match payout.state {
        PayoutState::Paid => kind::PAYOUT_PAID,
        PayoutState::Unknown => kind::PAYOUT_UNKNOWN,
        PayoutState::Approved => kind::PAYOUT_APPROVED,
        PayoutState::Cancelled => kind::PAYOUT_CANCELLED,
        PayoutState::PendingApproval
        | PayoutState::Processing
        | PayoutState::Rejected
        | PayoutState::Failed
        | PayoutState::Returned
        | PayoutState::Void => kind::PAYOUT_PROCESSING,
    };
    let state = PayoutEvent {
        payout_id: payout.id.0,
        version: payout.version,
        batch_id: payout.batch.map(|batch| batch.0),
        payee_id: payout.payee.0,
        amount_minor: payout.amount.minor(),
        currency: payout.amount.currency().code().to_owned(),
        method: payout.method,
        reference: payout.reference.clone(),
        status: payout.state.as_str().to_owned(),
        item_count: payout.item_count,
        paid_at: payout.paid_at,
        netted_minor: Some(payout.netted_minor).filter(|netted| *netted > 0),
        source: source.as_str().to_owned(),
        period: None,
        notes: None,
        approved_by: None,
        reason: None,
    };
    journal.record(ctx, moved(kind, payout, from, None), kind, state);
}

/// The audit row of a payout's step.
pub(super) fn moved(
    action: &'static str,
    payout: &Payout,
    from: Option<PayoutState>,
    reason: Option<&str>,
) -> Entry {
    let after = serde_json::json!({
        "status": payout.state.as_str(),
        "batchId": payout.batch.map(|batch| batch.0),
        "payeeId": payout.payee.0,
        "amountMinor": payout.amount.minor(),
        "currency": payout.amount.currency().code(),
        "method": payout.method.map(quittance_kernel::Method::as_str),
        "reference": payout.reference,
        "itemCount": payout.item_count,
    });
    let mut entry = Entry::new(action, "payout", payout.id.0).after(after.to_string());
    entry.before = from.map(|from| serde_json::json!({ "status": from.as_str() }).to_string());
    entry.because(reason.map(str::to_owned))
}

/// The number of the newest attempt of each of these payouts that has any.
pub(crate) async fn last_numbers<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payouts: Vec<Uuid>,
) -> Result<HashMap<PayoutId, i64>, DbErr> {
    let text = "SELECT payout_id, MAX(number) FROM attempts WHERE organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "").bind(text, organization.0);
    let sql = sql.one_of(" AND payout_id", payouts).push(" GROUP BY payout_id");
    let rows = sql.rows(conn).await?;
    let number = |row: &sea_orm::QueryResult| {
        Ok((PayoutId(row.try_get_by_index(0)?), row.try_get_by_index(1)?))
    };
    rows.iter().map(number).collect()
}

/// Writes inside a transaction that a failed payout is tried once more. Its items are live again;
/// the unique index refuses that if an earning has found another payment.
pub(crate) async fn retry(
    tx: &Tx,
    ctx: &Ctx,
    service: &'static str,
    (from, payout): (PayoutState, &Payout),
    held: &[Held],
    account: String,
) -> Result<(), WriteError> {
    let (organization, backend) = (ctx.organization(), tx.conn().get_database_backend());
    let numbers = last_numbers(tx.conn(), organization, vec![payout.id.0]).await?;
    let attempt = NewAttempt::after(numbers.get(&payout.id), payout, account, ctx.now);
    Sql::new(backend, "UPDATE payout_items SET live = true")
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND payout_id = ", payout.id.0)
        .execute(tx.conn())
        .await?;
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    set.update(
        Update::of("payouts", "id", vec![payout.id.0], vec![payout.version - 1])
            .set("state", Column::same_text(Some(payout.state.as_str())))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.state = 'failed'"),
    );
    let ids = held.iter().map(|held| held.earning.id.0).collect();
    let versions = held.iter().map(|held| held.earning.version).collect();
    set.update(
        Update::of(super::earning::TABLE, "id", ids, versions)
            .set("payout_id", Column::same_uuid(Some(payout.id.0)))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.status = 'approved' AND t.payout_id IS NULL"),
    );
    set.insert(insert_attempts(ctx, &[attempt]));
    tell_payout(ctx, &mut journal, payout, Some(from), source_of(held));
    journal.write_to(ctx, &mut set);
    tx.write(set).await
}
