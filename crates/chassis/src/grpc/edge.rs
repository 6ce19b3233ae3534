//! What every call passes before it reaches a handler: span, limit, token, roles, deadline.
//!
//! One layer rather than six, because this is the hot path of every service.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use http::{HeaderMap, Request, Response, header};
use opentelemetry::metrics::Histogram;
use quittance_kernel::{Ctx, Principal, Role};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::body::Body;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use super::access::{Method, is_open};
use super::caller::Caller;
use super::metered::{Call, Metered};
use super::{REQUEST_ID, TRACEPARENT, deadline};
use crate::audit::denial::{Denials, Head};
use crate::audit::is_denial;
use crate::auth::{AuthError, Verifier};
use crate::clock::now;
use crate::problem::{self, Problem};
use crate::telemetry;

/// The longest that a caller may ask for: jobs are given ten minutes.
const MAX_DEADLINE: Duration = Duration::from_mins(15);

tokio::task_local! {
    /// The call that the current task works on; see [`super::detached`].
    pub(super) static FLIGHT: Arc<Flight>;
}

/// Marks the answer of a call that stays open and mostly waits, such as a stream of notifications.
/// It leaves its place among the calls that are worked on and takes one among those that stand
/// (`grpc.max_standing`): watchers never keep work out. The drain waits for both.
#[derive(Clone, Copy, Debug)]
pub struct Standing;

/// A place among the calls that are worked on, given back when the last holder is done.
pub(super) struct Flight {
    permit: Mutex<OwnedSemaphorePermit>,
    _token: TaskTrackerToken,
}

