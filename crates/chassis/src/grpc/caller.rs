//! The authenticated caller of a request, and work that outlives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quittance_kernel::Ctx;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::{Request, Status};
use tracing::Instrument as _;

use super::edge::{EdgeError, FLIGHT};
use super::{REQUEST_ID, TRACEPARENT, deadline};
use crate::problem::status;
use crate::telemetry::current_traceparent;

/// What a hop keeps for itself, so that it can still answer when the one behind it does not.
const RESERVE: Duration = Duration::from_millis(50);

/// The authenticated caller of a request, as handlers take it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub ctx: Ctx,
    /// The `authorization` header, marked as sensitive so that it does not print.
    authorization: Option<MetadataValue<Ascii>>,
    deadline: Option<Instant>,
}

impl Caller {
    /// Makes a caller out of a verified bearer token.
    #[must_use]
    pub fn new(ctx: Ctx, bearer: &SecretString, deadline: Option<Instant>) -> Self {
        let authorization = MetadataValue::try_from(format!("Bearer {}", bearer.expose_secret()));
        Self::with_header(ctx, authorization.ok(), deadline)
    }

    pub(super) fn with_header(
        ctx: Ctx,
        mut authorization: Option<MetadataValue<Ascii>>,
        deadline: Option<Instant>,
    ) -> Self {
        if let Some(header) = &mut authorization {
            header.set_sensitive(true);
        }
        Self { ctx, authorization, deadline }
    }

    /// Wraps a message for a call to another service in the name of this caller: same token, same
    /// request id, same trace, and what is left of the time less a reserve.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        if let Some(authorization) = &self.authorization {
            metadata.insert("authorization", authorization.clone());
        }
        if let Ok(id) = MetadataValue::try_from(self.ctx.request_id.as_str()) {
            metadata.insert(REQUEST_ID, id);
        }
        let trace = current_traceparent().or_else(|| self.ctx.traceparent.clone());
        if let Some(Ok(trace)) = trace.map(MetadataValue::try_from) {
            metadata.insert(TRACEPARENT, trace);
        }
        if let Some(left) = self.remaining() {
            let wait = deadline::write(left.saturating_sub(RESERVE));
            if let Ok(wait) = MetadataValue::try_from(wait.as_bytes()) {
                metadata.insert(MetadataKey::<Ascii>::from_static("grpc-timeout"), wait);
            }
        }
        request
    }

    /// How long the caller will still wait; `None` if for ever.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Returns who is calling, as the edge found out.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    // Absent only if a handler is served without the edge: then nobody was authenticated.
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| status(&crate::auth::AuthError::Missing))
}

/// Runs a write to its end even if the client goes away: a transaction that is dropped while it
/// begins can spoil its pooled connection. A panic is an internal error. The work counts as in
/// flight until it ends, for the limit as well as for the drain.
pub async fn detached<F, T, E>(work: F) -> Result<T, Status>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<Status> + Send + 'static,
    T: Send + 'static,
{
    let flight = FLIGHT.try_with(Arc::clone).ok();
    let task = async move {
        let _flight = flight;
        work.await
    };
    match tokio::spawn(task.in_current_span()).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(status(&EdgeError::Panicked)),
    }
}
