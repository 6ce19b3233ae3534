//! Who is asking: from bearer token to the caller that handlers take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{Extensions, HeaderMap, StatusCode, header};
use quittance_chassis::auth::AuthError;
use quittance_chassis::clock::now;
use quittance_chassis::config::Mode;
use quittance_chassis::grpc::{Caller as GrpcCaller, TRACEPARENT};
use quittance_chassis::problem::status;
use quittance_chassis::telemetry::current_traceparent;
use quittance_kernel::{Ctx, OrganizationId, Principal, Role};
use quittance_proto::issues::v1::Impersonation;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::access::{self, Row, Who};
use crate::denial;
use crate::edge::RequestId;
use crate::keys::{self, Key};
use crate::limits::Meter;
use crate::problem::Problem;
use crate::state::Gateway;
use crate::viewing::{asked, noted};

/// How long the services may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a token of our own is good for.
pub(crate) const MOMENT: Duration = Duration::from_mins(1);

/// The caller of a request, as the guard found out.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    inner: GrpcCaller,
    /// Present if the caller views as somebody else.
    pub(crate) viewing: Option<Arc<Impersonation>>,
    /// Present if the caller is a program with a key.
    pub(crate) key: Option<Arc<Key>>,
}

impl std::ops::Deref for Caller {
    type Target = GrpcCaller;

    fn deref(&self) -> &GrpcCaller {
        &self.inner
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // Absent only if a route is public and its handler is not.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| refused(&AuthError::Missing))
    }
}

/// Lets a request through to its handler if the table of routes says so.
pub(crate) async fn guard(
    State(gateway): State<Gateway>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let row = access::find(request.method(), path.as_str()).ok_or_else(Problem::not_found)?;
    if let Who::Roles(roles) = row.who {
        let token = bearer(request.headers()).ok_or_else(|| refused(&AuthError::Missing))?;
        if keys::is_key(&token) {
            let key =
                keys::resolve(&gateway, &token, (request.extensions(), request.headers())).await?;
            let token = key.token.expose_secret().to_owned();
            admit_by(&gateway, row, roles, (&token, Some(key)), &mut request).await?;
        } else {
            admit(&gateway, row, roles, &token, &mut request).await?;
        }
    }
    Ok(next.run(request).await)
}

/// Finds out whom a token stands for and whether they may ask this; handlers then find them as the
/// [`Caller`].
pub(crate) async fn admit(
    gateway: &Gateway,
    row: &Row,
    roles: &[Role],
    token: &str,
    request: &mut Request,
) -> Result<(), Problem> {
    admit_by(gateway, row, roles, (token, None), request).await
}

/// The same for a token that stands for a key, perhaps.
async fn admit_by(
    gateway: &Gateway,
    row: &Row,
    roles: &[Role],
    (token, key): (&str, Option<Arc<Key>>),
    request: &mut Request,
) -> Result<(), Problem> {
    let principal = gateway.verifier.verify(token).await.map_err(|error| refused(&error))?;
    let allowance = gateway.limits.member(principal.impersonator.unwrap_or(principal.member))?;
    if let (Some(allowance), Some(meter)) = (allowance, request.extensions().get::<Meter>()) {
        meter.set(allowance);
    }
    let allowed = allow(row, roles, &principal)
        .and_then(|()| key.as_deref().map_or(Ok(()), |key| key.opens(row)));
    let mut caller = caller(&principal, token, request);
    if principal.impersonator.is_some() {
        // Before the refusal, so that it is written down, too.
        let asked = asked(request, allowed.is_err());
        let viewing = noted(gateway, &caller, row, token, asked).await?;
        caller.viewing = Some(Arc::new(viewing));
    }
    if let Err(problem) = allowed {
        if !row.is_read_only() {
            let path = request.uri().path().to_owned();
            denial::note(gateway, &caller, row, &path, &problem.code).await;
        }
        return Err(problem);
    }
    caller.key = key;
    request.extensions_mut().insert(caller);
    Ok(())
}

pub(crate) fn refused(error: &AuthError) -> Problem {
    tracing::debug!(?error, "not authenticated");
    Problem::from(status(error))
}

fn allow(row: &Row, roles: &[Role], principal: &Principal) -> Result<(), Problem> {
    if !principal.roles.any_of(roles) {
        let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        let detail = format!("one of these roles is required: {}", names.join(", "));
        return Err(Problem::new(StatusCode::FORBIDDEN, "ROLE_REQUIRED", detail));
    }
    if principal.impersonator.is_some() && !row.is_open_to_viewers() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "IMPERSONATION_READ_ONLY",
            "whoever views as somebody else may not write",
        ));
    }
    Ok(())
}

/// Takes the token out of its header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn caller(principal: &Principal, token: &str, request: &Request) -> Caller {
    let span = tracing::Span::current();
    span.record("organization", tracing::field::display(principal.organization));
    span.record("member", tracing::field::display(principal.member));
    let ctx = context(principal.clone(), request.extensions(), request.headers());
    let deadline = Instant::now().checked_add(PATIENCE);
    Caller {
        inner: GrpcCaller::new(ctx, &SecretString::from(token), deadline),
        viewing: None,
        key: None,
    }
}

/// Says who asks, when, and under which request.
fn context(principal: Principal, extensions: &Extensions, headers: &HeaderMap) -> Ctx {
    let id = extensions.get::<RequestId>().map(|id| id.0.clone());
    let mut ctx = Ctx::new(principal, now(), id.unwrap_or_default());
    ctx.traceparent = current_traceparent()
        .or_else(|| headers.get(TRACEPARENT)?.to_str().ok().map(str::to_owned));
    ctx
}

/// The gateway itself as a caller, for what happens before somebody has signed in.
/// Only in development, where it can issue tokens; elsewhere there is nothing here.
pub(crate) struct Ourselves(pub(crate) GrpcCaller);

impl FromRequestParts<Gateway> for Ourselves {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        match gateway.mode {
            Mode::Production => Err(Problem::not_found()),
            Mode::Development => ourselves(&parts.extensions, &parts.headers, gateway).map(Self),
        }
    }
}

/// The gateway itself as a caller, wherever it can open sessions.
pub(crate) struct FrontDesk(pub(crate) GrpcCaller);

impl FromRequestParts<Gateway> for FrontDesk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        ourselves(&parts.extensions, &parts.headers, gateway).map(Self)
    }
}

/// The gateway itself as a caller.
pub(crate) fn ourselves(
    extensions: &Extensions,
    headers: &HeaderMap,
    gateway: &Gateway,
) -> Result<GrpcCaller, Problem> {
    let principal = Principal::service(OrganizationId(Uuid::nil()));
    let token = gateway.verifier.mint(&principal, MOMENT).map_err(|error| refused(&error))?;
    let ctx = context(principal, extensions, headers);
    let deadline = Instant::now().checked_add(PATIENCE);
    Ok(GrpcCaller::new(ctx, &SecretString::from(token), deadline))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_taken_from_its_header_only_if_it_is_one() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(read("Basic abc"), None);
        assert_eq!(read("Bearer"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
