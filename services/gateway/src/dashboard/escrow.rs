//! Money of placements that is kept back: which there is, until when, and more of it (S2-56).

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;

use super::fields::name;
use super::form::{Typed, fresh_key};
use super::labels::{self, Badge, number};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, some};

pub(super) const PAGE: &str = "/app/admin/escrow";

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    state: String,
    placement: String,
    page_token: String,
    /// What a schedule would have held back: fills the form.
    schedule: String,
    payee: String,
    amount: String,
    currency: String,
}

#[derive(askama::Template)]
#[template(path = "escrow.html")]
struct EscrowPage {
    frame: Frame,
    key: String,
    filtered: bool,
    states: Vec<Choice>,
    placement: String,
    totals: Vec<Total>,
    holds: Vec<Held>,
    next: Option<String>,
    makes: bool,
    new: New,
}

/// What was held of one placement, in one currency.
struct Total {
    currency: String,
    active: String,
    released: String,
    cancelled: String,
}

/// What stands in the form of a new hold.
struct New {
    payees: Vec<Choice>,
    methods: Vec<Choice>,
    placement: String,
    schedule: String,
    amount: String,
    currency: String,
    reason: String,
    release: String,
}

/// One hold in a table.
pub(super) struct Held {
    pub(super) id: String,
    pub(super) placement: String,
    pub(super) schedule: Option<String>,
    pub(super) payee: String,
    pub(super) amount: String,
    /// How it is paid once it is released; nothing if it only keeps schedules back.
    pub(super) method: Option<&'static str>,
    pub(super) reason: String,
    pub(super) state: Badge,
    pub(super) release: Option<String>,
    pub(super) made: String,
    pub(super) maker: String,
    pub(super) ended: Option<String>,
    pub(super) end_reason: String,
    pub(super) parent: Option<String>,
}

impl Viewer {
    pub(super) fn held(&self, of: wire::Hold, names: &Names) -> Held {
        let ended = of.end_time.map(|at| {
            let who = match of.ended_by.as_str() {
                "" => "by its time".to_owned(),
                id => format!("by {}", name(names, id)),
            };
            format!("{}, {who}", self.minute(Some(at)))
        });
        Held {
            payee: name(names, &of.payee_id),
            amount: self.money(of.amount.as_ref()),
            method: (of.method != 0).then(|| labels::method(of.method)),
            state: labels::hold_state(of.state),
            release: of.release_scheduled_date.map(|at| self.day(Some(at))),
            made: self.minute(of.create_time),
            maker: name(names, &of.created_by),
            id: of.hold_id,
            placement: of.placement_id,
            schedule: some(of.schedule_id),
            reason: of.reason,
            ended,
            end_reason: of.end_reason,
            parent: some(of.parent_id),
        }
    }

    async fn held_totals(&self, placement: &str) -> Result<Vec<Total>, Problem> {
        if placement.is_empty() {
            return Ok(Vec::new());
        }
        let request =
            self.caller.request(wire::GetHeldTotalRequest { placement_id: placement.to_owned() });
        let reply = self.gateway.escrow().get_held_total(request).await?.into_inner();
        let total = |of: wire::HeldTotal| Total {
            active: self.locale.money(of.active_minor, &of.currency_code),
            released: self.locale.money(of.released_minor, &of.currency_code),
            cancelled: self.locale.money(of.cancelled_minor, &of.currency_code),
            currency: of.currency_code,
        };
        Ok(reply.totals.into_iter().map(total).collect())
    }
}

/// Lists holds, the newest first.
pub(super) async fn page(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let typed = Typed::of(&[
        ("placement", filter.placement.as_str()),
        ("schedule", &filter.schedule),
        ("payee", &filter.payee),
        ("amount", &filter.amount),
        ("currency", &filter.currency),
    ]);
    shown(&viewer, &filter, &typed, None).await
}

fn placement(filter: &Filter) -> Result<String, Problem> {
    let typed = Typed::of(&[("placement", &filter.placement)]);
    if !typed.has("placement") {
        return Ok(String::new());
    }
    Ok(typed.id("placement")?.to_string())
}

async fn shown(
    viewer: &Viewer,
    filter: &Filter,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    // A filter that cannot be read shows all, and says so.
    let (placement, unread) = match placement(filter) {
        Ok(placement) => (placement, None),
        Err(problem) => (String::new(), Some(problem)),
    };
    let problem = problem.or(unread.as_ref());
    let request = viewer.caller.request(wire::ListHoldsRequest {
        placement_id: placement.clone(),
        schedule_id: String::new(),
        state: number(&filter.state),
        page_size: 50,
        page_token: filter.page_token.clone(),
    });
    let mut client = viewer.gateway.escrow();
    let asked = async {
        tokio::try_join!(
            async { Ok(client.list_holds(request).await?.into_inner()) },
            viewer.held_totals(&placement),
            async { Ok(names(&viewer.gateway, &viewer.caller).await?) },
            viewer.people(typed.text("payee")),
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Escrow"), asked);
    let (list, totals, names, payees) = asked?;
    let page = EscrowPage {
        frame: frame.with(problem),
        key: fresh_key(),
        filtered: !filter.state.is_empty() || !filter.placement.is_empty(),
        states: labels::hold_states("any state", &filter.state),
        placement: filter.placement.clone(),
        totals,
        holds: list.holds.into_iter().map(|of| viewer.held(of, &names)).collect(),
        next: some(list.next_page_token),
        makes: viewer.may(&Method::POST, PAGE),
        new: New {
            payees,
            methods: holding_methods(typed.text("method")),
            placement: typed.text("placement").to_owned(),
            schedule: typed.text("schedule").to_owned(),
            amount: typed.text("amount").to_owned(),
            currency: if typed.has("currency") { typed.text("currency") } else { "USD" }.to_owned(),
            reason: typed.text("reason").to_owned(),
            release: typed.text("release").to_owned(),
        },
    };
    Ok(answer(problem, &page))
}

/// How the money of a hold is paid once it is released.
fn holding_methods(chosen: &str) -> Vec<Choice> {
    let mut methods = vec![Choice::new("", "not at all: it only keeps schedules back", chosen)];
    methods.extend(labels::all_methods(chosen));
    methods
}

/// Holds money back. What was typed stays when it is refused.
pub(super) async fn create(viewer: Viewer, typed: Typed) -> Response {
    match created(&viewer, &typed).await {
        Ok(id) => done(&format!("{PAGE}/{id}"), "held"),
        Err(problem) => shown(&viewer, &Filter::default(), &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn created(viewer: &Viewer, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let schedule_id = match typed.text("schedule") {
        "" => String::new(),
        _ => typed.id("schedule")?.to_string(),
    };
    let message = wire::CreateHoldRequest {
        request_id: key.request_id(),
        placement_id: typed.id("placement")?.to_string(),
        schedule_id,
        payee_id: typed.id("payee")?.to_string(),
        amount: Some(typed.money(viewer.locale)?),
        method: number(typed.text("method")),
        reason: typed.text("reason").to_owned(),
        release_scheduled_date: typed.day("release")?,
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.escrow().create_hold(request).await?.into_inner();
    Ok(required(reply.hold, "hold")?.hold_id)
}
