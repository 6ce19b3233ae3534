//! Payments on their way into the database: one set, whatever the number of issues.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{BatchCompleted, EarningState, GateBlocked, PayoutState, kind};
use quittance_kernel::{BatchId, Ctx, MemberId, PayoutStatus};
use serde::Serialize;
use uuid::Uuid;

use super::earning::TABLE as EARNINGS;
use super::{execution, receivable};
use crate::domain::decision::{Excluded, Was};
use crate::domain::order::Source;
use crate::domain::settlement::{Item, NewPayout, Settlement};

/// What an audit row says of a payment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Paid<'a> {
    status: &'static str,
    payout_id: Uuid,
    amount_minor: i64,
    currency: &'a str,
}

/// What an audit row says of a payout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    status: &'static str,
    batch_id: Option<Uuid>,
    payee_id: Uuid,
    amount_minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    netted_minor: Option<i64>,
    currency: &'a str,
    method: &'a str,
    reference: &'a str,
    item_count: usize,
}

/// The most items that one statement writes, so that what is on its way to the database at once
/// stays small, whatever the size of a payment.
const CHUNK: usize = 1_000;

/// Rows, audit and events of a settlement.
///
/// `accounts` is where a provider pays to.
pub(crate) fn write_set(
    ctx: &Ctx,
    service: &'static str,
    settlement: &Settlement,
    accounts: &HashMap<MemberId, String>,
) -> WriteSet {
    with_items(ctx, service, (settlement, accounts), &settlement.items, true)
}

/// The same in pieces, for one transaction: the first, and those that follow if there are many
/// items. They go on in the order of the earnings' ids, as all rows are locked.
pub(crate) fn write_sets<'a>(
    ctx: &'a Ctx,
    service: &'static str,
    settlement: &'a Settlement,
    accounts: &'a HashMap<MemberId, String>,
) -> (WriteSet, impl ExactSizeIterator<Item = WriteSet> + Send + 'a) {
    let what = (settlement, accounts);
    let mut chunks = settlement.items.chunks(CHUNK);
    let first = with_items(ctx, service, what, chunks.next().unwrap_or_default(), true);
    (first, chunks.map(move |items| with_items(ctx, service, what, items, false)))
}

/// A batch whose payouts and items follow in pieces of the same transaction.
pub(crate) fn batch_piece(
    ctx: &Ctx,
    service: &'static str,
    batch: BatchId,
    payouts: i64,
    items: i64,
) -> WriteSet {
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    set.insert(insert_batch(ctx, batch.0, "completed", items));
    tell_batch(ctx, &mut journal, batch.0, payouts, items);
    journal.write_to(ctx, &mut set);
    set
}

/// Some payouts of such a batch, with what they keep back.
pub(crate) fn payouts_piece(ctx: &Ctx, service: &'static str, settlement: &Settlement) -> WriteSet {
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    set.insert(insert_payouts(ctx, settlement));
    receivable::keep_back(ctx, &mut set, &mut journal, settlement);
    tell_payouts(ctx, &mut journal, settlement);
    journal.write_to(ctx, &mut set);
    set
}

/// Some items of such a batch.
pub(crate) fn items_piece(ctx: &Ctx, service: &'static str, settlement: &Settlement) -> WriteSet {
    with_items(ctx, service, (settlement, &HashMap::new()), &settlement.items, false)
}

fn with_items(
    ctx: &Ctx,
    service: &'static str,
    (settlement, accounts): (&Settlement, &HashMap<MemberId, String>),
    items: &[Item],
    first: bool,
) -> WriteSet {
    let mut set = WriteSet::new();
    let mut journal = Journal::new(service);
    let (old, new): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.paid.was.is_some());
    set.update(pay_earnings(ctx, settlement, &old));
    set.insert(insert_earnings(ctx, settlement, &new));
    if first {
        if let Some(batch) = settlement.batch {
            let state = if settlement.is_executed() { "processing" } else { "completed" };
            set.insert(insert_batch(ctx, batch.0, state, count(settlement.items.len())));
        }
        set.insert(insert_payouts(ctx, settlement));
        receivable::keep_back(ctx, &mut set, &mut journal, settlement);
    }
    let all: Vec<&Item> = items.iter().collect();
    set.insert(insert_items(ctx, settlement, &all));
    let executed = settlement.is_executed();
    if !executed {
        tell_items(ctx, &mut journal, settlement, items);
    }
    if first && executed {
        execution::start(ctx, &mut set, &mut journal, settlement, accounts);
    } else if first {
        tell_payouts(ctx, &mut journal, settlement);
        if let Some(batch) = settlement.batch {
            let (payouts, items) = (settlement.payouts.len(), settlement.items.len());
            tell_batch(ctx, &mut journal, batch.0, count(payouts), count(items));
        }
    }
    if first {
        tell_excluded(ctx, &mut journal, &settlement.excluded, settlement.source);
    }
    journal.write_to(ctx, &mut set);
    set
}

