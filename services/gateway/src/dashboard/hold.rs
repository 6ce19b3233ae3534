//! One hold: why it is there, until when, and letting go of it, in whole or in part.

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::payouts::v1 as wire;
use uuid::Uuid;

use super::escrow::{Held, PAGE};
use super::fields::in_field;
use super::form::{Typed, fresh_key};
use super::view::{Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::names;

const STEPS: &str = "/app/admin/escrow/{id}/{step}";

#[derive(askama::Template)]
#[template(path = "hold.html")]
struct HoldPage {
    frame: Frame,
    key: String,
    hold: Held,
    version: i64,
    currency: String,
    acts: bool,
    /// What was typed, or what is there.
    amount: String,
    release_reason: String,
    cancel_reason: String,
    reason: String,
    release: String,
    was_release: String,
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::GetHoldRequest { hold_id: id.to_string() });
    let mut client = viewer.gateway.escrow();
    let asked = async {
        tokio::try_join!(client.get_hold(request), names(&viewer.gateway, &viewer.caller))
    };
    let (frame, asked) = tokio::join!(viewer.frame("Hold"), asked);
    let (reply, names) = asked?;
    let of = required(reply.into_inner().hold, "hold")?;
    let was_release = in_field(of.release_scheduled_date);
    let page = HoldPage {
        frame: frame.with(problem),
        key: fresh_key(),
        version: of.version,
        currency: of.amount.clone().unwrap_or_default().currency_code,
        acts: of.state() == wire::HoldState::Active && viewer.may(&Method::POST, STEPS),
        amount: typed.text("amount").to_owned(),
        release_reason: typed.text("release-reason").to_owned(),
        cancel_reason: typed.text("cancel-reason").to_owned(),
        reason: typed.or("reason", &of.reason),
        release: typed.or("release", &was_release),
        was_release,
        hold: viewer.held(of, &names),
    };
    Ok(answer(problem, &page))
}

/// Shows a hold.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None).await
}

/// Takes one step with a hold. What was typed stays when it is refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments((id, step)): Segments<(Uuid, String)>,
    typed: Typed,
) -> Response {
    let taken = match step.as_str() {
        "change" => change(&viewer, id, &typed).await.map(|()| "saved"),
        "release" => release(&viewer, id, &typed).await.map(|()| "released"),
        "cancel" => cancel(&viewer, id, &typed).await.map(|()| "cancelled"),
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
    let release = typed.day("release")?;
    let other = typed.text("release") != typed.text("was-release");
    let request = viewer.caller.request(wire::UpdateHoldRequest {
        request_id: typed.text("key").to_owned(),
        hold_id: id.to_string(),
        version: typed.version(),
        reason: Some(typed.text("reason").to_owned()),
        release_scheduled_date: release.filter(|_| other),
        clear_release: release.is_none(),
    });
    viewer.gateway.escrow().update_hold(request).await?;
    Ok(())
}

/// Lets go of all of it, or of the amount that was given.
async fn release(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let part = typed.amount("amount", &typed.currency()?, viewer.locale)?;
    if part.as_ref().is_some_and(|part| part.minor_units == 0) {
        return Err(Problem::invalid("amount", "must be more than nothing"));
    }
    let message = wire::ReleaseHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version: typed.version(),
        amount_minor: part.map_or(0, |part| part.minor_units),
        reason: typed.text("release-reason").to_owned(),
    };
    viewer.gateway.escrow().release_hold(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn cancel(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::CancelHoldRequest {
        request_id: key.request_id(),
        hold_id: id.to_string(),
        version: typed.version(),
        reason: typed.text("cancel-reason").to_owned(),
    };
    viewer.gateway.escrow().cancel_hold(key.request(&viewer.caller, message)).await?;
    Ok(())
}
