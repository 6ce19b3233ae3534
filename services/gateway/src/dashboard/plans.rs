//! Plans: a dry run with a reason for whatever it leaves out, approvals of others, and the commit.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::issues::v1::ListCyclesRequest;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;
use wire::commit_plan_response::Outcome;

use super::form::{Typed, fresh_key};
use super::labels::{self, Badge, manual_methods, number, reason};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, plan_is_stale, some};

const PAGE: &str = "/app/admin/plans";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "plans.html")]
struct PlansPage {
    frame: Frame,
    key: String,
    plans: Vec<Plan>,
    next: Option<String>,
    runs: bool,
    cycles: Vec<Choice>,
    methods: Vec<Choice>,
    currency: String,
    reference: String,
}

/// A plan as pages show it.
struct Plan {
    id: String,
    when: String,
    author: String,
    state: Badge,
    sums: String,
    items: String,
    excluded: String,
    method: &'static str,
    reference: String,
    digest: String,
    approvals: String,
    expires: String,
}

impl Viewer {
    fn plan(&self, of: &wire::Plan, names: &Names) -> Plan {
        let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| "somebody".to_owned());
        let given: Vec<_> = of.approvals.iter().map(|one| name(&one.member_id)).collect();
        Plan {
            id: of.plan_id.clone(),
            when: self.minute(of.create_time),
            author: name(&of.created_by),
            state: labels::plan_state(of.state),
            sums: self.sums(&of.totals),
            items: self.locale.count(of.item_count),
            excluded: self.locale.count(of.excluded_count),
            method: labels::method(of.method),
            reference: of.reference.clone(),
            digest: of.digest.clone(),
            approvals: match (of.approvals_needed, given.as_slice()) {
                (0, []) => "none needed".to_owned(),
                (needed, []) => format!("0 of {needed}"),
                (needed, given) => format!("{} of {needed}: {}", given.len(), given.join(", ")),
            },
            expires: self.minute(of.expire_time),
        }
    }
}

/// Lists plans and asks for a dry run.
pub(super) async fn list(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    listed(&viewer, &asked.page_token, &Typed::default(), None).await
}

