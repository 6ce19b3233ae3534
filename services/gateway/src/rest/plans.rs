//! Plans: stored dry runs, which are paid exactly as shown or not at all.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::commit_plan_response::Outcome;

use crate::auth::Caller;
use crate::edge::PLAN_TIMEOUT;
use crate::extract::{Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::run_batch::RunReport;
use crate::rest::shapes::{Amount, Id, Page, Total, ids, some, time, totals};
use crate::state::Gateway;
use crate::words::{Method, PlanState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(commit))
        .routes(routes!(cancel))
}

/// A stored dry run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    id: Id,
    created_by: Id,
    /// What the run was narrowed to; null means any.
    product_id: Option<Id>,
    cycle_id: Option<Id>,
    tester_id: Option<Id>,
    period_start: Option<DateTime<Utc>>,
    period_end: Option<DateTime<Utc>>,
    currency: Option<String>,
    #[schema(value_type = Method)]
    method: Option<Method>,
    reference: String,
    net_receivables: bool,
    /// What is kept back of whom; the totals are without it.
    nettings: Vec<PlanNetting>,
    /// SHA-256 over what is included.
    digest: String,
    #[schema(value_type = PlanState)]
    status: Option<PlanState>,
    totals: Vec<Total>,
    item_count: i64,
    excluded_count: i64,
    /// Null as long as nothing was paid.
    batch_id: Option<Id>,
    /// In the order in which they were given.
    approvals: Vec<PlanApproval>,
    /// By how many others it has to be approved; once committed, had to be.
    approvals_needed: i32,
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Plan> for Plan {
    fn from(plan: wire::Plan) -> Self {
        let filters = plan.filters.unwrap_or_default();
        Self {
            id: Id::new(plan.plan_id),
            created_by: Id::new(plan.created_by),
            product_id: Id::optional(filters.product_id),
            cycle_id: Id::optional(filters.cycle_id),
            tester_id: Id::optional(filters.payee_id),
            period_start: time(filters.period_start),
            period_end: time(filters.period_end),
            currency: some(filters.currency_code),
            method: Method::read(plan.method),
            reference: plan.reference,
            net_receivables: plan.net_receivables,
            nettings: plan.nettings.into_iter().map(PlanNetting::from).collect(),
            digest: plan.digest,
            status: PlanState::read(plan.state),
            totals: totals(plan.totals),
            item_count: plan.item_count,
            excluded_count: plan.excluded_count,
            batch_id: Id::optional(plan.batch_id),
            approvals: plan.approvals.into_iter().map(PlanApproval::from).collect(),
            approvals_needed: plan.approvals_needed,
            expires_at: time(plan.expire_time),
            version: plan.version,
            created_at: time(plan.create_time),
            updated_at: time(plan.update_time),
        }
    }
}

/// What one tester is paid less, because they owe it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanNetting {
    tester_id: Id,
    #[serde(flatten)]
    amount: Amount,
}

impl From<wire::PlanNetting> for PlanNetting {
    fn from(netting: wire::PlanNetting) -> Self {
        let amount = netting.amount.unwrap_or_default().into();
        Self { tester_id: Id::new(netting.payee_id), amount }
    }
}

/// One member's approval of a plan.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanApproval {
    member_id: Id,
    #[schema(value_type = DateTime<Utc>)]
    approved_at: Option<DateTime<Utc>>,
}

