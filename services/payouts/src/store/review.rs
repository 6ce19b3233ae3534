//! What is known of issues, as far as their reviews concern money.

use std::collections::{BTreeMap, HashMap};

use quittance_chassis::db::{Column, Entry, Insert, Journal, Tx, Update, WriteSet};
use quittance_events::{EarningState, kind};
use quittance_kernel::{Ctx, CycleId, IssueId, OrganizationId, ProductId, Timestamp};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::StoreError;
use super::earning;
use super::sql::Sql;
use crate::domain::earning::{Earning, EarningStatus};
use crate::domain::review::{Standing, Step};

/// Reads and locks what is known of these issues.
pub(crate) async fn standings(
    tx: &Tx,
    issues: &[(OrganizationId, IssueId)],
) -> Result<HashMap<(OrganizationId, IssueId), Standing>, StoreError> {
    let mut organizations: Vec<Uuid> = issues.iter().map(|(org, _)| org.0).collect();
    organizations.sort_unstable();
    organizations.dedup();
    let ids: Vec<Uuid> = issues.iter().map(|(_, issue)| issue.0).collect();
    let mut standings: HashMap<_, Standing> = HashMap::with_capacity(issues.len());
    for (org, earning) in earning::lock(tx.conn(), organizations.clone(), ids.clone()).await? {
        let key = (org, earning.issue);
        standings.entry(key).or_default().earning = Some(earning);
    }
    let text = "SELECT organization_id, issue_id, version FROM rejections WHERE organization_id";
    let sql = Sql::new(tx.conn().get_database_backend(), text)
        .one_of("", organizations)
        .one_of(" AND issue_id", ids);
    for row in sql.rows(tx.conn()).await? {
        let org = OrganizationId(row.try_get_by_index(0)?);
        let issue = IssueId(row.try_get_by_index(1)?);
        standings.entry((org, issue)).or_default().rejected = row.try_get_by_index(2)?;
    }
    Ok(standings)
}

/// What the steps of one organization write. Those of several go into one set.
#[derive(Default)]
pub(crate) struct Steps {
    opened: Vec<Earning>,
    changed: Vec<(EarningStatus, Earning)>,
    remembered: Vec<(IssueId, i64)>,
    refreshed: Vec<(Uuid, i64)>,
    /// When each version of an issue was decided on.
    decided: HashMap<(IssueId, i64), Timestamp>,
    products: HashMap<CycleId, ProductId>,
}

impl Steps {
    /// Notes when a version of an issue was decided on: runs choose by the time of approval.
    pub(crate) fn decided(&mut self, issue: IssueId, version: i64, at: Timestamp) {
        self.decided.insert((issue, version), at);
    }

    /// Notes which product a cycle belongs to: runs can be narrowed to one.
    pub(crate) fn of_product(&mut self, cycle: CycleId, product: ProductId) {
        self.products.insert(cycle, product);
    }

    /// The cycles of what is owed for the first time, each once and in order.
    fn cycles(&self, ctx: &Ctx) -> Insert {
        let cycles = self.opened.iter().map(|earning| earning.cycle);
        let cycles: BTreeMap<Uuid, Uuid> =
            cycles.filter_map(|cycle| Some((cycle.0, self.products.get(&cycle)?.0))).collect();
        Insert::into("known_cycles")
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("cycle_id", Column::Uuid(cycles.keys().copied().collect()))
            .column("product_id", Column::Uuid(cycles.into_values().collect()))
            .on_conflict("ON CONFLICT (organization_id, cycle_id) DO NOTHING")
    }

    fn approved_at(&self, earning: &Earning, now: Timestamp) -> Option<Timestamp> {
        let at = self.decided.get(&(earning.issue, earning.source_version)).copied();
        (earning.status == EarningStatus::Approved).then(|| at.unwrap_or(now))
    }

    pub(crate) fn push(&mut self, step: Step) {
        match step {
            Step::Open(earning) => self.opened.push(earning),
            Step::Change { was, earning } => self.changed.push((was, earning)),
            Step::Refresh { earning, source_version } => {
                self.refreshed.push((earning.0, source_version));
            }
            Step::Remember { issue, version } => self.remembered.push((issue, version)),
        }
    }