async fn listed(
    viewer: &Viewer,
    page_token: &str,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let caller = &viewer.caller;
    let plans =
        caller.request(wire::ListPlansRequest { page_size: 25, page_token: page_token.to_owned() });
    let cycles =
        caller.request(ListCyclesRequest { page_size: 200, ..ListCyclesRequest::default() });
    let (mut first, mut second) = (viewer.gateway.plans(), viewer.gateway.cycles());
    let asked = async {
        tokio::try_join!(
            first.list_plans(plans),
            second.list_cycles(cycles),
            names(&viewer.gateway, caller)
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Plans"), asked);
    let (plans, all, names) = asked?;
    let plans = plans.into_inner();
    let chosen = typed.text("cycle");
    let mut cycles = vec![Choice::new("", "all cycles", chosen)];
    let choice =
        |of: &quittance_proto::issues::v1::Cycle| Choice::new(&of.cycle_id, &of.name, chosen);
    cycles.extend(all.into_inner().cycles.iter().map(choice));
    let page = PlansPage {
        frame: frame.with(problem),
        key: fresh_key(),
        plans: plans.plans.iter().map(|of| viewer.plan(of, &names)).collect(),
        next: some(plans.next_page_token),
        runs: viewer.may(&Method::POST, PAGE),
        cycles,
        methods: manual_methods(typed.text("method")),
        currency: typed.text("currency").to_owned(),
        reference: typed.text("reference").to_owned(),
    };
    Ok(answer(problem, &page))
}

/// Makes a dry run.
pub(super) async fn run(viewer: Viewer, typed: Typed) -> Response {
    match planned(&viewer, &typed).await {
        Ok(id) => done(&format!("{PAGE}/{id}"), "planned"),
        Err(problem) => listed(&viewer, "", &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn planned(viewer: &Viewer, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let message = wire::RunBatchRequest {
        request_id: key.request_id(),
        filters: Some(wire::RunFilters {
            cycle_id: typed.text("cycle").to_owned(),
            currency_code: typed.text("currency").to_ascii_uppercase(),
            ..wire::RunFilters::default()
        }),
        method: number(typed.text("method")),
        reference: typed.text("reference").to_owned(),
        dry_run: true,
        net_receivables: typed.has("net"),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.plans().run_batch(request).await?.into_inner();
    Ok(required(reply.plan, "plan")?.plan_id)
}

#[derive(askama::Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    key: String,
    plan: Plan,
    included: Vec<Item>,
    excluded: Vec<Item>,
    next: Option<String>,
    approves: bool,
    commits: bool,
}

/// One earning that the run found.
struct Item {
    issue: String,
    payee: String,
    amount: String,
    reasons: String,
}

/// Shows a plan.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    shown(&viewer, id, asked.page_token, None).await
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    page_token: String,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::GetPlanRequest {
        plan_id: id.to_string(),
        page_size: 100,
        page_token,
    });
    let mut client = viewer.gateway.plans();
    let asked = async {
        tokio::try_join!(client.get_plan(request), names(&viewer.gateway, &viewer.caller))
    };
    let (frame, asked) = tokio::join!(viewer.frame("Plan"), asked);
    let (reply, names) = asked?;
    let reply = reply.into_inner();
    let plan = required(reply.plan, "plan")?;
    let is_open = plan.state() == wire::PlanState::Open;
    let is_author = plan.created_by == viewer.caller.ctx.member().to_string();
    let item = |of: &wire::PlanItem| Item {
        issue: of.issue_id.clone(),
        payee: names.get(&of.payee_id).cloned().unwrap_or_else(|| "somebody".to_owned()),
        amount: viewer.money(of.amount.as_ref()),
        reasons: of.reasons.iter().map(|word| reason(word)).collect::<Vec<_>>().join(", "),
    };
    let (excluded, included): (Vec<_>, Vec<_>) =
        reply.items.iter().map(item).partition(|item| !item.reasons.is_empty());
    let page = PlanPage {
        frame: frame.with(problem),
        key: fresh_key(),
        plan: viewer.plan(&plan, &names),
        included,
        excluded,
        next: some(reply.next_page_token),
        approves: is_open
            && !is_author
            && 0 < plan.approvals_needed
            && viewer.may(&Method::POST, "/app/admin/plans/{id}/approve"),
        commits: is_open && viewer.may(&Method::POST, "/app/admin/plans/{id}/commit"),
    };
    Ok(answer(problem, &page))
}

async fn ended(viewer: &Viewer, id: Uuid, taken: Result<&str, Problem>) -> Response {
    match taken {
        Ok(notice) => done(&format!("{PAGE}/{id}"), notice),
        Err(problem) => shown(viewer, id, String::new(), Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

/// Approves a plan of somebody else as it was shown.
pub(super) async fn approve(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
    typed: Typed,
) -> Response {
    let request = viewer.caller.request(wire::ApprovePlanRequest {
        request_id: typed.text("key").to_owned(),
        plan_id: id.to_string(),
        digest: typed.text("digest").to_owned(),
    });
    let reply = viewer.gateway.approvals().approve_plan(request).await;
    ended(&viewer, id, reply.map(|_| "approved").map_err(Problem::from)).await
}

/// Gives a plan up.
pub(super) async fn cancel(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    let (request_id, plan_id) = (typed.text("key").to_owned(), id.to_string());
    let request = viewer.caller.request(wire::CancelPlanRequest { request_id, plan_id });
    let reply = viewer.gateway.plans().cancel_plan(request).await;
    ended(&viewer, id, reply.map(|_| "cancelled").map_err(Problem::from)).await
}

/// Pays a plan exactly as shown, or says what has changed.
pub(super) async fn commit(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    let taken = committed(&viewer, id, &typed).await.map(|()| "committed");
    ended(&viewer, id, taken).await
}

async fn committed(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::CommitPlanRequest { request_id: key.request_id(), plan_id: id.to_string() };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.plans().commit_plan(request).await?.into_inner();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(_) => Ok(()),
        Outcome::Stale(difference) => Err(plan_is_stale(difference)),
    }
}
