//! Signing in at the identity provider: there, and back again.

use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use quittance_proto::issues::v1::SignInRequest;
use serde::Deserialize;

use super::{Asked, page, within};
use crate::auth::{FrontDesk, refused};
use crate::dashboard::form::Typed;
use crate::dashboard::session::{Cookies, Session};
use crate::oidc::{Kept, refused as sign_in_refused};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::principal;
use crate::state::Gateway;

/// How long somebody may take at the provider.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long a session lasts: a working day. Roles that were taken away end with it.
const LIFETIME: Duration = Duration::from_hours(8);

/// What the provider sends the browser back with.
#[derive(Deserialize)]
pub(in crate::dashboard) struct Answered {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// Sends the browser to the provider.
pub(in crate::dashboard) async fn start(
    State(gateway): State<Gateway>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let Some(oidc) = &gateway.oidc else {
        return Ok(Redirect::to("/app/sign-in").into_response());
    };
    let begun = oidc.begin(within(&asked.next)).await?;
    let kept = serde_json::to_vec(&begun.kept);
    let kept = kept.map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = Redirect::to(&begun.url).into_response();
    Cookies { response: &mut response, mode: gateway.mode }.begin(&hex::encode(kept), PATIENCE);
    Ok(response)
}

/// Takes the browser back. Whatever the provider sent is used once.
pub(in crate::dashboard) async fn callback(
    State(gateway): State<Gateway>,
    Extension(mut session): Extension<Session>,
    FrontDesk(desk): FrontDesk,
    Query(answered): Query<Answered>,
) -> Response {
    let signed_in = sign_in(&gateway, &session, &desk, answered).await;
    let mut response = match signed_in {
        Ok((token, next)) => {
            let mut response = Redirect::to(within(&next)).into_response();
            let mut cookies = Cookies { response: &mut response, mode: gateway.mode };
            cookies.sign_in(&token, LIFETIME);
            cookies.forget_own();
            response
        }
        Err(problem) => {
            session.visiting();
            page(&gateway, &session, &Typed::of(&[]), Some(&problem))
        }
    };
    Cookies { response: &mut response, mode: gateway.mode }.begin("", Duration::ZERO);
    response
}

/// Returns the token of a session, and the page to go on with.
async fn sign_in(
    gateway: &Gateway,
    session: &Session,
    desk: &quittance_chassis::grpc::Caller,
    answered: Answered,
) -> Result<(String, String), Problem> {
    let oidc = gateway.oidc.as_ref();
    let oidc = oidc.ok_or_else(|| sign_in_refused("there is no identity provider"))?;
    let kept = session.begun.as_deref().and_then(read);
    let kept =
        kept.ok_or_else(|| sign_in_refused("the sign-in was not begun here, or too long ago"))?;
    // Another site may lead somebody here with a code of its own.
    if answered.state.as_deref() != Some(kept.state.as_str()) {
        return Err(sign_in_refused("the answer belongs to another sign-in"));
    }
    if answered.error.is_some() {
        return Err(sign_in_refused("the identity provider refused the sign-in"));
    }
    let code = answered.code.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| sign_in_refused("the identity provider sent no code"))?;
    let identity = oidc.finish(&code, &kept).await?;
    let request = desk.request(SignInRequest {
        organization_id: identity.organization.to_string(),
        issuer: identity.issuer,
        subject: identity.subject,
        email: identity.email.unwrap_or_default(),
        email_verified: identity.email_verified,
    });
    let reply = gateway.identities().sign_in(request).await?.into_inner();
    let member = principal(&required(reply.member, "member")?)?;
    let token = gateway.verifier.mint(&member, LIFETIME).map_err(|error| refused(&error))?;
    Ok((token, kept.next))
}

fn read(cookie: &str) -> Option<Kept> {
    serde_json::from_slice(&hex::decode(cookie).ok()?).ok()
}
