//! Paying whatever is due, or showing first what would be paid.

use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::edge::PLAN_TIMEOUT;
use crate::extract::Body;
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::payments::{Excluded, unverified};
use crate::rest::shapes::{Id, Total, ids, stamp, time, totals};
use crate::state::Gateway;
use crate::words::{Method, PlanState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(run_batch))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunBatch {
    product_id: Option<Uuid>,
    cycle_id: Option<Uuid>,
    tester_id: Option<Uuid>,
    /// The first instant of the approvals that count.
    period_start: Option<DateTime<Utc>>,
    /// The first instant that no longer counts.
    period_end: Option<DateTime<Utc>>,
    /// ISO 4217.
    #[schema(example = "KZT")]
    currency: Option<String>,
    method: Method,
    /// One is made up if it is not given.
    reference: Option<String>,
    /// Keeps back what the testers owe.
    #[serde(default)]
    net_receivables: bool,
    /// Has to be said: nobody pays by leaving out a word.
    dry_run: bool,
}

impl RunBatch {
    fn message(self, key: &IdempotencyKey) -> wire::RunBatchRequest {
        let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        wire::RunBatchRequest {
            request_id: key.request_id(),
            filters: Some(wire::RunFilters {
                cycle_id: text(self.cycle_id),
                payee_id: text(self.tester_id),
                period_start: self.period_start.map(stamp),
                period_end: self.period_end.map(stamp),
                currency_code: self.currency.unwrap_or_default(),
                product_id: text(self.product_id),
            }),
            method: self.method.number(),
            reference: self.reference.unwrap_or_default(),
            dry_run: self.dry_run,
            net_receivables: self.net_receivables,
        }
    }
}

/// What a run has paid, or would pay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunReport {
    plan_id: Id,
    /// SHA-256 over what is included.
    digest: String,
    #[schema(value_type = PlanState)]
    status: Option<PlanState>,
    /// Null as long as nothing was paid.
    batch_id: Option<Id>,
    expires_at: Option<DateTime<Utc>>,
    /// By how many others it has to be approved before it can be committed.
    approvals_needed: i32,
    groups: Vec<RunGroup>,
    totals: Vec<Total>,
    /// Left out because they must be verified first.
    unverified_issue_ids: Vec<Id>,
    /// All that was left out.
    excluded: Vec<Excluded>,
    item_count: i64,
    excluded_count: i64,
    /// A run over more than 10,000 earnings lists neither groups nor what was left out: the plan
    /// has all of it, page by page.
    truncated: bool,
}

/// What one tester is paid in one currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunGroup {
    tester_id: Id,
    /// Null in a dry run.
    payout_id: Option<Id>,
    issue_ids: Vec<Id>,
    #[schema(value_type = Method)]
    method: Option<Method>,
    reference: String,
    /// What is left after what is kept back.
    totals: Vec<Total>,
    /// What the tester owed and is kept back.
    netted_minor: i64,
}

impl From<wire::PaidGroup> for RunGroup {
    fn from(group: wire::PaidGroup) -> Self {
        Self {
            tester_id: Id::new(group.payee_id),
            payout_id: Id::optional(group.payout_id),
            issue_ids: ids(group.issue_ids),
            method: Method::read(group.method),
            reference: group.reference,
            totals: totals(group.total.into_iter().collect()),
            netted_minor: group.netted_minor,
        }
    }
}

impl RunReport {
    pub(super) fn of(plan: wire::Plan, outcome: wire::RunOutcome) -> Self {
        let excluded: Vec<Excluded> = outcome.excluded.into_iter().map(Excluded::from).collect();
        Self {
            plan_id: Id::new(plan.plan_id),
            digest: plan.digest,
            status: PlanState::read(plan.state),
            batch_id: Id::optional(plan.batch_id),
            expires_at: time(plan.expire_time),
            approvals_needed: plan.approvals_needed,
            groups: outcome.groups.into_iter().map(RunGroup::from).collect(),
            totals: totals(outcome.totals),
            unverified_issue_ids: unverified(&excluded),
            excluded,
            item_count: plan.item_count,
            excluded_count: plan.excluded_count,
            truncated: outcome.truncated,
        }
    }
}

/// Pays whatever is approved and may be paid; what may not is left out and reported. A dry run
/// pays nothing and is stored as a plan, which can be committed exactly as shown.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/run-batch",
    operation_id = "runBatch",
    tag = "plans",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RunBatch,
    responses((status = 200, body = RunReport))
)]
async fn run_batch(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<RunBatch>,
) -> Result<Reply<RunReport>, Problem> {
    let mut request = key.request(&caller, body.message(&key));
    request.set_timeout(PLAN_TIMEOUT);
    let (metadata, reply, _) = gateway.plans().run_batch(request).await?.into_parts();
    let plan = required(reply.plan, "plan")?;
    let outcome = required(reply.outcome, "outcome")?;
    Ok(Reply::ok(RunReport::of(plan, outcome)).remembered(&metadata))
}
