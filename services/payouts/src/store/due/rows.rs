//! The rows of payouts that are made of schedules.

use quittance_chassis::db::{Column, Insert, Update, WriteSet};
use quittance_kernel::Ctx;
use uuid::Uuid;

use crate::domain::due::{Decided, Payment};
use crate::domain::schedule::Schedule;
use crate::store::earning::TABLE as EARNINGS;

type Made<'a> = (&'a Decided, &'a Payment);

/// Payouts with their item, earnings, and attempts where a provider is to pay.
pub(super) fn payments(ctx: &Ctx, set: &mut WriteSet, made: &[Made<'_>]) {
    set.insert(payouts(ctx, made));
    let (again, new): (Vec<Made<'_>>, Vec<Made<'_>>) =
        made.iter().copied().partition(|(_, payment)| payment.was.is_some());
    set.update(take_earnings(ctx, &again));
    set.insert(earnings(ctx, &new));
    set.insert(items(made));
    let executed: Vec<Made<'_>> =
        made.iter().filter(|(_, payment)| payment.account.is_some()).copied().collect();
    set.insert(attempts(ctx, &executed));
}

fn ids(made: &[Made<'_>], of: fn(&Schedule) -> Uuid) -> Column {
    Column::Uuid(made.iter().map(|(one, _)| of(&one.after)).collect())
}

fn payment_ids(made: &[Made<'_>], of: fn(&Payment) -> Uuid) -> Column {
    Column::Uuid(made.iter().map(|(_, payment)| of(payment)).collect())
}

fn text(made: &[Made<'_>], of: fn(&Schedule) -> &str) -> Column {
    Column::Text(made.iter().map(|(one, _)| of(&one.after).to_owned()).collect())
}

fn minors(made: &[Made<'_>]) -> Column {
    Column::I64(made.iter().map(|(one, _)| one.after.amount.minor()).collect())
}

fn currencies(made: &[Made<'_>]) -> Column {
    text(made, |one| one.amount.currency().code())
}

fn payouts(ctx: &Ctx, made: &[Made<'_>]) -> Insert {
    let state = |(_, payment): &Made<'_>| {
        if payment.account.is_some() { "processing" } else { "approved" }.to_owned()
    };
    Insert::into("payouts")
        .column("id", payment_ids(made, |payment| payment.payout.0))
        .column("organization_id", ids(made, |one| one.organization.0))
        .column("payee_id", ids(made, |one| one.payee.0))
        .column("amount_minor", minors(made))
        .column("currency", currencies(made))
        .column("method", text(made, |one| one.method.as_str()))
        .column("reference", text(made, |one| &one.reference))
        .column("state", Column::Text(made.iter().map(state).collect()))
        .column("item_count", Column::same_i64(Some(1)))
        .column("source", Column::same_text(Some("schedule")))
        // Whoever made the schedule has approved the payout by that.
        .column("approved_by", ids(made, |one| one.created_by.0))
        .column("approved_at", Column::same_time(Some(ctx.now)))
        .column("created_by", Column::same_uuid(Some(ctx.member().0)))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

fn earnings(ctx: &Ctx, made: &[Made<'_>]) -> Insert {
    Insert::into(EARNINGS)
        .column("id", payment_ids(made, |payment| payment.earning.0))
        .column("organization_id", ids(made, |one| one.organization.0))
        .column("source_kind", Column::same_text(Some("schedule")))
        .column("source_id", ids(made, |one| one.id))
        .column("cycle_id", Column::same_uuid(Some(Uuid::nil())))
        .column("payee_id", ids(made, |one| one.payee.0))
        .column("amount_minor", minors(made))
        .column("currency", currencies(made))
        .column("status", Column::same_text(Some("approved")))
        .column("version", Column::same_i64(Some(1)))
        .column(
            "source_version",
            Column::I64(made.iter().map(|(one, _)| one.after.version).collect()),
        )
        .column("payout_id", payment_ids(made, |payment| payment.payout.0))
        .column("approved_at", Column::same_time(Some(ctx.now)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

/// Earnings of schedules that failed before: their new payout takes them.
fn take_earnings(ctx: &Ctx, made: &[Made<'_>]) -> Update {
    let earnings = made.iter().map(|(_, payment)| payment.earning.0).collect();
    let versions = made.iter().filter_map(|(_, payment)| payment.was).collect();
    Update::of(EARNINGS, "id", earnings, versions)
        .set("payout_id", payment_ids(made, |payment| payment.payout.0))
        .set("payee_id", ids(made, |one| one.payee.0))
        .set("amount_minor", minors(made))
        .set("currency", currencies(made))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        // A second wall beside the version.
        .only_where("t.status = 'approved' AND t.payout_id IS NULL")
}

fn items(made: &[Made<'_>]) -> Insert {
    Insert::into("payout_items")
        .column("id", payment_ids(made, |payment| payment.item.0))
        .column("organization_id", ids(made, |one| one.organization.0))
        .column("payout_id", payment_ids(made, |payment| payment.payout.0))
        .column("earning_id", payment_ids(made, |payment| payment.earning.0))
        .column("issue_id", Column::same_uuid(Some(Uuid::nil())))
        .column("amount_minor", minors(made))
        .column("currency", currencies(made))
        .column("live", Column::Same(true.into(), "boolean"))
}

fn attempts(ctx: &Ctx, made: &[Made<'_>]) -> Insert {
    let accounts =
        made.iter().map(|(_, payment)| payment.account.clone().unwrap_or_default()).collect();
    Insert::into("attempts")
        .column("id", Column::Uuid(made.iter().map(|_| Uuid::now_v7()).collect()))
        .column("organization_id", ids(made, |one| one.organization.0))
        .column("payout_id", payment_ids(made, |payment| payment.payout.0))
        .column("number", Column::same_i64(Some(1)))
        .column("rail", text(made, |one| one.method.as_str()))
        .column("account_id", Column::Text(accounts))
        .column("amount_minor", minors(made))
        .column("currency", currencies(made))
        .column("state", Column::same_text(Some("created")))
        .column("next_at", Column::same_time(Some(ctx.now)))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}
