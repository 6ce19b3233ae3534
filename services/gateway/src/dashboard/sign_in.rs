//! Signing in and out.

mod provider;

use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use quittance_chassis::config::Mode;
use quittance_kernel::Role;
use quittance_proto::issues::v1::EnsureMemberRequest;
use serde::Deserialize;

use super::form::Typed;
use super::guard::escaped;
use super::session::{Cookies, Session};
use super::view::{Choice, Frame, html};
use crate::auth::Ourselves;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::principal;
use crate::state::Gateway;

pub(super) use provider::{callback, start};

/// How long a session of the development sign-in lasts.
pub(super) const LIFETIME: Duration = Duration::from_hours(12);

/// How long a visitor may take to sign in.
const VISIT: Duration = Duration::from_hours(1);

/// Where one begins.
const HOME: &str = "/app/test-cycles/balance";

/// Who may be chosen in development.
const ROLES: [Role; 6] =
    [Role::Member, Role::Lead, Role::Admin, Role::Finance, Role::Auditor, Role::PlatformAdmin];

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(askama::Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    development: bool,
    /// Where to begin at the identity provider, if there is one.
    provider: Option<String>,
    form: String,
    next: String,
    email: String,
    organization: String,
    roles: Vec<Choice>,
}

fn page(
    gateway: &Gateway,
    session: &Session,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Response {
    let organization = if typed.has("organization") || problem.is_some() {
        typed.text("organization")
    } else {
        "Hackorda QA"
    };
    let mut roles = vec![Choice::new("", "as they are", typed.text("role"))];
    roles.extend(ROLES.map(|role| Choice::new(role.as_str(), role.as_str(), typed.text("role"))));
    let page = SignInPage {
        frame: Frame::outside("Sign in").with(problem),
        development: gateway.mode == Mode::Development,
        provider: gateway
            .oidc
            .as_ref()
            .map(|_| format!("/app/sign-in/start?next={}", escaped(typed.text("next")))),
        form: session.form_token(),
        next: typed.text("next").to_owned(),
        email: typed.text("email").to_owned(),
        organization: organization.to_owned(),
        roles,
    };
    html(problem.map_or(StatusCode::OK, |problem| problem.status), &page)
}

/// Shows the form.
pub(super) async fn form(
    State(gateway): State<Gateway>,
    Extension(mut session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Response {
    let is_new = session.visiting();
    let typed = Typed::of(&[("next", &asked.next)]);
    let mut response = page(&gateway, &session, &typed, None);
    if let Some(secret) = session.visit_secret().filter(|_| is_new) {
        Cookies { response: &mut response, mode: gateway.mode }.visit(secret, VISIT);
    }
    response
}

/// Signs in by e-mail, in development only.
pub(super) async fn enter(
    State(gateway): State<Gateway>,
    Extension(session): Extension<Session>,
    Ourselves(ourselves): Ourselves,
    typed: Typed,
) -> Result<Response, Problem> {
    let role = typed.text("role");
    let message = EnsureMemberRequest {
        email: typed.text("email").to_owned(),
        name: String::new(),
        organization: typed.text("organization").to_owned(),
        roles: Some(role.to_owned()).filter(|role| !role.is_empty()).into_iter().collect(),
    };
    let reply = match gateway.members().ensure_member(ourselves.request(message)).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => {
            let problem = Problem::from(status);
            return Ok(page(&gateway, &session, &typed, Some(&problem)));
        }
    };
    let member = principal(&required(reply.member, "member")?)?;
    let token = gateway.verifier.mint(&member, LIFETIME);
    let token = token.map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = Redirect::to(within(typed.text("next"))).into_response();
    let mut cookies = Cookies { response: &mut response, mode: gateway.mode };
    cookies.sign_in(&token, LIFETIME);
    cookies.forget_own();
    Ok(response)
}

/// A page of ours, whatever the address says.
fn within(next: &str) -> &str {
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if next.starts_with("/app/") && plain { next } else { HOME }
}

/// Forgets the session.
pub(super) async fn leave(State(gateway): State<Gateway>, _typed: Typed) -> Response {
    let mut response = Redirect::to("/app/sign-in").into_response();
    Cookies { response: &mut response, mode: gateway.mode }.forget();
    response
}

/// Leads to where one begins.
pub(super) async fn home(query: axum::extract::RawQuery) -> Response {
    let query = query.0.filter(|query| query == "notice=view-over");
    match query {
        Some(query) => Redirect::to(&format!("{HOME}?{query}")).into_response(),
        None => Redirect::to(HOME).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away_from_here() {
        assert_eq!(within("/app/admin/payouts?page=2"), "/app/admin/payouts?page=2");
        for away in
            ["", "https://example.com/app/", "//example.com", "/api/docs", "/app/\\x", "/app/ a"]
        {
            assert_eq!(within(away), HOME, "{away}");
        }
    }
}
