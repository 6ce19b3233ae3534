//! What undoing a partner's payout writes. Its earning is its own: what comes back makes the
//! commissions free for another payout, and the earning itself is no longer owed.

use quittance_chassis::db::{Column, Entry, Journal, Tx, Update, WriteSet};
use quittance_events::{EarningState, kind};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, PayoutStatus};
use sea_orm::DbErr;

use super::earning::TABLE as EARNINGS;
use super::lifecycle::{insert_receivables, insert_reversals, insert_step, move_payout};
use super::partner::{json, release, told};
use crate::domain::lifecycle::{Undo, Undone};
use crate::domain::partner::{PartnerPayout, Source};

/// Rows, audit and event of what was decided; `before` is the payout as it was.
pub(crate) fn write_set(
    ctx: &Ctx,
    service: &'static str,
    undone: &Undone,
    before: &PartnerPayout,
) -> WriteSet {
    let mut set = WriteSet::new();
    set.update(move_payout(ctx, undone));
    set.insert(insert_step(ctx, undone));
    set.update(move_earnings(ctx, undone));
    let kind = match undone.undo {
        Undo::Cancel => kind::PAYOUT_CANCELLED,
        Undo::Return => {
            set.insert(insert_reversals(ctx, undone));
            kind::PAYOUT_RETURNED
        }
        Undo::Void => {
            set.insert(insert_reversals(ctx, undone));
            set.insert(insert_receivables(ctx, undone));
            kind::PAYOUT_VOIDED
        }
    };
    let after = PartnerPayout { payout: undone.payout.clone(), ..before.clone() };
    let mut event = told(&after);
    event.reason = Some(undone.reason.clone());
    let entry = Entry::new(kind, "payout", after.payout.id.0)
        .change(json(before), json(&after))
        .because(Some(undone.reason.clone()));
    let mut journal = Journal::new(service);
    journal.record(ctx, entry, kind, event);
    if before.source == Source::Schedule {
        tell_earnings(ctx, &mut journal, undone);
    }
    journal.write_to(ctx, &mut set);
    set
}

/// The earnings of schedules are in balances, which hear of them one by one.
fn tell_earnings(ctx: &Ctx, journal: &mut Journal, undone: &Undone) {
    let payout = &undone.payout;
    for item in &undone.items {
        let told = super::lifecycle::state(&item.earning);
        let reason = Some(undone.reason.clone());
        let (kind, state) = match undone.undo {
            Undo::Void => {
                let state = EarningState {
                    status: PayoutStatus::Void,
                    payout_id: Some(payout.id.0),
                    method: payout.method,
                    reference: Some(payout.reference.clone()),
                    paid_at: payout.paid_at,
                    reason: reason.clone(),
                    voided_at: Some(ctx.now),
                    receivable_minor: Some(item.amount.minor()),
                    ..told
                };
                (kind::EARNING_VOIDED, state)
            }
            Undo::Return | Undo::Cancel => {
                let status = PayoutStatus::Rejected;
                let state = EarningState { status, reason: reason.clone(), ..told };
                (kind::EARNING_REJECTED, state)
            }
        };
        let entry = Entry::new(kind, "earning", item.earning.id.0).because(reason);
        journal.record(ctx, entry, kind, state);
    }
}

/// Void stays with its payout; what was cancelled or came back is no longer owed by this earning.
fn move_earnings(ctx: &Ctx, undone: &Undone) -> Update {
    let ids = undone.items.iter().map(|item| item.earning.id.0).collect();
    let versions = undone.items.iter().map(|item| item.earning.version).collect();
    let (status, guard) = match undone.undo {
        Undo::Void => ("void", "t.status = 'paid'"),
        Undo::Return => ("rejected", "t.status = 'paid'"),
        Undo::Cancel => ("rejected", "t.status = 'approved'"),
    };
    let update = Update::of(EARNINGS, "id", ids, versions)
        .set("status", Column::same_text(Some(status)))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where(guard);
    match undone.undo {
        Undo::Void => update,
        Undo::Return | Undo::Cancel => update.set("payout_id", Column::same_uuid(None)),
    }
}

/// Lets another payout cover the commissions; those of a void one stay counted.
pub(crate) async fn free(
    tx: &Tx,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<(), DbErr> {
    release(tx.conn(), organization.0, tx.ctx().now, &|| vec![payout.0]).await
}
