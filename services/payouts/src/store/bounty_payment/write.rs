//! What is written when a bounty's payment waits, begins, or is tried again.

use quittance_chassis::db::{Column, Entry, Insert, Journal, Tx, Update, WriteError, WriteSet};
use quittance_events::kind;
use quittance_kernel::{Ctx, Method, PayoutId, PayoutItemId};
use sea_orm::ConnectionTrait as _;

use super::TABLE;
use crate::domain::bounty_payment::{BountyPayment, Funding};
use crate::domain::charge::ChargeAttempt;
use crate::domain::earning::{Earning, EarningStatus};
use crate::domain::lifecycle::Held;
use crate::domain::partner::Source;
use crate::domain::payout::{Payout, PayoutState};
use crate::store::charge::insert_charges;
use crate::store::earning::TABLE as EARNINGS;
use crate::store::execution::{NewAttempt, insert_attempts, moved, tell_payout};
use crate::store::sql::Sql;

/// Adds the row of a payment as it is now; it must be as it was a version ago.
pub(crate) fn put(ctx: &Ctx, set: &mut WriteSet, after: &BountyPayment) {
    let text = |value: &str| Column::same_text(Some(value));
    set.update(
        Update::of(TABLE, "issue_id", vec![after.issue.0], vec![after.version - 1])
            .set("approved_by", Column::same_uuid(Some(after.approved_by.0)))
            .set("source_version", Column::same_i64(Some(after.source_version)))
            .set("payout_id", Column::same_uuid(after.payout.map(|payout| payout.0)))
            .set("progress", text(after.progress.as_str()))
            .set("funding", text(after.funding.map(Funding::as_str).unwrap_or_default()))
            .set("quote_id", Column::same_uuid(after.quote))
            .set("reasons", text(&after.reasons.join(",")))
            .set("next_at", Column::same_time(after.next_at))
            .set("tries", Column::same_i64(Some(after.tries)))
            .set("updated_at", Column::same_time(Some(ctx.now))),
    );
}

/// Writes a payout that is approved and has not begun. Its item is not live yet, so that the work
/// can still be paid in another way. The earning is new where its own event has not been heard.
pub(crate) fn make_payout(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    payout: &Payout,
    (earning, fresh): (&Earning, bool),
) {
    let organization = Column::same_uuid(Some(ctx.organization().0));
    let now = Column::same_time(Some(ctx.now));
    let code = payout.amount.currency().code();
    if fresh {
        set.insert(insert_earning(ctx, earning));
        tell_earning(ctx, journal, earning, 1);
    }
    set.insert(
        Insert::into("payouts")
            .column("id", Column::Uuid(vec![payout.id.0]))
            .column("organization_id", organization.clone())
            .column("payee_id", Column::same_uuid(Some(payout.payee.0)))
            .column("amount_minor", Column::same_i64(Some(payout.amount.minor())))
            .column("currency", Column::same_text(Some(code)))
            .column("method", Column::same_text(payout.method.map(Method::as_str)))
            .column("reference", Column::same_text(Some(&payout.reference)))
            .column("state", Column::same_text(Some(payout.state.as_str())))
            .column("item_count", Column::same_i64(Some(1)))
            .column("created_by", Column::same_uuid(Some(payout.created_by.0)))
            .column("version", Column::same_i64(Some(payout.version)))
            .column("created_at", now.clone())
            .column("updated_at", now),
    );
    set.insert(
        Insert::into("payout_items")
            .column("id", Column::Uuid(vec![PayoutItemId::new().0]))
            .column("organization_id", organization)
            .column("payout_id", Column::same_uuid(Some(payout.id.0)))
            .column("earning_id", Column::same_uuid(Some(earning.id.0)))
            .column("issue_id", Column::same_uuid(Some(earning.issue.0)))
            .column("amount_minor", Column::same_i64(Some(payout.amount.minor())))
            .column("currency", Column::same_text(Some(code)))
            .column("live", Column::Same(false.into(), "boolean")),
    );
    tell_payout(ctx, journal, payout, None, Source::Issue);
}

