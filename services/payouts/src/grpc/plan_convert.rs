//! Plans between the domain and the wire.

use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::invalid;
use quittance_kernel::{IssueId, MemberId, Timestamp, TimestampExt as _};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::commit_plan_response::Outcome;
use tonic::Status;

use super::convert::{excluded, method, money, optional_id, paid_group, time, total, wire_method};
use crate::app::{Committed, Error};
use crate::domain::approval::Approval;
use crate::domain::plan::{Difference, Drawn, Filters, Netted, Plan, PlanItem, PlanState, Run};

/// The most issues of one kind that a difference names.
const MAX_NAMED: usize = 1_000;

/// Reads a run.
pub(super) fn run(message: proto::RunBatchRequest) -> Result<Run, Status> {
    let method = method("method", message.method())?;
    let filters = filters(message.filters.unwrap_or_default())?;
    let run = Run::new(filters, method, message.reference).map_err(Error::from)?;
    Ok(run.netting(message.net_receivables))
}

fn filters(message: proto::RunFilters) -> Result<Filters, Status> {
    let code = message.currency_code;
    let currency = match code.as_str() {
        "" => None,
        _ => Some(code.parse().map_err(|_| invalid("currency_code", "must be an ISO 4217 code"))?),
    };
    Ok(Filters {
        product: optional_id("product_id", &message.product_id)?,
        cycle: optional_id("cycle_id", &message.cycle_id)?,
        payee: optional_id::<MemberId>("payee_id", &message.payee_id)?,
        start: optional_time("period_start", message.period_start)?,
        end: optional_time("period_end", message.period_end)?,
        currency,
    })
}

fn optional_time(field: &str, time: Option<ProtoTime>) -> Result<Option<Timestamp>, Status> {
    let Some(time) = time else { return Ok(None) };
    let nanos = u32::try_from(time.nanos).ok();
    let read = nanos.and_then(|nanos| Timestamp::from_timestamp(time.seconds, nanos));
    read.map(|time| Some(time.to_micros())).ok_or_else(|| invalid(field, "must be a time"))
}

fn wire_state(state: PlanState) -> proto::PlanState {
    match state {
        PlanState::Open => proto::PlanState::Open,
        PlanState::Committed => proto::PlanState::Committed,
        PlanState::Expired => proto::PlanState::Expired,
        PlanState::Stale => proto::PlanState::Stale,
        PlanState::Cancelled => proto::PlanState::Cancelled,
    }
}

/// A plan as it stands at an instant.
pub(super) fn plan(plan: &Plan, at: Timestamp) -> proto::Plan {
    let filters = &plan.filters;
    proto::Plan {
        plan_id: plan.id.to_string(),
        created_by: plan.created_by.to_string(),
        filters: Some(proto::RunFilters {
            cycle_id: filters.cycle.map(|cycle| cycle.to_string()).unwrap_or_default(),
            payee_id: filters.payee.map(|payee| payee.to_string()).unwrap_or_default(),
            period_start: filters.start.map(time),
            period_end: filters.end.map(time),
            product_id: filters.product.map(|product| product.to_string()).unwrap_or_default(),
            currency_code: filters.currency.map(|c| c.code().to_owned()).unwrap_or_default(),
        }),
        method: wire_method(plan.method).into(),
        reference: plan.reference.clone(),
        digest: plan.digest.clone(),
        state: wire_state(plan.state_at(at)).into(),
        totals: plan.totals.iter().map(|(sum, count)| total(*sum, *count)).collect(),
        item_count: plan.item_count,
        excluded_count: plan.excluded_count,
        batch_id: plan.batch.map(|batch| batch.to_string()).unwrap_or_default(),
        expire_time: Some(time(plan.expires_at)),
        version: plan.version,
        create_time: Some(time(plan.created_at)),
        update_time: Some(time(plan.updated_at)),
        approvals: plan.approvals.iter().map(approval).collect(),
        approvals_needed: i32::try_from(plan.needed).unwrap_or(i32::MAX),
        net_receivables: plan.net,
        nettings: plan.nettings.iter().map(netting).collect(),
    }
}

fn netting(netted: &Netted) -> proto::PlanNetting {
    proto::PlanNetting { payee_id: netted.payee.to_string(), amount: Some(money(netted.amount)) }
}

fn approval(approval: &Approval) -> proto::PlanApproval {
    proto::PlanApproval {
        member_id: approval.member.to_string(),
        approve_time: Some(time(approval.at)),
    }
}

/// One earning that a run found.
pub(super) fn item(item: PlanItem) -> proto::PlanItem {
    proto::PlanItem {
        earning_id: item.earning.to_string(),
        issue_id: item.issue.to_string(),
        payee_id: item.payee.to_string(),
        amount: Some(money(item.amount)),
        earning_version: item.version,
        reasons: item.reasons,
    }
}

/// The answer to a run that was paid, or to a dry one.
pub(super) fn ran(made: &Plan, drawn: Option<&Drawn>) -> proto::RunBatchResponse {
    let mut outcome = outcome(made, drawn);
    if made.state == PlanState::Open {
        // Nothing was paid: there are no payouts yet.
        for group in &mut outcome.groups {
            group.payout_id.clear();
        }
    }
    proto::RunBatchResponse { plan: Some(plan(made, made.updated_at)), outcome: Some(outcome) }
}

/// The answer to committing a plan.
pub(super) fn committed(made: &Plan, committed: Committed<'_>) -> proto::CommitPlanResponse {
    let outcome = match committed {
        Committed::Paid(drawn) => Outcome::Paid(outcome(made, drawn)),
        Committed::Stale(found) => Outcome::Stale(difference(found)),
    };
    proto::CommitPlanResponse { plan: Some(plan(made, made.updated_at)), outcome: Some(outcome) }
}

/// Payouts and what was left out are told up to a limit; the plan has them page by page.
fn outcome(plan: &Plan, drawn: Option<&Drawn>) -> proto::RunOutcome {
    let totals: Vec<common::Total> =
        plan.totals.iter().map(|(sum, count)| total(*sum, *count)).collect();
    proto::RunOutcome {
        groups: drawn
            .map(|drawn| drawn.settlement.payouts.iter().map(paid_group).collect())
            .unwrap_or_default(),
        totals,
        excluded: drawn
            .map(|drawn| drawn.settlement.excluded.iter().map(excluded).collect())
            .unwrap_or_default(),
        truncated: drawn.is_none(),
    }
}

fn difference(found: &Difference) -> proto::PlanDifference {
    let named = |issues: &[IssueId]| {
        issues.iter().take(MAX_NAMED).map(ToString::to_string).collect::<Vec<_>>()
    };
    let count = |issues: &[IssueId], unnamed: i64| {
        i64::try_from(issues.len()).unwrap_or(i64::MAX).saturating_add(unnamed)
    };
    let [added, removed, changed] = found.unnamed;
    proto::PlanDifference {
        added_issue_ids: named(&found.added),
        removed_issue_ids: named(&found.removed),
        changed_issue_ids: named(&found.changed),
        added_count: count(&found.added, added),
        removed_count: count(&found.removed, removed),
        changed_count: count(&found.changed, changed),
        netted_payee_ids: found.netted.iter().map(ToString::to_string).collect(),
    }
}
