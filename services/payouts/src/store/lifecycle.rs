//! What undoing a payout writes: states, steps, reversals, receivables, audit and events.

use quittance_chassis::db::{Column, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{EarningState, PayoutState as PayoutEvent, kind};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, PayoutStatus};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::earning::TABLE as EARNINGS;
use super::sql::Sql;
use crate::domain::earning::{Earning, EarningStatus};
use crate::domain::lifecycle::{Held, Undo, Undone, Voided};

/// Lets items be live no longer, so that their earnings have room for another payment. Returns how
/// many were.
pub(crate) async fn release<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
    items: &[Held],
) -> Result<u64, DbErr> {
    let sql = Sql::new(conn.get_database_backend(), "UPDATE payout_items SET live = false")
        .bind(" WHERE live AND organization_id = ", organization.0)
        .bind(" AND payout_id = ", payout.0)
        .one_of(" AND id", items.iter().map(|item| item.item.0).collect());
    sql.execute(conn).await
}

/// Rows, audit and events of what was decided.
pub(crate) fn write_set(ctx: &Ctx, service: &'static str, undone: &Undone) -> WriteSet {
    let mut set = WriteSet::new();
    set.update(move_payout(ctx, undone));
    set.insert(insert_step(ctx, undone));
    if let Some(to) = undone.undo.leads_to() {
        set.update(move_earnings(ctx, undone, to));
        set.insert(insert_reversals(ctx, undone));
    }
    if undone.undo == Undo::Void {
        set.insert(insert_receivables(ctx, undone));
    }
    let mut journal = Journal::new(service);
    tell_payout(ctx, &mut journal, undone);
    tell_items(ctx, &mut journal, undone);
    journal.write_to(ctx, &mut set);
    set
}

/// Rows, audit and events of earnings that become void unpaid.
pub(crate) fn void_set(ctx: &Ctx, service: &'static str, voided: &Voided) -> WriteSet {
    let mut set = WriteSet::new();
    let ids = voided.earnings.iter().map(|earning| earning.id.0).collect();
    let versions = voided.earnings.iter().map(|earning| earning.version).collect();
    let update = Update::of(EARNINGS, "id", ids, versions)
        .set("status", Column::same_text(Some(EarningStatus::Void.as_str())))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status = 'approved'");
    set.update(update);
    let mut journal = Journal::new(service);
    for earning in &voided.earnings {
        let state = EarningState {
            status: PayoutStatus::Void,
            reason: Some(voided.reason.clone()),
            voided_at: Some(ctx.now),
            receivable_minor: Some(0),
            ..state(earning)
        };
        let entry = entry("earning.voided", earning, EarningStatus::Void, &voided.reason);
        journal.record(ctx, entry, kind::EARNING_VOIDED, state);
    }
    journal.write_to(ctx, &mut set);
    set
}

pub(super) fn move_payout(ctx: &Ctx, undone: &Undone) -> Update {
    let payout = &undone.payout;
    Update::of("payouts", "id", vec![payout.id.0], vec![payout.version - 1])
        .set("state", Column::same_text(Some(payout.state.as_str())))
        .set("updated_at", Column::same_time(Some(ctx.now)))
}

