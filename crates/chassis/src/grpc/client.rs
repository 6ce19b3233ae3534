//! Calling another service: a shared connection, and retries where they can do no harm.
//!
//! A call is repeated only if the service was not reachable, and only if repeating it changes
//! nothing: a read, or a write that says it is deduplicated. A budget keeps retries to a tenth of
//! all calls, so that a service in trouble is not buried by those who want to help.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, TimeoutExpired};
use tower::{Service, ServiceExt as _};

use super::{IDEMPOTENT, access::is_read_only, deadline, tls};
use crate::config::{ConfigError, Tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// How often a call is tried, the first time included.
const MAX_TRIES: u32 = 3;

/// The first pause is between nothing and this; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What a call puts into the budget, and what a retry takes out: one in ten.
const DEPOSIT: u32 = 1;
const PRICE: u32 = 10;

/// The most that can be saved: ten retries in a row.
const CEILING: u32 = 100;

/// The address of a service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is not the address of a service")]
    Address(String, #[source] tonic::transport::Error),
    #[error("`{0}` asks for TLS: set tls.cert_file, tls.key_file and tls.ca_file")]
    Tls(String),
    #[error("TLS cannot be used")]
    Config(#[source] ConfigError),
}

/// A connection to a service that is made when it is first used, and made again when it is lost.
pub fn channel(url: &str) -> Result<Channel, ClientError> {
    secured_channel(url, &Tls::default())
}

/// The same, by mutual TLS if the address asks for it.
pub fn secured_channel(url: &str, tls: &Tls) -> Result<Channel, ClientError> {
    let refused = |error| ClientError::Address(url.to_owned(), error);
    let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(refused)?;
    if endpoint.uri().scheme_str() == Some("https") {
        let config = tls::client(tls).map_err(ClientError::Config)?;
        let config = config.ok_or_else(|| ClientError::Tls(url.to_owned()))?;
        endpoint = endpoint.tls_config(config).map_err(refused)?;
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(Some(STREAM_WINDOW))
        .initial_connection_window_size(Some(CONNECTION_WINDOW))
        .connect_lazy())
}

/// What generated clients are built with.
pub type Client = Retry<Channel>;

/// Returns a client of the service at this address. Clones share connection and budget.
pub fn client(url: &str) -> Result<Client, ClientError> {
    channel(url).map(Retry::new)
}

/// The same, by mutual TLS if the address asks for it.
pub fn secured(url: &str, tls: &Tls) -> Result<Client, ClientError> {
    secured_channel(url, tls).map(Retry::new)
}

/// Repeats calls that can be repeated.
#[derive(Clone, Debug)]
pub struct Retry<S> {
    inner: S,
    budget: Arc<Budget>,
}

impl<S> Retry<S> {
    /// Wraps a connection. The budget is full at first.
    pub fn new(inner: S) -> Self {
        Self { inner, budget: Arc::new(Budget(AtomicU32::new(CEILING))) }
    }
}

/// How many retries are still affordable, in tenths.
#[derive(Debug)]
struct Budget(AtomicU32);

impl Budget {
    fn deposit(&self) {
        let add = |tenths: u32| Some(tenths.saturating_add(DEPOSIT).min(CEILING));
        // The closure always returns a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    fn withdraw(&self) -> bool {
        let take = |tenths: u32| tenths.checked_sub(PRICE);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

type Answer = Result<Response<Body>, Status>;

impl<S> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<tonic::codegen::StdError> + Send,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx).map_err(|error| read_error(error.into()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        self.budget.deposit();
        let repeatable = is_read_only(request.uri().path()) || is_idempotent(request.headers());
        if !repeatable {
            let answer = inner.call(request);
            return Box::pin(async move { answer.await.map_err(|error| read_error(error.into())) });
        }
        let budget = Arc::clone(&self.budget);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let attempts = Attempts { started: Instant::now(), head, body };
            attempts.run(inner, &budget).await
        })
    }
}

/// One call and what is needed to send it again.
struct Attempts {
    started: Instant,
    head: http::request::Parts,
    body: Bytes,
}

impl Attempts {
    async fn run<S>(self, mut inner: S, budget: &Budget) -> Answer
    where
        S: Service<Request<Body>, Response = Response<Body>>,
        S::Error: Into<tonic::codegen::StdError>,
    {
        let patience = deadline::read(&self.head.headers);
        let mut answer = send(&mut inner, self.request(patience)).await;
        let mut ceiling = FIRST_PAUSE;
        for _ in 1..MAX_TRIES {
            if !is_unavailable(&answer) {
                break;
            }
            let pause = ceiling.mul_f64(rand::random::<f64>());
            let left = patience.map(|wait| wait.saturating_sub(self.started.elapsed()));
            if left.is_some_and(|left| left <= pause) || !budget.withdraw() {
                break;
            }
            tokio::time::sleep(pause).await;
            ceiling *= 2;
            answer = match inner.ready().await {
                Ok(ready) => {
                    send(ready, self.request(left.map(|left| left.saturating_sub(pause)))).await
                }
                Err(error) => Err(read_error(error.into())),
            };
        }
        answer
    }

    /// Builds the request once more, with what is left of its time.
    fn request(&self, left: Option<Duration>) -> Request<Body> {
        let mut head = self.head.clone();
        if let Some(left) = left {
            head.headers.insert(deadline::HEADER, deadline::write(left));
        }
        Request::from_parts(head, Body::new(Full::new(self.body.clone())))
    }
}

async fn send<S>(inner: &mut S, request: Request<Body>) -> Answer
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<tonic::codegen::StdError>,
{
    inner.call(request).await.map_err(|error| read_error(error.into()))
}

fn is_idempotent(headers: &HeaderMap) -> bool {
    headers.get(IDEMPOTENT).is_some_and(|value| value == "1")
}

fn is_unavailable(answer: &Answer) -> bool {
    match answer {
        Ok(response) => Status::from_header_map(response.headers())
            .is_some_and(|status| status.code() == Code::Unavailable),
        Err(status) => status.code() == Code::Unavailable,
    }
}

/// Reads an error of the connection. A timeout on our side is a deadline, which tonic calls a
/// cancellation.
fn read_error(error: tonic::codegen::StdError) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(at) = cause {
        if at.is::<TimeoutExpired>() {
            return Status::deadline_exceeded("the deadline has passed");
        }
        cause = at.source();
    }
    Status::from_error(error)
}
