//! Is the gateway alive, can it work, and how does it fare?

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::future::join_all;
use http::StatusCode;
use serde::Serialize;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tower::ServiceExt as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::Problem;
use crate::state::Gateway;

/// How long a service may take to say that it is well.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "probes", responses((status = 200, body = str)))]
async fn healthz() -> &'static str {
    "ok\n"
}

#[derive(Serialize, ToSchema)]
struct Readiness {
    ready: bool,
    services: Vec<ServiceReadiness>,
}

#[derive(Serialize, ToSchema)]
struct ServiceReadiness {
    name: &'static str,
    ready: bool,
}

/// The services behind the gateway take requests.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "probes",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
async fn readyz(State(gateway): State<Gateway>) -> (StatusCode, Json<Readiness>) {
    let services = join_all(gateway.health.iter().map(|(name, client)| {
        let mut client = client.clone();
        async move {
            let asked = client.check(HealthCheckRequest { service: String::new() });
            let ready = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok(reply)) => reply.into_inner().status() == ServingStatus::Serving,
                Ok(Err(_)) | Err(_) => false,
            };
            ServiceReadiness { name, ready }
        }
    }))
    .await;
    let ready = services.iter().all(|service| service.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, services }))
}

/// Figures in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = str)))]
async fn metrics(State(gateway): State<Gateway>, request: Request) -> Result<Response, Problem> {
    gateway.metrics.clone().oneshot(request).await.map_err(|never| match never {})
}
