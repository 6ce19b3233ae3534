//! Quittance in one process: the four services, SQLite files, the in-process bus.
//!
//! The same code as the separate binaries: the services still talk gRPC, over loopback ports, and
//! publish through their outboxes.

pub mod demo;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use quittance_chassis::bus;
use quittance_chassis::config::{Backend, Config, Tls};
use quittance_chassis::run::{Running, Start};
use quittance_chassis::telemetry::Readiness;

/// All services, under way.
pub struct Standalone {
    /// Where REST is served.
    pub gateway: SocketAddr,
    /// The configuration as it turned out, with the ports that were bound.
    pub config: Config,
    running: Vec<(&'static str, Running)>,
}

/// Starts everything. It ends some time after `begin.shutdown` was cancelled.
pub async fn start(mut config: Config, begin: &Start) -> anyhow::Result<Standalone> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("{} cannot be created", config.data_dir.display()))?;
    // What never leaves the process needs no certificates.
    config.tls = Tls::default();
    let bus = bus::connect(&config.bus);
    // Each says for itself when it is ready.
    let start = || Start { readiness: Readiness::default(), ..begin.clone() };
    let issues = quittance_issues::start(&config, Arc::clone(&bus), start()).await?;
    reached_at(&mut config.issues, issues.addr);
    let payouts = quittance_payouts::start_with_clock(&config, Arc::clone(&bus), start()).await?;
    reached_at(&mut config.payouts, payouts.addr);
    let balance = quittance_balance::start(&config, bus, start()).await?;
    reached_at(&mut config.balance, balance.addr);
    let gateway = quittance_gateway::start(&config, start()).await?;
    Ok(Standalone {
        gateway: gateway.addr,
        config,
        running: vec![
            ("gateway", gateway),
            ("balance", balance),
            ("payouts", payouts),
            ("issues", issues),
        ],
    })
}

/// In one process the others are where they were bound, whatever the configuration says.
fn reached_at(backend: &mut Backend, addr: SocketAddr) {
    backend.url = format!("http://{addr}");
}

impl Standalone {
    /// Waits until all have ended.
    pub async fn ended(self) -> anyhow::Result<()> {
        for (name, running) in self.running {
            running.task.await.with_context(|| format!("{name} panicked"))??;
        }
        Ok(())
    }
}
