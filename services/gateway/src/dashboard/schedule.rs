//! One schedule: when it comes, what stands in its way, and what can be done with it.

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::payouts::v1 as wire;
use uuid::Uuid;

use super::escrow::Held;
use super::fields::in_field;
use super::form::{Typed, fresh_key};
use super::labels::{self, number};
use super::schedules::{PAGE, Row};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::names;

const STEPS: &str = "/app/admin/schedules/{id}/{step}";

#[derive(askama::Template)]
#[template(path = "schedule.html")]
struct SchedulePage {
    frame: Frame,
    key: String,
    row: Row,
    version: i64,
    made: String,
    maker: String,
    processed: Option<String>,
    last_retry: Option<String>,
    /// Holds of its placement that keep it back.
    holds: Vec<Held>,
    /// It pays the money of this hold.
    of_hold: Option<String>,
    edits: bool,
    edit: Edit,
    why: String,
}

/// What stands in the form that changes it.
struct Edit {
    payees: Vec<Choice>,
    methods: Vec<Choice>,
    amount: String,
    currency: String,
    date: String,
    guarantee: String,
    /// The days as the page has shown them: only others are sent, so that hours are not lost.
    was: [String; 2],
    reference: String,
    notes: String,
}

async fn found(viewer: &Viewer, id: Uuid) -> Result<wire::Schedule, Problem> {
    let request = viewer.caller.request(wire::GetScheduleRequest { schedule_id: id.to_string() });
    let reply = viewer.gateway.schedules().get_schedule(request).await?.into_inner();
    required(reply.schedule, "schedule")
}

impl Viewer {
    fn edit(&self, of: &wire::Schedule, people: Vec<Choice>, typed: &Typed) -> Edit {
        let money = of.amount.clone().unwrap_or_default();
        let was = [in_field(of.scheduled_date), in_field(of.guarantee_completion_date)];
        Edit {
            payees: people,
            methods: labels::all_methods(&typed.or("method", &of.method.to_string())),
            amount: typed.or("amount", &self.locale.plain(money.minor_units, &money.currency_code)),
            currency: typed.or("currency", &money.currency_code),
            date: typed.or("date", &was[0]),
            guarantee: typed.or("guarantee", &was[1]),
            was,
            reference: typed.or("reference", &of.reference),
            notes: typed.or("notes", &of.notes),
        }
    }
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let of = found(viewer, id).await?;
    let payee = typed.or("payee", &of.payee_id);
    let holds = viewer.caller.request(wire::ListHoldsRequest {
        placement_id: of.placement_id.clone(),
        state: wire::HoldState::Active.into(),
        page_size: 50,
        ..wire::ListHoldsRequest::default()
    });
    let mut client = viewer.gateway.escrow();
    let asked = async {
        tokio::try_join!(
            async { Ok(client.list_holds(holds).await?.into_inner()) },
            async { Ok(names(&viewer.gateway, &viewer.caller).await?) },
            viewer.people(&payee),
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Schedule"), asked);
    let (holds, names, people) = asked?;
    let own = |hold: &wire::Hold| {
        (hold.schedule_id.is_empty() || hold.schedule_id == of.schedule_id)
            && hold.hold_id != of.hold_id
    };
    let holds = holds.holds.into_iter().filter(own);
    let open = matches!(of.state(), wire::ScheduleState::Pending | wire::ScheduleState::Failed);
    let page = SchedulePage {
        frame: frame.with(problem),
        key: fresh_key(),
        version: of.version,
        made: viewer.minute(of.create_time),
        maker: super::fields::name(&names, &of.created_by),
        processed: of.process_time.map(|at| viewer.minute(Some(at))),
        last_retry: of.last_retry_time.map(|at| viewer.minute(Some(at))),
        holds: holds.map(|hold| viewer.held(hold, &names)).collect(),
        of_hold: crate::rest::some(of.hold_id.clone()),
        edits: open && viewer.may(&Method::POST, STEPS),
        edit: viewer.edit(&of, people, typed),
        why: typed.text("why").to_owned(),
        row: viewer.schedule(of, &names),
    };
    Ok(answer(problem, &page))
}

/// Shows a schedule.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None).await
}

/// Takes one step with a schedule. What was typed stays when it is refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments((id, step)): Segments<(Uuid, String)>,
    typed: Typed,
) -> Response {
    let taken = match step.as_str() {
        "change" => change(&viewer, id, &typed).await.map(|()| "saved"),
        "cancel" => cancel(&viewer, id, &typed).await.map(|()| "cancelled"),
        "trigger" => trigger(&viewer, id, &typed).await.map(|()| "triggered"),
        _ => return Problem::not_found().into_response(),
    };
    match taken {
        Ok(notice) => done(&format!("{PAGE}/{id}"), notice),
        Err(problem) => shown(&viewer, id, &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn change(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let other = |name, was| typed.text(name) != typed.text(was);
    let (date, guarantee) = (typed.day("date")?, typed.day("guarantee")?);
    if date.is_none() {
        return Err(Problem::required("date"));
    }
    let request = viewer.caller.request(wire::UpdateScheduleRequest {
        request_id: typed.text("key").to_owned(),
        schedule_id: id.to_string(),
        version: typed.version(),
        payee_id: Some(typed.id("payee")?.to_string()),
        amount: Some(typed.money(viewer.locale)?),
        method: number(typed.text("method")),
        reference: Some(typed.text("reference").to_owned()),
        notes: Some(typed.text("notes").to_owned()),
        scheduled_date: date.filter(|_| other("date", "was-date")),
        guarantee_completion_date: guarantee.filter(|_| other("guarantee", "was-guarantee")),
        clear_guarantee: guarantee.is_none(),
    });
    viewer.gateway.schedules().update_schedule(request).await?;
    Ok(())
}

async fn cancel(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let request = viewer.caller.request(wire::CancelScheduleRequest {
        request_id: typed.text("key").to_owned(),
        schedule_id: id.to_string(),
        version: typed.version(),
        reason: typed.text("why").to_owned(),
    });
    viewer.gateway.schedules().cancel_schedule(request).await?;
    Ok(())
}

async fn trigger(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message =
        wire::TriggerScheduleRequest { request_id: key.request_id(), schedule_id: id.to_string() };
    viewer.gateway.schedules().trigger_schedule(key.request(&viewer.caller, message)).await?;
    Ok(())
}
