//! The movement of money: earnings, payouts and batches, and the audit log of what was decided.
//!
//! Earnings follow the reviews of issues. Paying asks the issues service for the facts of the
//! moment, decides by one pure function, and writes everything as one set or not at all.

mod app;
pub mod command;
mod consumer;
mod domain;
mod grpc;
mod keyring;
mod metrics;
mod migrations;
mod rail;
mod store;

use std::sync::Arc;

use anyhow::Context as _;
use quittance_chassis::audit;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, Bus, Subscription, relay};
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::db;
use quittance_chassis::grpc::{Client, GrpcServer, secured};
use quittance_chassis::run::{Running, Service, Start};
use tokio::net::TcpListener;
use tonic::service::Routes;

use app::Timekeeper;
pub use app::{DueChunk, Error, Payouts, Policy, rotate};
pub use consumer::{KINDS, QUEUE, Reviews};
pub use grpc::ACCESS;
pub use keyring::Keyring;
pub use migrations::Migrator;

/// The most events that are acted on in one transaction.
const PREFETCH: u16 = 500;

/// The gRPC services over these use cases.
#[must_use]
pub fn routes(payouts: Payouts) -> Routes {
    grpc::routes(payouts)
}

/// Starts the service: its database, its consumer, its relay and its server. Somebody else keeps
/// the timetable of its jobs.
pub async fn start(config: &Config, bus: Arc<dyn Bus>, start: Start) -> anyhow::Result<Running> {
    begin(config, bus, start, false).await
}

/// Starts the service together with a clock that runs its jobs.
pub async fn start_with_clock(
    config: &Config,
    bus: Arc<dyn Bus>,
    start: Start,
) -> anyhow::Result<Running> {
    begin(config, bus, start, true).await
}

async fn begin(
    config: &Config,
    bus: Arc<dyn Bus>,
    start: Start,
    keeps_time: bool,
) -> anyhow::Result<Running> {
    // Before anything is opened: without keys production does not start.
    Keyring::from_config(config)?;
    let db = connect(config).await?;
    migrate_in_development(config, &db).await?;
    let verifier = Verifier::from_config(&config.auth, config.mode)?;
    let listen = config.payouts.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("payouts cannot listen on {listen}"))?;
    let addr = listener.local_addr()?;

    let issues = secured(&config.issues.url, &config.tls).context("the address of issues")?;
    let payouts = service(config, db.clone(), issues)?
        .stopping_with(start.shutdown.clone())
        .acting_with(Arc::clone(&verifier));
    let subscription = Subscription::new(QUEUE, KINDS, PREFETCH, db.clone());
    let handler = Arc::new(Reviews::new(payouts.clone()));
    // Before the relay: the in-process bus has no queue that would wait for a late consumer.
    let consumer = bus.subscribe(subscription, handler, start.shutdown.clone());
    let sweeping = db::retention::spawn(db.clone(), &config.retention, start.shutdown.clone())?;
    let sealer = audit::spawn(db.clone(), start.shutdown.clone());
    let relay = relay::spawn(db.clone(), bus, "payouts", start.shutdown.clone());
    let paying = payouts.clone().pay_out(start.shutdown.clone());
    let watching = payouts.clone().watch_jobs(start.shutdown.clone());
    let clock = keeps_time.then(|| Timekeeper::new(payouts.clone()).spawn(start.shutdown.clone()));
    let server = GrpcServer::new("payouts", verifier, ACCESS)
        .audited(db)
        .limits(&config.grpc)
        .tls(&config.tls)
        .reflection(quittance_proto::DESCRIPTORS)
        .readiness(start.readiness);
    let task = tokio::spawn(async move {
        let ended = server.serve(listener, routes(payouts), start.shutdown).await;
        consumer.await.context("the consumer of reviews panicked")?;
        relay.await.context("the relay panicked")?;
        sweeping.await.context("the sweep panicked")?;
        sealer.await.context("the sealer panicked")?;
        paying.await.context("the calls to providers panicked")?;
        watching.await.context("the watch over jobs panicked")?;
        if let Some(clock) = clock {
            clock.await.context("the clock of jobs panicked")?;
        }
        ended
    });
    Ok(Running { addr, task })
}

/// The use cases as the configuration wants them.
fn service(config: &Config, db: db::Db, issues: Client) -> anyhow::Result<Payouts> {
    let keys = Keyring::from_config(config)?;
    let policy = Policy {
        leads_may_pay: config.policy.leads_may_pay,
        sandbox_closed: config.mode == Mode::Production,
        account_cooldown_hours: config.policy.account_cooldown_hours,
    };
    Ok(Payouts::new(db, issues, policy).sealing_with(keys))
}

/// In development nobody runs migrations by hand.
async fn migrate_in_development(config: &Config, db: &db::Db) -> anyhow::Result<()> {
    if config.mode == Mode::Development {
        db::migrate::<Migrator>(db).await.context("migrating payouts")?;
    }
    Ok(())
}

/// Brings the database to the schema of this version.
pub async fn migrate(config: &Config) -> anyhow::Result<()> {
    let db = connect(config).await?;
    db::migrate::<Migrator>(&db).await.context("migrating payouts")
}

/// Opens the database of this service.
pub async fn connect(config: &Config) -> anyhow::Result<db::Db> {
    db::open(config, &config.payouts, NAME).await
}

/// As events, files and relays call this service.
const NAME: &str = "payouts";

/// The service as a process of its own.
pub struct Binary;

impl Service for Binary {
    const NAME: &'static str = "quittance-payouts";

    async fn serve(config: Arc<Config>, started: Start) -> anyhow::Result<Running> {
        let bus = bus::connect(&config.bus);
        start(&config, bus, started).await
    }

    async fn migrate(config: Arc<Config>) -> anyhow::Result<()> {
        migrate(&config).await
    }

    async fn database(config: Arc<Config>) -> anyhow::Result<Option<db::Db>> {
        connect(&config).await.map(Some)
    }
}
