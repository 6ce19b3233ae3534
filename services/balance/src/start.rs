//! Putting the service together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quittance_chassis::audit;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, Bus, Subscription};
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::db::{self, Db, retention};
use quittance_chassis::grpc::GrpcServer;
use quittance_chassis::run::{Running, Service, Start};
use tokio::net::TcpListener;

use crate::app::{Balances, Reconciler, Remote};
use crate::consumer::{KINDS, Projections, QUEUE};
use crate::grpc::{ACCESS, routes};
use crate::migrations::Migrator;

/// As files and limits call it.
const NAME: &str = "balance";

/// The most events that are projected in one transaction.
const PREFETCH: u16 = 500;

/// The service as a binary of its own.
pub struct Binary;

impl Service for Binary {
    const NAME: &'static str = "quittance-balance";

    async fn serve(config: Arc<Config>, started: Start) -> anyhow::Result<Running> {
        let bus = bus::connect(&config.bus);
        start(&config, bus, started).await
    }

    async fn migrate(config: Arc<Config>) -> anyhow::Result<()> {
        migrate(&config).await
    }

    async fn database(config: Arc<Config>) -> anyhow::Result<Option<Db>> {
        connect(&config).await.map(Some)
    }
}

/// Starts the service: its database, its consumer and its server. It publishes nothing, hence it
/// has no relay. It ends some time after `started.shutdown` was cancelled.
pub async fn start(config: &Config, bus: Arc<dyn Bus>, started: Start) -> anyhow::Result<Running> {
    let db = connect(config).await?;
    if config.mode == Mode::Development {
        up(&db).await?;
    }
    let verifier = Verifier::from_config(&config.auth, config.mode)?;
    let listen = config.balance.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("balance cannot listen on {listen}"))?;
    let addr = listener.local_addr()?;

    let grace = Duration::from_secs(config.reconciliation.grace_seconds.into());
    let balances = Balances::new(db.clone()).patient_for(grace);
    let balances = match Remote::from_config(config)? {
        Some(owners) => balances.asking(Arc::new(owners)),
        None => balances,
    };
    let every = Duration::from_secs(60 * u64::from(config.reconciliation.every_minutes));
    // A child, so that a failure here stops nobody else.
    let shutdown = started.shutdown.child_token();
    let sweeping = retention::spawn(db.clone(), &config.retention, shutdown.clone())?;
    let sealing = audit::spawn(db.clone(), shutdown.clone());
    let comparing = Reconciler::new(balances.clone(), every).spawn(shutdown.clone());
    let subscription = Subscription::new(QUEUE, KINDS, PREFETCH, db.clone());
    let handler = Arc::new(Projections::new(balances.clone()));
    let consuming = bus.subscribe(subscription, handler, shutdown.clone());
    let server = GrpcServer::new(NAME, verifier, ACCESS)
        .audited(db)
        .limits(&config.grpc)
        .tls(&config.tls)
        .reflection(quittance_proto::DESCRIPTORS)
        .readiness(started.readiness);
    let task = tokio::spawn(async move {
        let ended = server.serve(listener, routes(balances), shutdown.clone()).await;
        // A server that ended by itself takes the consumer with it.
        shutdown.cancel();
        consuming.await.context("the projections panicked")?;
        sweeping.await.context("the sweep panicked")?;
        sealing.await.context("the sealer panicked")?;
        comparing.await.context("the comparison panicked")?;
        ended
    });
    Ok(Running { addr, task })
}

/// Brings the database to the schema of this version.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    up(&connect(config).await?).await
}

async fn up(db: &Db) -> anyhow::Result<()> {
    let done = quittance_chassis::db::migrate::<Migrator>(db).await;
    done.context("migrating the balance database")
}

/// Opens the database of this service.
pub async fn connect(config: &Config) -> anyhow::Result<Db> {
    db::open(config, &config.balance, NAME).await
}
