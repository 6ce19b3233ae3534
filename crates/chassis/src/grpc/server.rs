//! A gRPC server with everything that every service needs around its handlers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::access::{Access, index, services};
use super::edge::{EdgeLayer, Gate};
use super::metered::histogram;
use super::tls;
use crate::audit::denial::Denials;
use crate::auth::Verifier;
use crate::config;
use crate::db::Db;
use crate::telemetry::Readiness;

/// How long calls that are under way may take once the server was told to stop.
pub(super) const DRAIN: Duration = Duration::from_secs(20);

/// A connection that does not answer a ping is closed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls at once on one connection; a client waits for more.
const MAX_STREAMS: u32 = 256;

/// Calls that a connection may take back before they were begun.
const MAX_RESETS: usize = 4096;

/// Bytes that may be under way before the other side must confirm.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Builds and runs a server.
pub struct GrpcServer {
    name: &'static str,
    verifier: Arc<Verifier>,
    access: Access,
    descriptors: Option<&'static [u8]>,
    limits: config::Grpc,
    readiness: Readiness,
    audited: Option<Db>,
    tls: config::Tls,
}

impl GrpcServer {
    /// Begins a server whose methods may be called as `access` says, and in no other way.
    #[must_use]
    pub fn new(name: &'static str, verifier: Arc<Verifier>, access: Access) -> Self {
        Self {
            name,
            verifier,
            access,
            descriptors: None,
            limits: config::Grpc::default(),
            readiness: Readiness::default(),
            audited: None,
            tls: config::Tls::default(),
        }
    }

    /// Notes every refused write in the audit log of this database.
    #[must_use]
    pub fn audited(mut self, db: Db) -> Self {
        self.audited = Some(db);
        self
    }

    /// Takes calls by mutual TLS only, if it is configured.
    #[must_use]
    pub fn tls(mut self, tls: &config::Tls) -> Self {
        self.tls = tls.clone();
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: &config::Grpc) -> Self {
        self.limits = limits.clone();
        self
    }

    /// Serves reflection over these descriptors.
    #[must_use]
    pub fn reflection(mut self, descriptors: &'static [u8]) -> Self {
        self.descriptors = Some(descriptors);
        self
    }

    /// Sets what is told when the server begins and stops to serve.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Serves until told to stop; then finishes what is under way, for at most 20 seconds.
    pub async fn serve(
        self,
        listener: TcpListener,
        routes: Routes,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let (health, health_service) = tonic_health::server::health_reporter();
        self.report(&health, ServingStatus::Serving).await;
        let mut routes = routes.add_service(health_service);
        if let Some(descriptors) = self.descriptors {
            let reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .context("descriptors for reflection")?;
            routes = routes.add_service(reflection);
        }

        let gate = self.gate();
        let flights = gate.flights.clone();
        let stop = CancellationToken::new();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = self
            .transport()?
            .layer(EdgeLayer(Arc::new(gate)))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        let mut serving = std::pin::pin!(serving);
        self.readiness.set(true);

        tokio::select! {
            ended = &mut serving => {
                self.readiness.set(false);
                return ended.context("the gRPC server ended by itself");
            }
            () = shutdown.cancelled() => {}
        }
        self.readiness.set(false);
        self.report(&health, ServingStatus::NotServing).await;
        stop.cancel();
        flights.close();
        let drained = tokio::time::timeout(DRAIN, async {
            let ended = serving.await;
            // Work whose client went away has no connection but must still end.
            flights.wait().await;
            ended
        });
        if let Ok(ended) = drained.await {
            return ended.context("draining the gRPC server");
        }
        tracing::warn!(service = self.name, left = flights.len(), "calls did not end in time");
        Ok(())
    }

    fn gate(&self) -> Gate {
        let places = |places: u32| {
            let places = usize::try_from(places).unwrap_or(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(places))
        };
        Gate {
            service: self.name,
            verifier: Arc::clone(&self.verifier),
            methods: index(self.access),
            permits: places(self.limits.max_in_flight),
            standing: places(self.limits.max_standing),
            flights: TaskTracker::new(),
            default_deadline: Duration::from_secs(self.limits.default_deadline_seconds),
            histogram: histogram(),
            denials: self.audited.clone().map(Denials::new),
        }
    }

    fn transport(&self) -> anyhow::Result<Server> {
        let mut server = Server::builder();
        if let Some(tls) = tls::server(&self.tls)? {
            server = server.tls_config(tls).context("the certificate of this service")?;
        }
        let server = server
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_concurrent_streams(Some(MAX_STREAMS))
            // Callers are our own services: a wave of clients that time out must not cost everybody
            // else their shared connection.
            .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
            .initial_stream_window_size(Some(STREAM_WINDOW))
            .initial_connection_window_size(Some(CONNECTION_WINDOW));
        Ok(match self.limits.max_connection_age_seconds {
            Some(age) => server.max_connection_age(Duration::from_secs(age)),
            None => server,
        })
    }

    async fn report(&self, health: &HealthReporter, status: ServingStatus) {
        for service in services(self.access) {
            health.set_service_status(service, status).await;
        }
        health.set_service_status("", status).await;
    }
}