impl Flight {
    /// Gives its place back and keeps this one instead.
    fn stand_aside(&self, permit: OwnedSemaphorePermit) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

/// Why a call did not reach its handler, or did not come back from it.
#[derive(Debug, thiserror::Error)]
pub(super) enum EdgeError {
    #[error("the method does not exist")]
    UnknownMethod,
    #[error("too many calls at once")]
    Overloaded,
    #[error("the deadline has passed")]
    DeadlineExceeded,
    #[error("one of these roles is required: {}", names(.0))]
    RoleRequired(&'static [Role]),
    #[error("whoever views as somebody else may not write")]
    Impersonating,
    #[error("the handler panicked")]
    Panicked,
    #[error(transparent)]
    Auth(#[from] AuthError),
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

impl Problem for EdgeError {
    const DOMAIN: &'static str = problem::DOMAIN;

    fn code(&self) -> Code {
        match self {
            Self::UnknownMethod => Code::Unimplemented,
            Self::Overloaded => Code::ResourceExhausted,
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::RoleRequired(_) | Self::Impersonating => Code::PermissionDenied,
            Self::Panicked => Code::Internal,
            Self::Auth(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownMethod => "METHOD_UNKNOWN",
            Self::Overloaded => "OVERLOADED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::RoleRequired(_) => "ROLE_REQUIRED",
            Self::Impersonating => "IMPERSONATION_READ_ONLY",
            Self::Panicked => "INTERNAL",
            Self::Auth(error) => error.reason(),
        }
    }
}

/// What the calls of one server share.
pub(super) struct Gate {
    pub(super) service: &'static str,
    pub(super) verifier: Arc<Verifier>,
    pub(super) methods: HashMap<&'static str, Method>,
    pub(super) permits: Arc<Semaphore>,
    /// Places for calls that stand.
    pub(super) standing: Arc<Semaphore>,
    pub(super) flights: TaskTracker,
    pub(super) default_deadline: Duration,
    pub(super) histogram: Histogram<f64>,
    /// Where refused writes are noted; nowhere for a server without a database.
    pub(super) denials: Option<Denials>,
}

/// Puts the edge around the routes of a server.
#[derive(Clone)]
pub(super) struct EdgeLayer(pub(super) Arc<Gate>);

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { gate: Arc::clone(&self.0), inner }
    }
}

/// Routes behind the edge.
#[derive(Clone)]
pub(super) struct Edge<S> {
    gate: Arc<Gate>,
    inner: S,
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> Service<Request<Body>> for Edge<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone is not ready; the one that was polled is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        if is_open(request.uri().path()) {
            return Box::pin(inner.call(request));
        }
        let gate = Arc::clone(&self.gate);
        let method = gate.methods.get(request.uri().path()).copied();
        let path = method.map_or("_OTHER", |method| method.path);
        let call = Call::new(gate.histogram.clone(), gate.service, path);
        let request_id = request_id(request.headers());
        let span = span(path, &request_id, request.headers());
        // Outside of the future, so that our deadline is the first of the two to pass: the one of
        // tonic begins when this function returns, and answers with the wrong code.
        let wait = deadline::read(request.headers())
            .map_or(gate.default_deadline, |wait| wait.min(MAX_DEADLINE));
        let pass = Pass { gate, method, call, request_id, wait };
        Box::pin(pass.run(inner, request).instrument(span))
    }
}

/// One call on its way through.
struct Pass {
    gate: Arc<Gate>,
    method: Option<Method>,
    call: Call,
    request_id: String,
    wait: Duration,
}

impl Pass {
    async fn run<S>(self, inner: S, request: Request<Body>) -> Answer
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (response, flight) = match self.admit() {
            Ok((method, flight)) => {
                let limit = self.wait.saturating_sub(self.call.started().elapsed());
                let work = AssertUnwindSafe(self.handle(method, inner, request)).catch_unwind();
                let work = FLIGHT.scope(Arc::clone(&flight), work);
                let response = match tokio::time::timeout(limit, work).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) => Err(EdgeError::Panicked),
                    Err(_) => Err(EdgeError::DeadlineExceeded),
                };
                (response, Some(flight))
            }
            Err(error) => (Err(error), None),
        };
        let response = response.unwrap_or_else(|error| refuse(&error));
        let response = self.stand(response, flight.as_deref());
        Ok(self.finish(response, flight))
    }

    /// Finds another place for an answer that stays open.
    fn stand(&self, response: Response<Body>, flight: Option<&Flight>) -> Response<Body> {
        let Some(flight) = flight.filter(|_| response.extensions().get::<Standing>().is_some())
        else {
            return response;
        };
        match Arc::clone(&self.gate.standing).try_acquire_owned() {
            Ok(permit) => {
                flight.stand_aside(permit);
                response
            }
            Err(_) => refuse(&EdgeError::Overloaded),
        }
    }

    /// Finds the method and a place among the calls that are worked on.
    fn admit(&self) -> Result<(Method, Arc<Flight>), EdgeError> {
        let method = self.method.ok_or(EdgeError::UnknownMethod)?;
        let permit = Arc::clone(&self.gate.permits)
            .try_acquire_owned()
            .map_err(|_| EdgeError::Overloaded)?;
        Ok((
            method,
            Arc::new(Flight { permit: Mutex::new(permit), _token: self.gate.flights.token() }),
        ))
    }

    /// Authenticates, authorises, and hands the request to its handler.
    async fn handle<S>(
        &self,
        method: Method,
        mut inner: S,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, EdgeError>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let token = bearer(request.headers()).ok_or(AuthError::Missing)?;
        let principal = self.gate.verifier.verify(token).await?;
        let allowed = method.allows(&principal);
        let caller = self.caller(principal, request.headers());
        // Whoever is refused a write leaves a trace, whatever refuses it (rule 16).
        let denials = self.gate.denials.as_ref().filter(|_| !method.read_only);
        let ctx = denials.map(|_| caller.ctx.clone());
        if let Err(error) = allowed {
            if let (Some(denials), Some(ctx)) = (denials, ctx) {
                let head = Head::of(request.into_body()).await;
                denials.note(ctx, method.path, &head, error.reason().to_owned()).await;
            }
            return Err(error);
        }
        request.extensions_mut().insert(caller);
        let head = Head::default();
        if denials.is_some() {
            request = request.map(|body| head.overhear(body));
        }
        let response = match inner.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let (Some(denials), Some(ctx)) = (denials, ctx)
            && let Some(status) = Status::from_header_map(response.headers())
            && is_denial(status.code())
        {
            denials.note(ctx, method.path, &head, problem::read(&status).reason).await;
        }
        Ok(response)
    }

    fn caller(&self, principal: Principal, headers: &HeaderMap) -> Caller {
        let span = tracing::Span::current();
        span.record("organization", tracing::field::display(principal.organization));
        span.record("member", tracing::field::display(principal.member));
        let mut ctx = Ctx::new(principal, now(), self.request_id.clone());
        ctx.traceparent = telemetry::current_traceparent()
            .or_else(|| headers.get(TRACEPARENT)?.to_str().ok().map(str::to_owned));
        let authorization = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| MetadataValue::try_from(value.as_bytes()).ok());
        // A deadline beyond what the clock can count is none.
        let deadline: Option<Instant> = self.call.started().checked_add(self.wait);
        Caller::with_header(ctx, authorization, deadline)
    }

    /// Counts a refusal at once, and an answer when it was sent.
    fn finish(mut self, response: Response<Body>, flight: Option<Arc<Flight>>) -> Response<Body> {
        if let Some(code) = self.call.observe(response.headers()) {
            tracing::Span::current().record("rpc.status_code", i32::from(code));
            return response;
        }
        match flight {
            Some(flight) => response.map(|body| Metered::wrap(body, self.call, flight)),
            None => response,
        }
    }
}

fn refuse(error: &EdgeError) -> Response<Body> {
    tracing::debug!(reason = error.reason(), detail = ?error, "call refused");
    problem::status(error).into_http()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Takes the id of the caller if it is a decent one: it goes into log lines and audit rows.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty() && id.len() <= 128)
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn span(path: &'static str, request_id: &str, headers: &HeaderMap) -> tracing::Span {
    let span = tracing::info_span!(
        "grpc",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = path,
        request.id = request_id,
        organization = Empty,
        member = Empty,
        rpc.status_code = Empty,
    );
    if let Some(parent) = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        telemetry::set_parent(&span, parent);
    }
    span
}

impl From<EdgeError> for Status {
    fn from(error: EdgeError) -> Self {
        problem::status(&error)
    }
}