pub(super) fn insert_step(ctx: &Ctx, undone: &Undone) -> Insert {
    let payout = &undone.payout;
    Insert::into("payout_steps")
        .column("id", Column::Uuid(vec![Uuid::now_v7()]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("payout_id", Column::same_uuid(Some(payout.id.0)))
        .column("from_state", Column::same_text(Some(undone.from.as_str())))
        .column("to_state", Column::same_text(Some(payout.state.as_str())))
        .column("reason", Column::same_text(Some(&undone.reason)))
        .column("actor_id", Column::same_uuid(Some(ctx.member().0)))
        .column("item_count", Column::same_i64(Some(count(undone.items.len()))))
        .column("amount_minor", Column::same_i64(Some(undone.amount.minor())))
        .column("currency", Column::same_text(Some(undone.amount.currency().code())))
        .column("created_at", Column::same_time(Some(ctx.now)))
}

fn move_earnings(ctx: &Ctx, undone: &Undone, to: EarningStatus) -> Update {
    let ids = undone.items.iter().map(|item| item.earning.id.0).collect();
    let versions = undone.items.iter().map(|item| item.earning.version).collect();
    let update = Update::of(EARNINGS, "id", ids, versions)
        .set("status", Column::same_text(Some(to.as_str())))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status = 'paid'");
    if undone.undo == Undo::Return {
        return update.set("payout_id", Column::same_uuid(None));
    }
    update
}

fn ids(items: &[Held], of: fn(&Held) -> Uuid) -> Column {
    Column::Uuid(items.iter().map(of).collect())
}

fn minors(items: &[Held]) -> Column {
    Column::I64(items.iter().map(|item| item.amount.minor()).collect())
}

pub(super) fn insert_reversals(ctx: &Ctx, undone: &Undone) -> Insert {
    let (items, payout) = (&undone.items, &undone.payout);
    let kind = if undone.undo == Undo::Void { "void" } else { "return" };
    Insert::into("reversals")
        .column("id", Column::Uuid(items.iter().map(|_| Uuid::now_v7()).collect()))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("payout_id", Column::same_uuid(Some(payout.id.0)))
        .column("payout_item_id", ids(items, |item| item.item.0))
        .column("earning_id", ids(items, |item| item.earning.id.0))
        .column("kind", Column::same_text(Some(kind)))
        .column("amount_minor", minors(items))
        .column("currency", Column::same_text(Some(payout.amount.currency().code())))
        .column("created_at", Column::same_time(Some(ctx.now)))
}

pub(super) fn insert_receivables(ctx: &Ctx, undone: &Undone) -> Insert {
    let (items, payout) = (&undone.items, &undone.payout);
    Insert::into("receivables")
        .column("id", Column::Uuid(items.iter().map(|_| Uuid::now_v7()).collect()))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("payee_id", Column::same_uuid(Some(payout.payee.0)))
        .column("payout_id", Column::same_uuid(Some(payout.id.0)))
        .column("earning_id", ids(items, |item| item.earning.id.0))
        .column("amount_minor", minors(items))
        .column("open_minor", minors(items))
        .column("currency", Column::same_text(Some(payout.amount.currency().code())))
        .column("reason", Column::same_text(Some(&undone.reason)))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

fn tell_payout(ctx: &Ctx, journal: &mut Journal, undone: &Undone) {
    let payout = &undone.payout;
    let kind = match undone.undo {
        Undo::Void => kind::PAYOUT_VOIDED,
        Undo::Return => kind::PAYOUT_RETURNED,
        Undo::Cancel => kind::PAYOUT_CANCELLED,
    };
    let before = serde_json::json!({ "status": undone.from.as_str() });
    let after = serde_json::json!({
        "status": payout.state.as_str(),
        "items": undone.items.len(),
        "amountMinor": undone.amount.minor(),
        "currency": undone.amount.currency().code(),
    });
    let entry = Entry::new(kind, "payout", payout.id.0)
        .change(before.to_string(), after.to_string())
        .because(Some(undone.reason.clone()));
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
        source: "issue".to_owned(),
        period: None,
        notes: None,
        approved_by: None,
        reason: Some(undone.reason.clone()),
    };
    journal.record(ctx, entry, kind, state);
}

fn tell_items(ctx: &Ctx, journal: &mut Journal, undone: &Undone) {
    let payout = &undone.payout;
    for item in &undone.items {
        let earning = &item.earning;
        let reason = Some(undone.reason.clone());
        match undone.undo {
            Undo::Void => {
                let state = EarningState {
                    status: PayoutStatus::Void,
                    payout_id: Some(payout.id.0),
                    method: payout.method,
                    reference: Some(payout.reference.clone()),
                    paid_at: payout.paid_at,
                    reason,
                    voided_at: Some(ctx.now),
                    receivable_minor: Some(item.amount.minor()),
                    ..state(earning)
                };
                let entry = entry("earning.voided", earning, EarningStatus::Void, &undone.reason);
                journal.record(ctx, entry, kind::EARNING_VOIDED, state);
            }
            Undo::Return => {
                let to = EarningStatus::Approved;
                let state =
                    EarningState { status: PayoutStatus::Approved, reason, ..state(earning) };
                let entry = entry("earning.returned", earning, to, &undone.reason);
                journal.record(ctx, entry, kind::EARNING_RETURNED, state);
            }
            // Nothing was paid, so that nothing changes for the earning.
            Undo::Cancel => {}
        }
    }
}

/// The earning in its next version, without a payment.
pub(super) fn state(earning: &Earning) -> EarningState {
    EarningState {
        earning_id: earning.id.0,
        version: earning.version + 1,
        issue_id: earning.issue.0,
        cycle_id: earning.cycle.0,
        payee_id: earning.payee.0,
        amount_minor: earning.amount.minor(),
        currency: earning.amount.currency().code().to_owned(),
        status: earning.status.seen_from_issue(),
        payout_id: None,
        method: None,
        reference: None,
        paid_at: None,
        reason: None,
        voided_at: None,
        receivable_minor: None,
    }
}

fn entry(action: &'static str, earning: &Earning, to: EarningStatus, reason: &str) -> Entry {
    let status = |status: EarningStatus| serde_json::json!({ "status": status.as_str() });
    Entry::new(action, "earning", earning.id.0)
        .change(status(earning.status).to_string(), status(to).to_string())
        .because(Some(reason.to_owned()))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