    /// Adds rows, audit and events to a set. Returns the rows to be refreshed.
    pub(crate) fn write_to(
        self,
        ctx: &Ctx,
        service: &'static str,
        set: &mut WriteSet,
    ) -> Vec<(Uuid, i64)> {
        let mut journal = Journal::new(service);
        for earning in &self.opened {
            let entry = Entry::new("earning.approved", "earning", earning.id.0);
            let after = snapshot(earning.status, earning);
            journal.record(ctx, entry.after(after), kind::EARNING_APPROVED, state(earning, 1));
        }
        for (was, earning) in &self.changed {
            let (action, kind) = match earning.status {
                EarningStatus::Approved => ("earning.approved", kind::EARNING_APPROVED),
                EarningStatus::Rejected | EarningStatus::Paid | EarningStatus::Void => {
                    ("earning.rejected", kind::EARNING_REJECTED)
                }
            };
            let before = format!("{{\"status\":\"{}\"}}", was.as_str());
            let entry = Entry::new(action, "earning", earning.id.0)
                .change(before, snapshot(earning.status, earning));
            journal.record(ctx, entry, kind, state(earning, earning.version + 1));
        }
        let at = |earning: &Earning| self.approved_at(earning, ctx.now);
        let opened_at = Column::OptTime(self.opened.iter().map(at).collect());
        let changed_at = Column::OptTime(self.changed.iter().map(|(_, e)| at(e)).collect());
        set.insert(insert(ctx, &self.opened).column("approved_at", opened_at));
        set.update(update(ctx, &self.changed).set("approved_at", changed_at));
        set.insert(self.cycles(ctx));
        set.insert(remember(ctx, &self.remembered));
        journal.write_to(ctx, set);
        self.refreshed
    }
}

/// Ids and codes need no escaping.
fn snapshot(status: EarningStatus, earning: &Earning) -> String {
    format!(
        "{{\"status\":\"{}\",\"issueId\":\"{}\",\"payeeId\":\"{}\",\"amountMinor\":{},\"currency\":\"{}\"}}",
        status.as_str(),
        earning.issue,
        earning.payee,
        earning.amount.minor(),
        earning.amount.currency()
    )
}

fn state(earning: &Earning, version: i64) -> EarningState {
    EarningState {
        earning_id: earning.id.0,
        version,
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

fn insert(ctx: &Ctx, opened: &[Earning]) -> Insert {
    let ids = |id: fn(&Earning) -> Uuid| Column::Uuid(opened.iter().map(id).collect());
    let currency = |earning: &Earning| earning.amount.currency().code().to_owned();
    Insert::into(earning::TABLE)
        .column("id", ids(|earning| earning.id.0))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("source_kind", Column::same_text(Some("issue")))
        .column("source_id", ids(|earning| earning.issue.0))
        .column("cycle_id", ids(|earning| earning.cycle.0))
        .column("payee_id", ids(|earning| earning.payee.0))
        .column("amount_minor", Column::I64(opened.iter().map(|e| e.amount.minor()).collect()))
        .column("currency", Column::Text(opened.iter().map(currency).collect()))
        .column("status", Column::same_text(Some(EarningStatus::Approved.as_str())))
        .column("version", Column::same_i64(Some(1)))
        .column("source_version", Column::I64(opened.iter().map(|e| e.source_version).collect()))
        .column("created_at", Column::same_time(Some(ctx.now)))
        .column("updated_at", Column::same_time(Some(ctx.now)))
}

fn update(ctx: &Ctx, changed: &[(EarningStatus, Earning)]) -> Update {
    let ids = changed.iter().map(|(_, earning)| earning.id.0).collect();
    let versions = changed.iter().map(|(_, earning)| earning.version).collect();
    let text = |of: fn(&Earning) -> &'static str| {
        Column::Text(changed.iter().map(|(_, earning)| of(earning).to_owned()).collect())
    };
    let number = |of: fn(&Earning) -> i64| {
        Column::I64(changed.iter().map(|(_, earning)| of(earning)).collect())
    };
    Update::of(earning::TABLE, "id", ids, versions)
        .set("status", text(|earning| earning.status.as_str()))
        .set("amount_minor", number(|earning| earning.amount.minor()))
        .set("currency", text(|earning| earning.amount.currency().code()))
        .set("source_version", number(|earning| earning.source_version))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status IN ('approved', 'rejected')")
}

fn remember(ctx: &Ctx, remembered: &[(IssueId, i64)]) -> Insert {
    Insert::into("rejections")
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("issue_id", Column::Uuid(remembered.iter().map(|(issue, _)| issue.0).collect()))
        .column("version", Column::I64(remembered.iter().map(|(_, version)| *version).collect()))
        .on_conflict(
            "ON CONFLICT (organization_id, issue_id) DO UPDATE SET version = excluded.version \
             WHERE rejections.version < excluded.version",
        )
}
