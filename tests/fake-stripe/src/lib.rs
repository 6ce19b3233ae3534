//! A server that speaks Stripe's language, for tests: it keeps idempotency keys as Stripe does, writes
//! down every call, and behaves as the ids in a call say.
//!
//! `acct_decline_1` or `pm_500after_1`: the second word says what happens to a transfer to that
//! account, or to a charge of that payment method.
//!
//! | word | what happens |
//! |---|---|
//! | `decline` | refused for good |
//! | `action` | the payer has to confirm (`/_confirm/{id}` does) |
//! | `busy` | 429 twice, then it is done |
//! | `poor` | the platform's balance is too small twice, then it is done |
//! | `500before` | 500 once, nothing was begun |
//! | `500after` | done, and 500 is the answer, now and later |
//! | `500saved` | nothing was done, and 500 is the answer until the key is forgotten |
//! | `timeoutbefore` | no answer once, nothing was begun |
//! | `timeoutafter` | done, and there is no answer |
//! | `garbledbefore` | an answer that nobody understands once, nothing was begun |
//! | `garbled` | done, and the answer is one that nobody understands |
//! | `slow` | done after half a second |
//! | anything else | done |
//!
//! Accounts: `acct_pending_…` and those that were opened here are not onboarded yet,
//! `acct_missing_…` belongs to somebody else.

mod behaviour;
mod books;
mod control;
mod keys;
mod money;
mod people;
mod webhooks;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use tokio::net::TcpListener;

use books::Books;
pub use webhooks::sign;

/// Everything the server knows. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<Books>>);

impl Server {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970. A server of its own has a clock of its own.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// All routes, over fresh books.
pub fn router() -> Router {
    Router::new()
        .route("/v1/{*path}", any(stripe))
        .route("/_calls", get(control::calls))
        .route("/_made", get(control::made))
        .route("/_events", get(control::events))
        .route("/_forget", post(control::forget))
        .route("/_webhooks", post(control::webhooks))
        .route("/_send", post(control::send))
        .route("/_accounts/{id}", post(control::account))
        .route("/_confirm/{id}", post(control::confirm))
        .with_state(Server::default())
}

/// Serves on a free port of this machine until the process, or the runtime, ends.
pub async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router()).await });
    Ok(address)
}

/// Serves as a program, and says where on its first line.
pub async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, router()).await
}

/// Takes a call of the API. It is worked on to its end, whoever still waits for it.
async fn stripe(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_else(|_| Bytes::new());
    let work = tokio::spawn(async move { keys::answer(server, parts, body).await });
    work.await.unwrap_or_else(|_| keys::error(500, "api_error", ""))
}
