//! What every page passes: who is asking, and problems as pages.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{Method, StatusCode, header};

use super::access::find;
use super::session::{Cookies, Session};
use super::view::{self, Frame};
use crate::access::Who;
use crate::auth::admit;
use crate::edge::{RequestId, log};
use crate::problem::Problem;
use crate::state::Gateway;

/// Lets a request through to its page if the table says so. Whoever is not signed in is sent to do so.
pub(super) async fn guard(
    State(gateway): State<Gateway>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let row = find(request.method(), path.as_str()).ok_or_else(Problem::not_found)?;
    let session = Session::read(request.headers(), gateway.mode);
    if let Who::Roles(roles) = row.who {
        let Some(token) = session.token.as_deref() else { return Ok(sign_in_first(&request)) };
        match admit(&gateway, row, roles, token, &mut request).await {
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
                return Ok(signed_out(&gateway, &session, &request));
            }
            admitted => admitted?,
        }
    }
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

/// Where to go to sign in, and from there back to what was asked for.
fn sign_in_first(request: &Request) -> Response {
    if request.method() != Method::GET {
        return Redirect::to("/app/sign-in").into_response();
    }
    let asked = request.uri().path_and_query().map_or("/app", |asked| asked.as_str());
    Redirect::to(&format!("/app/sign-in?next={}", escaped(asked))).into_response()
}

/// Writes a text as a value of a query.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The session is over. An admin who viewed as somebody else is themselves again.
fn signed_out(gateway: &Gateway, session: &Session, request: &Request) -> Response {
    let mut response = match &session.own {
        Some(_) => Redirect::to("/app?notice=view-over").into_response(),
        None => sign_in_first(request),
    };
    let mut cookies = Cookies { response: &mut response, mode: gateway.mode };
    match &session.own {
        Some(own) => {
            cookies.sign_in(own, super::sign_in::LIFETIME);
            cookies.forget_own();
        }
        None => cookies.forget(),
    }
    response
}

/// Shows problems as pages, and refusals of the framework too.
pub(super) async fn shown(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let mut response = next.run(request).await;
    let status = response.status();
    let found = response.extensions_mut().remove::<Problem>();
    let problem = match found {
        Some(problem) => problem,
        None if status.is_success() || status.is_redirection() || is_page(&response) => {
            return response;
        }
        None if status == StatusCode::FORBIDDEN => foreign(),
        None if status == StatusCode::NOT_FOUND => Problem::not_found(),
        None => Problem::new(status, "BAD_REQUEST", "the request cannot be understood"),
    };
    log(&problem);
    let page = view::Trouble::of(&problem);
    let title = problem.status.canonical_reason().unwrap_or("Problem");
    view::html(
        problem.status,
        &ProblemPage { frame: Frame::outside(title), trouble: page, request_id: id },
    )
}

fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// A form that was not on a page of ours, or on one of a session that is over.
pub(super) fn foreign() -> Problem {
    let detail = "this form is no longer good: open its page again and repeat what you did";
    Problem::new(StatusCode::FORBIDDEN, "FORM_REFUSED", detail)
}

#[derive(askama::Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    trouble: view::Trouble,
    request_id: String,
}