/// Audit and events of a refusal: what was excluded, and by which way of paying.
pub(crate) fn refusal_set(
    ctx: &Ctx,
    service: &'static str,
    excluded: &[Excluded],
    source: Source,
) -> WriteSet {
    let mut set = WriteSet::new();
    let mut journal = Journal::new(service);
    tell_excluded(ctx, &mut journal, excluded, source);
    journal.write_to(ctx, &mut set);
    set
}

fn payouts_of(settlement: &Settlement, items: &[&Item]) -> Column {
    Column::Uuid(items.iter().map(|item| settlement.payouts[item.payout].id.0).collect())
}

fn amounts(items: &[&Item]) -> Column {
    Column::I64(items.iter().map(|item| item.paid.amount.minor()).collect())
}

fn currencies(items: &[&Item]) -> Column {
    let code = |item: &&Item| item.paid.amount.currency().code().to_owned();
    // One currency is the rule; then no text is repeated thousands of times.
    match items.first().map(|item| item.paid.amount.currency()) {
        Some(first) if items.iter().all(|item| item.paid.amount.currency() == first) => {
            Column::same_text(Some(first.code()))
        }
        Some(_) | None => Column::Text(items.iter().map(code).collect()),
    }
}

/// What an earning is once the set is written: a provider has paid nothing yet.
fn status(settlement: &Settlement) -> &'static str {
    if settlement.is_executed() { "approved" } else { "paid" }
}

fn pay_earnings(ctx: &Ctx, settlement: &Settlement, items: &[&Item]) -> Update {
    let ids = items.iter().map(|item| item.paid.earning.0).collect();
    let versions =
        items.iter().filter_map(|item| item.paid.was.map(|was: Was| was.version)).collect();
    let update = Update::of(EARNINGS, "id", ids, versions)
        .set("status", Column::same_text(Some(status(settlement))))
        .set("payout_id", payouts_of(settlement, items))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        // A second wall beside the version.
        .only_where("t.status IN ('approved', 'rejected') AND t.payout_id IS NULL");
    let repriced = |item: &&Item| item.paid.was.is_none_or(|was| was.amount != item.paid.amount);
    if !items.iter().any(repriced) {
        return update;
    }
    update.set("amount_minor", amounts(items)).set("currency", currencies(items))
}