fn insert_earning(ctx: &Ctx, earning: &Earning) -> Insert {
    let now = Column::same_time(Some(ctx.now));
    Insert::into(EARNINGS)
        .column("id", Column::Uuid(vec![earning.id.0]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("source_kind", Column::same_text(Some("issue")))
        .column("source_id", Column::same_uuid(Some(earning.issue.0)))
        .column("cycle_id", Column::same_uuid(Some(earning.cycle.0)))
        .column("payee_id", Column::same_uuid(Some(earning.payee.0)))
        .column("amount_minor", Column::same_i64(Some(earning.amount.minor())))
        .column("currency", Column::same_text(Some(earning.amount.currency().code())))
        .column("status", Column::same_text(Some(EarningStatus::Approved.as_str())))
        .column("version", Column::same_i64(Some(earning.version)))
        .column("source_version", Column::same_i64(Some(earning.source_version)))
        .column("approved_at", now.clone())
        .column("created_at", now.clone())
        .column("updated_at", now)
}

fn tell_earning(ctx: &Ctx, journal: &mut Journal, earning: &Earning, version: i64) {
    let after = serde_json::json!({
        "status": "approved",
        "amountMinor": earning.amount.minor(),
        "currency": earning.amount.currency().code(),
    });
    let entry = Entry::new("earning.approved", "earning", earning.id.0).after(after.to_string());
    let state =
        quittance_events::EarningState { version, ..crate::store::lifecycle::state(earning) };
    journal.record(ctx, entry, kind::EARNING_APPROVED, state);
}

/// Notes why a payment waits.
pub(crate) fn hold(ctx: &Ctx, journal: &mut Journal, payment: &BountyPayment) {
    let Some(payout) = payment.payout else { return };
    let after = serde_json::json!({ "status": "on_hold", "reasons": payment.reasons });
    let entry = Entry::new("payout.on_hold", "payout", payout.0)
        .after(after.to_string())
        .because(Some(payment.reasons.join(",")));
    journal.note(ctx, entry);
}

/// Cancels a payout that never began, and says why.
pub(crate) fn drop_open(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    before: &Payout,
    reason: &str,
) {
    let after = Payout {
        state: PayoutState::Cancelled,
        version: before.version + 1,
        updated_at: ctx.now,
        ..before.clone()
    };
    set.update(
        Update::of("payouts", "id", vec![after.id.0], vec![before.version])
            .set("state", Column::same_text(Some(after.state.as_str())))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.state = 'approved'"),
    );
    tell_payout(ctx, journal, &after, Some(before.state), Source::Issue);
    let entry = moved("payout.dropped", &after, Some(before.state), Some(reason));
    journal.note(ctx, entry);
}

/// A payment that begins.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) from: PayoutState,
    /// In its next version.
    pub(crate) payout: &'a Payout,
    /// As it is, before the payout takes hold of it.
    pub(crate) earning: &'a Earning,
    /// The version of the issue that was decided on.
    pub(crate) source_version: i64,
    /// Who is charged first.
    pub(crate) charge: Option<&'a ChargeAttempt>,
    /// What is sent at once, where the money is there.
    pub(crate) attempt: Option<NewAttempt>,
}

/// Writes that a payment begins: its item is live, its earning is held, and either the payer is
/// charged next or the money is sent.
pub(crate) async fn start(
    tx: &Tx,
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    begun: &Start<'_>,
) -> Result<(), WriteError> {
    let Start { payout, earning, .. } = begun;
    live(tx, ctx, payout).await?;
    set.update(move_payout(ctx, payout, begun.from));
    let amount = payout.amount;
    set.update(
        Update::of(EARNINGS, "id", vec![earning.id.0], vec![earning.version])
            .set("payout_id", Column::same_uuid(Some(payout.id.0)))
            .set("amount_minor", Column::same_i64(Some(amount.minor())))
            .set("currency", Column::same_text(Some(amount.currency().code())))
            .set("source_version", Column::same_i64(Some(begun.source_version)))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.status = 'approved' AND t.payout_id IS NULL"),
    );
    if earning.amount != amount {
        let priced = Earning { amount, ..**earning };
        tell_earning(ctx, journal, &priced, earning.version + 1);
    }
    next_step(ctx, set, journal, begun.charge, begun.attempt.as_ref());
    tell_payout(ctx, journal, payout, Some(begun.from), Source::Issue);
    Ok(())
}

/// Writes that a failed payment is tried once more. Where its payer was charged its items have stayed
/// its own (`held` is empty then) and only the transfer is sent again.
pub(crate) async fn retry(
    tx: &Tx,
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    payout: &Payout,
    held: &[Held],
    (charge, attempt): (Option<&ChargeAttempt>, Option<&NewAttempt>),
) -> Result<(), WriteError> {
    live(tx, ctx, payout).await?;
    set.update(move_payout(ctx, payout, PayoutState::Failed));
    set.update(
        Update::of(
            EARNINGS,
            "id",
            held.iter().map(|held| held.earning.id.0).collect(),
            held.iter().map(|held| held.earning.version).collect(),
        )
        .set("payout_id", Column::same_uuid(Some(payout.id.0)))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status = 'approved' AND t.payout_id IS NULL"),
    );
    next_step(ctx, set, journal, charge, attempt);
    tell_payout(ctx, journal, payout, Some(PayoutState::Failed), Source::Issue);
    Ok(())
}

/// Lets go of what a failed payment held, so that the work can be paid in another way.
pub(crate) async fn let_go(
    tx: &Tx,
    ctx: &Ctx,
    (set, held): (&mut WriteSet, &[Held]),
    payout: PayoutId,
) -> Result<(), WriteError> {
    Sql::new(tx.conn().get_database_backend(), "UPDATE payout_items SET live = false")
        .bind(" WHERE organization_id = ", ctx.organization().0)
        .bind(" AND payout_id = ", payout.0)
        .execute(tx.conn())
        .await?;
    let live = || held.iter().filter(|held| held.live);
    let ids = live().map(|held| held.earning.id.0).collect();
    let versions = live().map(|held| held.earning.version).collect();
    set.update(
        Update::of(EARNINGS, "id", ids, versions)
            .set("payout_id", Column::same_uuid(None))
            .set("updated_at", Column::same_time(Some(ctx.now))),
    );
    Ok(())
}

/// The unique index refuses this if the earning has found another payment.
async fn live(tx: &Tx, ctx: &Ctx, payout: &Payout) -> Result<(), WriteError> {
    Sql::new(tx.conn().get_database_backend(), "UPDATE payout_items SET live = true")
        .bind(" WHERE organization_id = ", ctx.organization().0)
        .bind(" AND payout_id = ", payout.id.0)
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn move_payout(ctx: &Ctx, payout: &Payout, from: PayoutState) -> Update {
    let update = Update::of("payouts", "id", vec![payout.id.0], vec![payout.version - 1])
        .set("state", Column::same_text(Some(payout.state.as_str())))
        .set("updated_at", Column::same_time(Some(ctx.now)));
    if from == PayoutState::Failed {
        update.only_where("t.state = 'failed'")
    } else {
        update.only_where("t.state = 'approved'")
    }
}

fn next_step(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    charge: Option<&ChargeAttempt>,
    attempt: Option<&NewAttempt>,
) {
    if let Some(charge) = charge {
        insert_charges(ctx, set, journal, std::slice::from_ref(charge));
    }
    if let Some(attempt) = attempt {
        set.insert(insert_attempts(ctx, std::slice::from_ref(attempt)));
    }
}
