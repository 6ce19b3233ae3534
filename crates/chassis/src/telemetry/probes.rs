//! `/metrics`, `/healthz` and `/readyz` over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, TextEncoder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Whether one part of a process takes requests. Not at first.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says that the part takes requests, or no longer does.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone)]
struct Observed {
    registry: prometheus::Registry,
    parts: Arc<[Readiness]>,
}

/// Returns the three routes. The process is ready when all of its parts are.
pub fn routes(registry: &prometheus::Registry, parts: Vec<Readiness>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        // The process answers, hence it lives; what it depends on is not its life.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Observed { registry: registry.clone(), parts: parts.into() })
}

/// Serves the routes on their own address until told to stop.
pub async fn observe(
    listen: SocketAddr,
    routes: Router,
    shutdown: CancellationToken,
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics and probes");
    let serving = axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned());
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "metrics and probes ended");
        }
    });
    Ok((address, task))
}

async fn metrics(State(observed): State<Observed>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&observed.registry.gather(), &mut text) {
        Ok(()) => {
            ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(observed): State<Observed>) -> Response {
    if observed.parts.iter().all(Readiness::get) {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use tower::ServiceExt as _;

    async fn ask(routes: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_means_every_part_is() {
        let parts = vec![Readiness::default(), Readiness::default()];
        let routes = routes(&prometheus::Registry::new(), parts.clone());
        assert_eq!(ask(&routes, "/healthz").await.0, StatusCode::OK);
        parts[0].set(true);
        assert_eq!(ask(&routes, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        parts[1].set(true);
        assert_eq!(ask(&routes, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn figures_can_be_scraped() {
        let registry = prometheus::Registry::new();
        let reader =
            opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
        let meters = SdkMeterProvider::builder().with_reader(reader).build();
        meters.meter("test").u64_counter("bus.published").build().add(3, &[]);
        let (status, text) = ask(&routes(&registry, Vec::new()), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(text.contains("bus_published_total"), "{text}");
    }
}