fn insert_earnings(ctx: &Ctx, settlement: &Settlement, items: &[&Item]) -> Insert {
    let ids = |id: fn(&Item) -> Uuid| Column::Uuid(items.iter().map(|item| id(item)).collect());
    let versions = items.iter().map(|item| item.paid.source_version).collect();
    Insert::into(EARNINGS)
        .column("id", ids(|item| item.paid.earning.0))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("source_kind", Column::same_text(Some("issue")))
        .column("source_id", ids(|item| item.paid.issue.0))
        .column("cycle_id", ids(|item| item.paid.cycle.0))
        .column("payee_id", ids(|item| item.paid.payee.0))
        .column("amount_minor", amounts(items))
        .column("currency", currencies(items))
        .column("status", Column::same_text(Some(status(settlement))))
        .column("version", Column::same_i64(Some(1)))
        .column("source_version", Column::I64(versions))
        .column("payout_id", payouts_of(settlement, items))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

fn insert_batch(ctx: &Ctx, batch: Uuid, state: &'static str, item_count: i64) -> Insert {
    Insert::into("batches")
        .column("id", Column::Uuid(vec![batch]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("created_by", Column::same_uuid(Some(ctx.member().0)))
        .column("state", Column::same_text(Some(state)))
        .column("item_count", Column::same_i64(Some(item_count)))
        .column("created_at", Column::same_time(Some(ctx.now)))
}

fn insert_payouts(ctx: &Ctx, settlement: &Settlement) -> Insert {
    let payouts = &settlement.payouts;
    let (state, paid_at) =
        if settlement.is_executed() { ("processing", None) } else { ("paid", Some(ctx.now)) };
    let text = |of: fn(&NewPayout) -> &str| {
        Column::Text(payouts.iter().map(|payout| of(payout).to_owned()).collect())
    };
    let number = |of: fn(&NewPayout) -> i64| Column::I64(payouts.iter().map(of).collect());
    let ids = |of: fn(&NewPayout) -> Uuid| Column::Uuid(payouts.iter().map(of).collect());
    Insert::into("payouts")
        .column("id", ids(|payout| payout.id.0))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("batch_id", Column::same_uuid(settlement.batch.map(|batch| batch.0)))
        .column("payee_id", ids(|payout| payout.payee.0))
        .column("amount_minor", number(|payout| payout.total.minor()))
        .column("netted_minor", number(|payout| payout.netted))
        .column("currency", text(|payout| payout.total.currency().code()))
        .column("method", text(|payout| payout.method.as_str()))
        .column("reference", text(|payout| payout.reference.as_str()))
        .column("state", Column::same_text(Some(state)))
        .column("item_count", number(|payout| count(payout.item_count)))
        .column("paid_at", Column::same_time(paid_at))
        .column("created_by", Column::same_uuid(Some(ctx.member().0)))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

fn insert_items(ctx: &Ctx, settlement: &Settlement, items: &[&Item]) -> Insert {
    let ids = |id: fn(&Item) -> Uuid| Column::Uuid(items.iter().map(|item| id(item)).collect());
    Insert::into("payout_items")
        .column("id", ids(|item| item.id.0))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("payout_id", payouts_of(settlement, items))
        .column("earning_id", ids(|item| item.paid.earning.0))
        .column("issue_id", ids(|item| item.paid.issue.0))
        .column("amount_minor", amounts(items))
        .column("currency", currencies(items))
        .column("live", Column::Same(true.into(), "boolean"))
}

fn tell_items(ctx: &Ctx, journal: &mut Journal, settlement: &Settlement, items: &[Item]) {
    for item in items {
        let (paid, payout) = (&item.paid, &settlement.payouts[item.payout]);
        let currency = paid.amount.currency().code();
        let after = json(&Paid {
            status: "paid",
            payout_id: payout.id.0,
            amount_minor: paid.amount.minor(),
            currency,
        });
        let before = paid.was.map(|was| format!("{{\"status\":\"{}\"}}", was.status.as_str()));
        let mut entry = Entry::new("payout.issue_paid", "earning", paid.earning.0).after(after);
        // Without a row of ours, the approval is known from the issue itself.
        entry.before = Some(before.unwrap_or_else(|| "{\"status\":\"approved\"}".to_owned()));
        let state = EarningState {
            earning_id: paid.earning.0,
            version: paid.was.map_or(1, |was| was.version + 1),
            issue_id: paid.issue.0,
            cycle_id: paid.cycle.0,
            payee_id: paid.payee.0,
            amount_minor: paid.amount.minor(),
            currency: currency.to_owned(),
            status: PayoutStatus::Paid,
            payout_id: Some(payout.id.0),
            method: Some(payout.method),
            reference: Some(payout.reference.clone()),
            paid_at: Some(ctx.now),
            reason: None,
            voided_at: None,
            receivable_minor: None,
        };
        journal.record(ctx, entry, kind::PAYOUT_ISSUE_PAID, state);
    }
}

fn tell_payouts(ctx: &Ctx, journal: &mut Journal, settlement: &Settlement) {
    let batch_id = settlement.batch.map(|batch| batch.0);
    for payout in &settlement.payouts {
        let after = json(&Recorded {
            status: "paid",
            batch_id,
            payee_id: payout.payee.0,
            amount_minor: payout.total.minor(),
            netted_minor: Some(payout.netted).filter(|netted| *netted > 0),
            currency: payout.total.currency().code(),
            method: payout.method.as_str(),
            reference: &payout.reference,
            item_count: payout.item_count,
        });
        let state = PayoutState {
            payout_id: payout.id.0,
            version: 1,
            batch_id,
            payee_id: payout.payee.0,
            amount_minor: payout.total.minor(),
            currency: payout.total.currency().code().to_owned(),
            method: Some(payout.method),
            reference: payout.reference.clone(),
            status: "paid".to_owned(),
            item_count: count(payout.item_count),
            paid_at: Some(ctx.now),
            netted_minor: Some(payout.netted).filter(|netted| *netted > 0),
            source: "issue".to_owned(),
            period: None,
            notes: None,
            approved_by: None,
            reason: None,
        };
        let entry = Entry::new("payout.paid", "payout", payout.id.0).after(after);
        journal.record(ctx, entry, kind::PAYOUT_PAID, state);
    }
}

fn tell_batch(ctx: &Ctx, journal: &mut Journal, batch_id: Uuid, payouts: i64, items: i64) {
    let entry = Entry::new("batch.completed", "batch", batch_id)
        .after(format!("{{\"payouts\":{payouts},\"items\":{items}}}"));
    let state = BatchCompleted { batch_id, version: 1, payout_count: payouts, item_count: items };
    journal.record(ctx, entry, kind::BATCH_COMPLETED, state);
}

/// Every denial is audited (rule 16); those by the gate are told to everybody (S1-28).
fn tell_excluded(ctx: &Ctx, journal: &mut Journal, excluded: &[Excluded], source: Source) {
    for refused in excluded {
        let words: Vec<_> = refused.reasons.iter().map(|reason| reason.as_str()).collect();
        let after = format!(
            "{{\"source\":\"{}\",\"reasons\":[\"{}\"]}}",
            source.as_str(),
            words.join("\",\"")
        );
        let reason = Some(words.join(","));
        if refused.by_gate() {
            let entry = Entry::new("payout.gate_blocked", "issue", refused.issue.0)
                .after(after)
                .because(reason);
            let blocked =
                GateBlocked { issue_id: refused.issue.0, source: source.as_str().to_owned() };
            journal.record(ctx, entry, kind::PAYOUT_GATE_BLOCKED, blocked);
        } else {
            let entry =
                Entry::new("payout.refused", "issue", refused.issue.0).after(after).because(reason);
            journal.note(ctx, entry);
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Plain structs cannot fail to be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