impl From<wire::PlanApproval> for PlanApproval {
    fn from(approval: wire::PlanApproval) -> Self {
        Self { member_id: Id::new(approval.member_id), approved_at: time(approval.approve_time) }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanDetail {
    #[serde(flatten)]
    plan: Plan,
    /// One page of what was found, included or not.
    items: Vec<PlanItem>,
    /// Give it as `pageToken` to read on; null at the end.
    next_page_token: Option<String>,
}

/// One earning that a run found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PlanItem {
    earning_id: Id,
    issue_id: Id,
    tester_id: Id,
    amount_minor: i64,
    currency: String,
    /// Why it is left out; empty when it is included.
    reasons: Vec<String>,
}

impl From<wire::PlanItem> for PlanItem {
    fn from(item: wire::PlanItem) -> Self {
        let money = item.amount.unwrap_or_default();
        Self {
            earning_id: Id::new(item.earning_id),
            issue_id: Id::new(item.issue_id),
            tester_id: Id::new(item.payee_id),
            amount_minor: money.minor_units,
            currency: money.currency_code,
            reasons: item.reasons,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PlanPage {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists plans, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/payout-plans",
    operation_id = "listPlans",
    tag = "plans",
    params(PlanPage),
    responses((status = 200, body = Page<Plan>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(page): Params<PlanPage>,
) -> Result<Json<Page<Plan>>, Problem> {
    let request = caller.request(wire::ListPlansRequest {
        page_size: page.page_size.unwrap_or_default(),
        page_token: page.page_token.unwrap_or_default(),
    });
    let reply = gateway.plans().list_plans(request).await?.into_inner();
    Ok(Json(Page::of(reply.plans, reply.next_page_token)))
}

/// Gets a plan with one page of what it includes and excludes.
#[utoipa::path(
    get,
    path = "/api/admin/payout-plans/{id}",
    operation_id = "getPlan",
    tag = "plans",
    params(("id" = Uuid, Path), PlanPage),
    responses((status = 200, body = PlanDetail))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Params(page): Params<PlanPage>,
) -> Result<Reply<PlanDetail>, Problem> {
    let request = caller.request(wire::GetPlanRequest {
        plan_id: id.to_string(),
        page_size: page.page_size.unwrap_or_default(),
        page_token: page.page_token.unwrap_or_default(),
    });
    let reply = gateway.plans().get_plan(request).await?.into_inner();
    let plan = Plan::from(required(reply.plan, "plan")?);
    let version = plan.version;
    let items = reply.items.into_iter().map(PlanItem::from).collect();
    let next_page_token = some(reply.next_page_token);
    Ok(Reply::ok(PlanDetail { plan, items, next_page_token }).version(version))
}

/// Pays a plan exactly as shown; if anything has changed since, pays nothing and tells what.
#[utoipa::path(
    post,
    path = "/api/admin/payout-plans/{id}/commit",
    operation_id = "commitPlan",
    tag = "plans",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = RunReport))
)]
async fn commit(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<RunReport>, Problem> {
    let message = wire::CommitPlanRequest { request_id: key.request_id(), plan_id: id.to_string() };
    let mut request = key.request(&caller, message);
    request.set_timeout(PLAN_TIMEOUT);
    let reply = gateway.plans().commit_plan(request).await?;
    let (metadata, reply, _) = reply.into_parts();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(outcome) => {
            let plan = required(reply.plan, "plan")?;
            Ok(Reply::ok(RunReport::of(plan, outcome)).remembered(&metadata))
        }
        Outcome::Stale(difference) => Err(stale(difference)),
    }
}

/// Says what has changed. At most 1,000 issues of each kind are named; the counts are whole.
pub(crate) fn stale(difference: wire::PlanDifference) -> Problem {
    let detail = "what would be paid has changed since the plan was made; nothing was paid";
    Problem::new(StatusCode::CONFLICT, "PLAN_STALE", detail)
        .with("addedIssueIds", ids(difference.added_issue_ids))
        .with("removedIssueIds", ids(difference.removed_issue_ids))
        .with("changedIssueIds", ids(difference.changed_issue_ids))
        .with("nettedTesterIds", ids(difference.netted_payee_ids))
        .with("addedCount", difference.added_count)
        .with("removedCount", difference.removed_count)
        .with("changedCount", difference.changed_count)
}

/// Gives an open plan up.
#[utoipa::path(
    post,
    path = "/api/admin/payout-plans/{id}/cancel",
    operation_id = "cancelPlan",
    tag = "plans",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Plan))
)]
async fn cancel(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<Plan>, Problem> {
    let message = wire::CancelPlanRequest { request_id: key.request_id(), plan_id: id.to_string() };
    let reply = gateway.plans().cancel_plan(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let plan = Plan::from(required(reply.plan, "plan")?);
    let version = plan.version;
    Ok(Reply::ok(plan).version(version).remembered(&metadata))
}
