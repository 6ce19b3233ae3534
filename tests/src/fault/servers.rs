//! The database and the broker themselves, killed under load: what was acknowledged stays, what was not is
//! asked for again, and everybody goes on without hands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

use super::{Order, Outcome, PER_BATCH, outcome};
use crate::check::Books;
use crate::cluster::{Cluster, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store, eventually};

/// A server that `cargo xtask fault servers` starts, and starts again when it dies.
struct Victim {
    name: &'static str,
    /// Begins with its process id.
    pid_file: PathBuf,
}

impl Victim {
    fn find(name: &'static str, variable: &str) -> anyhow::Result<Self> {
        let pid_file = std::env::var_os(variable)
            .with_context(|| format!("{variable} is not set: run this by cargo xtask fault"))?;
        Ok(Self { name, pid_file: pid_file.into() })
    }

    fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(&self.pid_file).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Kills it as `kill -9` does, and waits until another one has taken its place.
    async fn kill(&self) {
        let pid = eventually("a process to kill", async || self.pid()).await;
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().await.unwrap();
        assert!(killed.success(), "{} could not be killed", self.name);
        eventually("a new process", async || self.pid().filter(|new| *new != pid)).await;
    }
}

/// Kills PostgreSQL, and then RabbitMQ, with -9 in the middle of so many rounds of batches each.
pub async fn kill_servers(binary: &Path, rounds: usize) -> anyhow::Result<Vec<Outcome>> {
    let victims = [
        Victim::find("PostgreSQL", "TEST_POSTGRES_PID_FILE")?,
        Victim::find("RabbitMQ", "TEST_RABBITMQ_PID_FILE")?,
    ];
    let mut outcomes = Vec::new();
    for victim in victims {
        outcomes.push(kill_under_load(binary, &victim, rounds).await);
    }
    Ok(outcomes)
}

async fn kill_under_load(binary: &Path, victim: &Victim, rounds: usize) -> Outcome {
    let mut cluster = Cluster::start(binary, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(rounds * 3 * PER_BATCH).await;
    let orders: Vec<Order> = issues.chunks(PER_BATCH).map(|some| Order::new(&shop, some)).collect();
    for (turn, round) in orders.chunks(3).enumerate() {
        eprintln!("{} dies, {} of {rounds} …", victim.name, turn + 1);
        let base = cluster.base.clone();
        let sends = futures_util::future::join_all(round.iter().map(|o| o.try_once(&shop, &base)));
        // The moment of death moves through the payment from round to round.
        let wait = Duration::from_micros(u64::try_from(turn % 12).unwrap_or_default() * 1500);
        tokio::join!(sends, async {
            tokio::time::sleep(wait).await;
            victim.kill().await;
        });
        cluster.ready().await;
        for order in round {
            order.insist(&shop, &cluster).await;
        }
        Books::open(&cluster.config).await.at_rest().await;
    }
    let fault = format!("kill -9 of {}", victim.name);
    let outcome = outcome(&fault, &cluster, rounds, issues.len()).await;
    cluster.close().await;
    outcome
}
