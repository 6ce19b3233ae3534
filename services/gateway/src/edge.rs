//! What every request passes, and every answer: id, span, limits, problems written out, headers.
//!
//! One layer rather than eight, because each one costs a box and a clone on every request.

mod headers;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use quittance_chassis::grpc::TRACEPARENT;
use quittance_chassis::telemetry::{current_traceparent, set_parent};
use tokio::sync::OwnedSemaphorePermit;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::limits::{Allowance, Meter};
use crate::problem::Problem;
use crate::state::Gateway;
use headers::Kind;

/// How long an answer may take to begin.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The same where the body is a file, which takes as long as the line of the client does.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a run may take: very many earnings are drawn and paid in one request.
pub(crate) const PLAN_TIMEOUT: Duration = Duration::from_mins(10);

/// The longest address, and the most that all headers of a request may have.
const MAX_URI: usize = 8 * 1024;
const MAX_HEADERS: usize = 32 * 1024;

/// Requests that are worked on at once; more are refused.
pub(crate) const MAX_IN_FLIGHT: usize = 1_024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Buckets in seconds; the ones of the SDK are made for milliseconds.
const BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Ties log lines, audit rows and answers of one request together.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// A place among the requests that are worked on. Whoever streams an answer holds on to it.
#[derive(Clone)]
#[expect(dead_code, reason = "held, not read")]
pub(crate) struct Place(Arc<OwnedSemaphorePermit>);

impl Place {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(permit))
    }
}

/// Builds the histogram of requests.
pub(crate) fn histogram() -> Histogram<f64> {
    opentelemetry::global::meter("quittance")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_description("Time from the head of a request to the head of its answer")
        .with_boundaries(BOUNDARIES.to_vec())
        .build()
}

/// Takes a request to its handler and the answer back.
pub(crate) async fn edge(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut visit = Visit::new(&request);
    let extensions = request.extensions_mut();
    extensions.insert(RequestId(visit.request_id.clone()));
    extensions.insert(visit.meter.clone());
    let span = visit.span(request.headers());
    let trace_id = span.in_scope(|| trace_id(request.headers(), &visit.request_id));
    let response = match span.in_scope(|| visit.welcome(&gateway, &request)) {
        Ok(()) => admitted(&gateway, request, next).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    let response = span.in_scope(|| documented(response, &trace_id));
    span.record("http.response.status_code", response.status().as_u16());
    visit.end(response, &gateway)
}

/// What is remembered of a request until it is answered.
struct Visit {
    started: Instant,
    method: Method,
    route: String,
    kind: Kind,
    request_id: String,
    /// The version that the client has already.
    seen: Option<HeaderValue>,
    /// What the address that asks, and then the member, may still ask.
    allowance: Option<Allowance>,
    meter: Meter,
}

impl Visit {
    fn new(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>();
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            route: route.map_or("_OTHER", MatchedPath::as_str).to_owned(),
            kind: kind(request.uri().path()),
            request_id: request_id(request.headers()),
            seen: request.headers().get(header::IF_NONE_MATCH).cloned(),
            allowance: None,
            meter: Meter::default(),
        }
    }

    /// Refuses what comes too often, or is too long to be looked at.
    fn welcome(&mut self, gateway: &Gateway, request: &Request) -> Result<(), Problem> {
        self.allowance = gateway.limits.address(request)?;
        let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
        if MAX_URI < uri {
            let detail = "the address is longer than 8 KiB";
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", detail));
        }
        let headers = request.headers().iter();
        let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
        if MAX_HEADERS < headers {
            let (status, detail) =
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are longer than 32 KiB");
            return Err(Problem::new(status, "HEADERS_TOO_LARGE", detail));
        }
        Ok(())
    }

    fn span(&self, headers: &HeaderMap) -> Span {
        let span = tracing::info_span!(
            "http",
            otel.name = format!("{} {}", self.method, self.route),
            otel.kind = "server",
            http.request.method = %self.method,
            http.route = self.route,
            request.id = self.request_id,
            organization = Empty,
            member = Empty,
            http.response.status_code = Empty,
        );
        if let Some(parent) = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
            set_parent(&span, parent);
        }
        span
    }

    /// Counts the request and sets the headers that every answer has.
    fn end(self, response: Response, gateway: &Gateway) -> Response {
        let mut response = headers::unless_seen(response, &self.method, self.seen.as_ref());
        gateway.histogram.record(
            self.started.elapsed().as_secs_f64(),
            &[
                KeyValue::new("http.request.method", known(&self.method)),
                KeyValue::new("http.route", self.route),
                KeyValue::new("http.response.status_code", i64::from(response.status().as_u16())),
            ],
        );
        if let Ok(id) = HeaderValue::try_from(self.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if let Some(allowance) = self.meter.get().or(self.allowance) {
            allowance.write(response.headers_mut());
        }
        headers::guard(&mut response, self.kind, gateway.mode);
        response
    }
}

