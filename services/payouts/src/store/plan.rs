//! Plans and their items: rows, audit and events.

pub(crate) mod draft;
mod read;

use quittance_chassis::db::{Column, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{PlanNetting, PlanState as Told, PlanTotal, kind};
use quittance_kernel::{Ctx, PlanId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::read::{find, items, list, told_apart};
use crate::domain::plan::{Drawn, Filters, Netted, Plan, PlanItem, PlanState};

/// Filters as they are stored.
#[derive(Serialize, Deserialize)]
struct Narrowed {
    product_id: Option<Uuid>,
    cycle_id: Option<Uuid>,
    payee_id: Option<Uuid>,
    period_start: Option<Timestamp>,
    period_end: Option<Timestamp>,
    currency: Option<String>,
}

impl From<&Filters> for Narrowed {
    fn from(filters: &Filters) -> Self {
        Self {
            product_id: filters.product.map(|product| product.0),
            cycle_id: filters.cycle.map(|cycle| cycle.0),
            payee_id: filters.payee.map(|payee| payee.0),
            period_start: filters.start,
            period_end: filters.end,
            currency: filters.currency.map(|currency| currency.code().to_owned()),
        }
    }
}

/// What an audit row says of a plan.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Noted<'a> {
    status: &'static str,
    digest: &'a str,
    item_count: i64,
    excluded_count: i64,
    totals: Vec<PlanTotal>,
    batch_id: Option<Uuid>,
    nettings: Vec<PlanNetting>,
    approved_by: Vec<Uuid>,
    approvals_needed: i64,
}

/// Adds a plan that was just drawn, with everything that was found.
pub(crate) fn create(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    plan: &Plan,
    drawn: &Drawn,
) {
    let items: Vec<&PlanItem> = drawn.included.iter().chain(&drawn.excluded).collect();
    set.insert(insert_items(ctx, plan.id, &items));
    show(ctx, service, set, plan);
}

/// Adds a plan whose lines are there already.
pub(crate) fn show(ctx: &Ctx, service: &'static str, set: &mut WriteSet, plan: &Plan) {
    set.insert(insert_plan(ctx, plan));
    let mut journal = Journal::new(service);
    tell(ctx, &mut journal, None, plan);
    journal.write_to(ctx, set);
}

/// Moves a plan on, if it is still open and as it was read.
pub(crate) fn change(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    before: &Plan,
    after: &Plan,
) {
    let update = Update::of("plans", "id", vec![before.id.0], vec![before.version])
        .set("state", Column::same_text(Some(after.state.as_str())))
        .set("batch_id", Column::same_uuid(after.batch.map(|batch| batch.0)))
        .set("approvals_needed", Column::same_i64(Some(after.needed)))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.state = 'open'");
    set.update(update);
    let mut journal = Journal::new(service);
    tell(ctx, &mut journal, Some(before), after);
    journal.write_to(ctx, set);
}

fn tell(ctx: &Ctx, journal: &mut Journal, before: Option<&Plan>, plan: &Plan) {
    let (action, kind) = match plan.state {
        PlanState::Open => ("plan.created", Some(kind::PLAN_CREATED)),
        PlanState::Committed => ("plan.committed", Some(kind::PLAN_COMMITTED)),
        PlanState::Stale => ("plan.stale", Some(kind::PLAN_STALE)),
        PlanState::Expired => ("plan.expired", None),
        PlanState::Cancelled => ("plan.cancelled", None),
    };
    let mut entry = Entry::new(action, "plan", plan.id.0).after(noted(plan));
    entry.before = before.map(noted);
    match kind {
        Some(kind) => {
            journal.record(ctx, entry, kind, state(plan));
        }
        None => journal.note(ctx, entry),
    }
}

pub(super) fn noted(plan: &Plan) -> String {
    json(&Noted {
        status: plan.state.as_str(),
        digest: &plan.digest,
        item_count: plan.item_count,
        excluded_count: plan.excluded_count,
        totals: totals(plan),
        batch_id: plan.batch.map(|batch| batch.0),
        nettings: nettings(plan),
        approved_by: approvers(plan),
        approvals_needed: plan.needed,
    })
}

fn nettings(plan: &Plan) -> Vec<PlanNetting> {
    let netting = |netted: &Netted| PlanNetting {
        payee_id: netted.payee.0,
        currency: netted.amount.currency().code().to_owned(),
        amount_minor: netted.amount.minor(),
    };
    plan.nettings.iter().map(netting).collect()
}

fn approvers(plan: &Plan) -> Vec<Uuid> {
    plan.approvals.iter().map(|approval| approval.member.0).collect()
}

fn totals(plan: &Plan) -> Vec<PlanTotal> {
    let total = |(sum, count): &(quittance_kernel::Money, i64)| PlanTotal {
        currency: sum.currency().code().to_owned(),
        amount_minor: sum.minor(),
        count: *count,
    };
    plan.totals.iter().map(total).collect()
}

pub(super) fn state(plan: &Plan) -> Told {
    let narrowed = Narrowed::from(&plan.filters);
    Told {
        plan_id: plan.id.0,
        version: plan.version,
        status: plan.state.as_str().to_owned(),
        created_by: plan.created_by.0,
        product_id: narrowed.product_id,
        cycle_id: narrowed.cycle_id,
        payee_id: narrowed.payee_id,
        period_start: narrowed.period_start,
        period_end: narrowed.period_end,
        currency: narrowed.currency,
        method: plan.method,
        reference: plan.reference.clone(),
        digest: plan.digest.clone(),
        totals: totals(plan),
        item_count: plan.item_count,
        excluded_count: plan.excluded_count,
        batch_id: plan.batch.map(|batch| batch.0),
        nettings: nettings(plan),
        approved_by: approvers(plan),
        expires_at: plan.expires_at,
    }
}

fn insert_plan(ctx: &Ctx, plan: &Plan) -> Insert {
    let text = |text: &str| Column::same_text(Some(text));
    Insert::into("plans")
        .column("id", Column::Uuid(vec![plan.id.0]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("created_by", Column::same_uuid(Some(plan.created_by.0)))
        .column("filters", text(&json(&Narrowed::from(&plan.filters))))
        .column("method", text(plan.method.as_str()))
        .column("reference", text(&plan.reference))
        .column("net_receivables", Column::Same(plan.net.into(), "boolean"))
        .column("nettings", text(&json(&nettings(plan))))
        .column("digest", text(&plan.digest))
        .column("state", text(plan.state.as_str()))
        .column("totals", text(&json(&totals(plan))))
        .column("item_count", Column::same_i64(Some(plan.item_count)))
        .column("excluded_count", Column::same_i64(Some(plan.excluded_count)))
        .column("batch_id", Column::same_uuid(plan.batch.map(|batch| batch.0)))
        .column("expires_at", Column::same_time(Some(plan.expires_at)))
        .column("version", Column::same_i64(Some(plan.version)))
        .column("created_at", Column::same_time(Some(plan.created_at)))
        .column("updated_at", Column::same_time(Some(plan.updated_at)))
}

fn insert_items(ctx: &Ctx, plan: PlanId, items: &[&PlanItem]) -> Insert {
    let ids = |id: fn(&PlanItem) -> Uuid| Column::Uuid(items.iter().map(|item| id(item)).collect());
    let numbers =
        |of: fn(&PlanItem) -> i64| Column::I64(items.iter().map(|item| of(item)).collect());
    let currency = |item: &&PlanItem| item.amount.currency().code().to_owned();
    let reasons = |item: &&PlanItem| (!item.reasons.is_empty()).then(|| item.reasons.join(","));
    Insert::into("plan_items")
        .column("plan_id", Column::same_uuid(Some(plan.0)))
        .column("earning_id", ids(|item| item.earning.0))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("issue_id", ids(|item| item.issue.0))
        .column("payee_id", ids(|item| item.payee.0))
        .column("amount_minor", numbers(|item| item.amount.minor()))
        .column("currency", Column::Text(items.iter().map(currency).collect()))
        .column("earning_version", numbers(|item| item.version))
        .column("source_version", numbers(|item| item.source_version))
        .column("reasons", Column::OptText(items.iter().map(reasons).collect()))
}

/// Plain structs cannot fail to be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
