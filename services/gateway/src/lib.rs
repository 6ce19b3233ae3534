//! The gateway: REST in front of the services. It knows who is asking and what they may ask for;
//! it decides nothing about money and keeps nothing.

mod access;
mod auth;
mod cors;
mod dashboard;
mod denial;
mod edge;
mod extract;
mod idempotency;
mod keys;
mod lanes;
mod limits;
mod oidc;
mod openapi;
mod problem;
mod reply;
mod rest;
mod state;
mod viewing;
mod words;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::header;
use quittance_chassis::config::Config;
use quittance_chassis::db::Db;
use quittance_chassis::run::{Running, Service, Start};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use utoipa_swagger_ui::{Config as BrowserConfig, SwaggerUi};

use state::Gateway;

/// How long requests that are under way may take once the gateway was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// The file in `data_dir` that names the address that was bound.
const ADDRESS_FILE: &str = "gateway.addr";

/// The gateway as a binary of its own.
pub struct Binary;

impl Service for Binary {
    const NAME: &'static str = "quittance-gateway";

    async fn serve(config: Arc<Config>, started: Start) -> anyhow::Result<Running> {
        start(&config, started).await
    }

    async fn migrate(_config: Arc<Config>) -> anyhow::Result<()> {
        tracing::info!("the gateway has no database");
        Ok(())
    }

    async fn database(_config: Arc<Config>) -> anyhow::Result<Option<Db>> {
        Ok(None)
    }
}

/// Starts the gateway. It ends some time after it was told to stop.
pub async fn start(config: &Config, started: Start) -> anyhow::Result<Running> {
    let routes = router(config, &started)?;
    let listen = config.gateway.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the gateway cannot listen on {listen}"))?;
    let addr = listener.local_addr()?;
    announce(&config.data_dir, addr)
        .with_context(|| format!("{ADDRESS_FILE} cannot be written in data_dir"))?;
    tracing::info!(address = %addr, "gateway listens");
    let task = tokio::spawn(serve(listener, routes, started));
    Ok(Running { addr, task })
}

/// Serves until told to stop; then finishes what is under way, for at most 20 seconds.
async fn serve(listener: TcpListener, routes: Router, started: Start) -> anyhow::Result<()> {
    // An answer is written at once and waits for nothing.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay");
        }
    });
    let shutdown = started.shutdown.clone();
    // Who asks is counted by address.
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, routes)
        .with_graceful_shutdown(started.shutdown.clone().cancelled_owned());
    started.readiness.set(true);
    let late = async {
        shutdown.cancelled().await;
        started.readiness.set(false);
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended.context("the gateway ended"),
        () = late => {
            tracing::warn!("requests did not end in time");
            Ok(())
        }
    }
}

/// Writes the address in one step, so that nobody reads half of it.
fn announce(data_dir: &Path, addr: SocketAddr) -> std::io::Result<()> {
    std::fs::create_dir_all(data_dir)?;
    let draft = data_dir.join(format!("{ADDRESS_FILE}.new"));
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(addr.to_string().as_bytes())?;
    std::fs::rename(draft, data_dir.join(ADDRESS_FILE))
}

/// Returns all routes with everything around them.
pub fn router(config: &Config, started: &Start) -> anyhow::Result<Router> {
    let gateway = Gateway::new(config, started)?;
    let (routes, document) = rest::routes().split_for_parts();
    let document = Bytes::from(serde_json::to_vec(&openapi::complete(document))?);
    let guarded = routes
        .route_layer(from_fn_with_state(gateway.clone(), auth::guard))
        .with_state(gateway.clone());
    let compression = CompressionLayer::new()
        // An export is streamed as it is made; a compressor would hold it back. A file is as small
        // as it gets, and its length is worth more.
        .compress_when(
            DefaultPredicate::new()
                .and(NotForContentType::const_new("text/csv"))
                .and(rest::is_no_file),
        );
    let routes = Router::new()
        .merge(guarded)
        .merge(dashboard::routes(&gateway))
        .merge(SwaggerUi::new("/api/docs").config(BrowserConfig::from("/api/openapi.json")))
        .route("/api/openapi.json", get(|| async { described(document) }))
        .route("/", get(|| async { Redirect::temporary("/app") }))
        .fallback(edge::no_route)
        .method_not_allowed_fallback(edge::no_method)
        .layer(from_fn_with_state(gateway, edge::edge))
        .layer(compression);
    // Around everything, so that a site that may ask can also read why it was refused.
    Ok(match cors::layer(&config.gateway.cors_origins)? {
        Some(cors) => routes.layer(cors),
        None => routes,
    })
}

fn described(document: Bytes) -> ([(header::HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], document)
}