/// Finds a place for the request, and bounds its time. A panic is an internal error.
async fn admitted(gateway: &Gateway, mut request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&gateway.places).try_acquire_owned() else {
        let detail = "too many requests at once, try again";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail).into_response();
    };
    let place = Place::new(permit);
    request.extensions_mut().insert(place.clone());
    let timeout = patience(&request);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let response = match tokio::time::timeout(timeout, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal("the handler panicked").into_response(),
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "DEADLINE_EXCEEDED",
            "the answer took too long; a write may have happened",
        )
        .into_response(),
    };
    drop(place);
    response
}

fn patience(request: &Request) -> Duration {
    let route = request.extensions().get::<MatchedPath>();
    let ends = |end: &str| route.is_some_and(|route| route.as_str().ends_with(end));
    if request.method() != Method::POST {
        TIMEOUT
    } else if ends("/attachments") {
        UPLOAD_TIMEOUT
    } else if ends("/run-batch") || ends("/payout-plans/{id}/commit") {
        PLAN_TIMEOUT
    } else {
        TIMEOUT
    }
}

/// Writes the problem that a response carries. A bare refusal of the framework becomes one too.
fn documented(mut response: Response, trace_id: &str) -> Response {
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| bare(&response));
    let Some(problem) = problem else { return response };
    log(&problem);
    let mut written = problem.write(trace_id);
    // Such as the methods that a path does have.
    for (name, value) in response.headers() {
        if name == header::ALLOW {
            written.headers_mut().insert(name, value.clone());
        }
    }
    written
}

/// Notes what was not answered as asked.
pub(crate) fn log(problem: &Problem) {
    if problem.status.is_server_error() {
        let cause = problem.cause.as_deref();
        tracing::error!(code = %problem.code, cause, "request failed");
    } else {
        tracing::debug!(code = %problem.code, detail = problem.detail, "request refused");
    }
}

/// Whether this is the address of a page of the dashboard, or of something that pages load.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/app" || path.starts_with("/app/")
}

fn kind(path: &str) -> Kind {
    if path.starts_with("/api/docs") {
        Kind::Docs
    } else if is_page(path) {
        Kind::Page
    } else {
        Kind::Data
    }
}

fn bare(response: &Response) -> Option<Problem> {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        // A page says itself what is wrong.
        return None;
    }
    if status.is_server_error() {
        // Readiness answers for itself.
        let answered = response.headers().contains_key(header::CONTENT_TYPE);
        return (!answered).then(|| Problem::internal(format!("the framework said {status}")));
    }
    status.is_client_error().then(|| match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        _ => Problem::new(status, "BAD_REQUEST", "the request cannot be understood"),
    })
}

/// Takes the id of the client if it is a decent one: it goes into log lines and audit rows.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty() && id.len() <= 128)
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Returns the trace that this request belongs to; its id when nobody traces.
fn trace_id(headers: &HeaderMap, request_id: &str) -> String {
    let given = || headers.get(TRACEPARENT)?.to_str().ok().map(str::to_owned);
    current_traceparent()
        .or_else(given)
        .and_then(|parent| parent.split('-').nth(1).map(str::to_owned))
        .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .unwrap_or_else(|| request_id.to_owned())
}

/// Keeps the methods that clients make up out of the metrics.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// Answers where no route is.
pub(crate) async fn no_route() -> Problem {
    let detail = "no route has this address";
    Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", detail)
}

/// Answers where a route is, but not for this method.
pub(crate) async fn no_method() -> Problem {
    let detail = "this address does not take this method";
    // Not METHOD_NOT_ALLOWED, which is about methods of payment.
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED_HERE", detail)
}

#[cfg(test)]
mod tests;
