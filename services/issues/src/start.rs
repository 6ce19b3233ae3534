//! Putting the service together.

use std::sync::Arc;

use anyhow::Context as _;
use quittance_chassis::audit;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, Bus, relay};
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::db::{self, Db, migrate, retention};
use quittance_chassis::grpc::GrpcServer;
use quittance_chassis::run::{Running, Service, Start};
use tokio::net::TcpListener;

use crate::access::ACCESS;
use crate::app::Issues;
use crate::files::Files;
use crate::migrations::Migrator;
use crate::{consumer, grpc, mail, webhooks};

/// As events, relays and files call it.
const NAME: &str = "issues";

/// The service as a binary of its own.
pub struct Binary;

impl Service for Binary {
    const NAME: &'static str = "quittance-issues";

    async fn serve(config: Arc<Config>, started: Start) -> anyhow::Result<Running> {
        let bus = bus::connect(&config.bus);
        start(&config, bus, started).await
    }

    async fn migrate(config: Arc<Config>) -> anyhow::Result<()> {
        let db = connect(&config).await?;
        migrate::<Migrator>(&db).await.context("migrating the issues database")
    }

    async fn database(config: Arc<Config>) -> anyhow::Result<Option<Db>> {
        connect(&config).await.map(Some)
    }
}

/// Starts the service and tells `started.readiness` when it takes requests. It ends some time
/// after `started.shutdown` was cancelled.
pub async fn start(config: &Config, bus: Arc<dyn Bus>, started: Start) -> anyhow::Result<Running> {
    let development = config.mode == Mode::Development;
    let db = connect(config).await?;
    if development {
        migrate::<Migrator>(&db).await.context("migrating the issues database")?;
    }
    let verifier = Verifier::from_config(&config.auth, config.mode)?;
    let listener = TcpListener::bind(config.issues.listen)
        .await
        .with_context(|| format!("issues cannot listen on {}", config.issues.listen))?;
    let addr = listener.local_addr()?;

    // A child, so that a failure here stops nobody else.
    let shutdown = started.shutdown.child_token();
    retention::check(&config.retention)?;
    let issues =
        Issues::new(db.clone(), development).keeping(Files::open(config)?).until(shutdown.clone());
    let issues = issues.delivering_anywhere(config.webhooks.allow_private);
    let days = config.retention.read_notifications_days;
    let keeping = issues.keep_house(days, shutdown.clone());
    let sweeping = retention::spawn(db.clone(), &config.retention, shutdown.clone())?;
    let listening = issues.listen_for_others(shutdown.clone());
    let delivering = webhooks::spawn(&config.webhooks, &issues, shutdown.clone())?;
    let mailing = mail::spawn(&config.mail, &issues, shutdown.clone())?;
    let handler = Arc::new(issues.clone());
    let subscription = consumer::subscription(db.clone());
    let consuming = bus.subscribe(subscription, handler, shutdown.clone());
    let queueing = bus.subscribe(
        webhooks::subscription(db.clone()),
        Arc::new(webhooks::Ears(issues.clone())),
        shutdown.clone(),
    );
    let sealing = audit::spawn(db.clone(), shutdown.clone());
    let relaying = relay::spawn(db.clone(), bus, NAME, shutdown.clone());
    let server = GrpcServer::new(NAME, verifier, ACCESS)
        .audited(db)
        .limits(&config.grpc)
        .tls(&config.tls)
        .reflection(quittance_proto::DESCRIPTORS)
        .readiness(started.readiness);
    let task = tokio::spawn(async move {
        let ended = server.serve(listener, grpc::routes(&issues), shutdown.clone()).await;
        // A server that ended by itself takes the rest of the service with it.
        shutdown.cancel();
        let (consumed, relayed, mailed, kept, swept) =
            tokio::join!(consuming, relaying, mailing, keeping, sweeping);
        let (queued, delivered, heard) = tokio::join!(queueing, delivering, listening);
        // Told to stop as the others were; what they have written last is sealed by then or later.
        sealing.await.context("the sealer panicked")?;
        ended?;
        kept.context("the housekeeping panicked")?;
        swept.context("the sweep panicked")?;
        mailed.context("the mailer panicked")?;
        heard.context("who listens for other processes panicked")?;
        queued.context("the consumer of webhooks panicked")?;
        delivered.context("the courier of webhooks panicked")?;
        consumed.context("the consumer panicked")?;
        relayed.context("the relay panicked")
    });
    Ok(Running { addr, task })
}

/// Opens the database of this service.
pub async fn connect(config: &Config) -> anyhow::Result<Db> {
    db::open(config, &config.issues, NAME).await
}
