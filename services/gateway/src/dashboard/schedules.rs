//! Payouts that are due on a date: which there are, when they come next, and a new one (S2-56).

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;

use super::fields::name;
use super::form::{Typed, fresh_key};
use super::labels::{self, Badge, number, reason};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, some};

pub(super) const PAGE: &str = "/app/admin/schedules";

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    state: String,
    placement: String,
    payee: String,
    due: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "schedules.html")]
struct SchedulesPage {
    frame: Frame,
    key: String,
    filtered: bool,
    states: Vec<Choice>,
    payees: Vec<Choice>,
    placement: String,
    due: String,
    schedules: Vec<Row>,
    next: Option<String>,
    makes: bool,
    new: New,
}

/// What stands in the form of a new schedule.
struct New {
    payees: Vec<Choice>,
    methods: Vec<Choice>,
    placement: String,
    amount: String,
    currency: String,
    date: String,
    guarantee: String,
    reference: String,
    notes: String,
}

/// One schedule in a table.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) placement: String,
    pub(super) payee: String,
    pub(super) amount: String,
    pub(super) method: &'static str,
    pub(super) state: Badge,
    pub(super) date: String,
    pub(super) guarantee: Option<String>,
    /// When it is looked at next.
    pub(super) next: Option<String>,
    /// What stands in its way.
    pub(super) waits: Vec<String>,
    pub(super) failure: Option<String>,
    pub(super) retries: Option<String>,
    pub(super) notes: String,
    pub(super) reference: String,
    pub(super) payout: Option<String>,
}

impl Viewer {
    pub(super) fn schedule(&self, of: wire::Schedule, names: &Names) -> Row {
        use wire::ScheduleState::{Failed, Pending, Processing, Triggered};

        let state = of.state();
        let waits = matches!(state, Pending | Triggered | Processing);
        let reasons = of.waiting_for.split(',').filter(|word| waits && !word.is_empty());
        let retries = of.retry_count;
        Row {
            payee: name(names, &of.payee_id),
            amount: self.money(of.amount.as_ref()),
            method: labels::method(of.method),
            state: labels::schedule_state(of.state),
            date: self.day(of.scheduled_date),
            guarantee: of.guarantee_completion_date.map(|at| self.day(Some(at))),
            next: of.next_attempt_time.filter(|_| waits).map(|at| self.minute(Some(at))),
            waits: reasons.map(|word| reason(word).to_owned()).collect(),
            failure: some(of.failure_reason).filter(|_| waits || state == Failed),
            retries: (0 < retries).then(|| self.locale.counted(retries.into(), "failure")),
            id: of.schedule_id,
            placement: of.placement_id,
            notes: of.notes,
            reference: of.reference,
            payout: some(of.payout_id),
        }
    }
}

/// Lists schedules, the newest first.
pub(super) async fn page(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    shown(&viewer, &filter, &Typed::default(), None).await
}

fn message(filter: &Filter) -> Result<wire::ListSchedulesRequest, Problem> {
    let typed = Typed::of(&[("placement", &filter.placement), ("due", &filter.due)]);
    if typed.has("placement") {
        typed.id("placement")?;
    }
    Ok(wire::ListSchedulesRequest {
        placement_id: typed.text("placement").to_owned(),
        payee_id: filter.payee.clone(),
        state: number(&filter.state),
        due_before: typed.day("due")?,
        page_size: 50,
        page_token: filter.page_token.clone(),
    })
}

async fn shown(
    viewer: &Viewer,
    filter: &Filter,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    // A filter that cannot be read shows all, and says so.
    let (message, unread) = match message(filter) {
        Ok(message) => (message, None),
        Err(problem) => (wire::ListSchedulesRequest::default(), Some(problem)),
    };
    let problem = problem.or(unread.as_ref());
    let request = viewer.caller.request(message);
    let mut client = viewer.gateway.schedules();
    let asked = async {
        tokio::try_join!(
            async { Ok(client.list_schedules(request).await?.into_inner()) },
            async { Ok(names(&viewer.gateway, &viewer.caller).await?) },
            viewer.people(typed.text("payee")),
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Schedules"), asked);
    let (list, names, people) = asked?;
    let of_filter = |one: &Choice| Choice::new(&one.value, &one.label, &filter.payee);
    let mut payees = vec![Choice::new("", "anybody", &filter.payee)];
    payees.extend(people.iter().filter(|one| !one.value.is_empty()).map(of_filter));
    let page = SchedulesPage {
        frame: frame.with(problem),
        key: fresh_key(),
        filtered: [&filter.state, &filter.placement, &filter.payee, &filter.due]
            .into_iter()
            .any(|field| !field.is_empty()),
        states: labels::schedule_states("any state", &filter.state),
        payees,
        placement: filter.placement.clone(),
        due: filter.due.clone(),
        schedules: list.schedules.into_iter().map(|of| viewer.schedule(of, &names)).collect(),
        next: some(list.next_page_token),
        makes: viewer.may(&Method::POST, PAGE),
        new: New {
            payees: people,
            methods: labels::all_methods(typed.text("method")),
            placement: typed.text("placement").to_owned(),
            amount: typed.text("amount").to_owned(),
            currency: if typed.has("currency") { typed.text("currency") } else { "USD" }.to_owned(),
            date: typed.text("date").to_owned(),
            guarantee: typed.text("guarantee").to_owned(),
            reference: typed.text("reference").to_owned(),
            notes: typed.text("notes").to_owned(),
        },
    };
    Ok(answer(problem, &page))
}

/// Schedules a payout. What was typed stays when it is refused.
pub(super) async fn create(viewer: Viewer, typed: Typed) -> Response {
    match created(&viewer, &typed).await {
        Ok(id) => done(&format!("{PAGE}/{id}"), "scheduled"),
        Err(problem) => shown(&viewer, &Filter::default(), &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn created(viewer: &Viewer, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let message = wire::CreateScheduleRequest {
        request_id: key.request_id(),
        placement_id: typed.id("placement")?.to_string(),
        payee_id: typed.id("payee")?.to_string(),
        amount: Some(typed.money(viewer.locale)?),
        method: number(typed.text("method")),
        reference: typed.text("reference").to_owned(),
        notes: typed.text("notes").to_owned(),
        scheduled_date: Some(typed.day("date")?.ok_or_else(|| Problem::required("date"))?),
        guarantee_completion_date: typed.day("guarantee")?,
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.schedules().create_schedule(request).await?.into_inner();
    Ok(required(reply.schedule, "schedule")?.schedule_id)
}
