//! `cargo xtask fault NAME`: injects faults and prints what became of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use system_tests::fault::{self, Outcome, Race};
use system_tests::world::{BOTH, Bus, Store};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    fault: Fault,
}

#[derive(Subcommand)]
enum Fault {
    /// Kills processes at each step of a batch payment, and at moments that move through it.
    Pay {
        /// Rounds of killing one of four processes under load.
        #[arg(long, default_value_t = 40)]
        rounds: usize,
    },
    /// Kills a process in large batches, runs, plans, voids, and around the calls of a provider.
    Batch,
    /// Cuts the broker off in the middle of batches, and takes it away for a while.
    Bus {
        /// Batches of each kind.
        #[arg(long, default_value_t = 40)]
        rounds: usize,
        /// Seconds for which it stays away after the last batch.
        #[arg(long, default_value_t = 60)]
        away: u64,
    },
    /// Races as `race` does, while the broker is cut off over and over.
    Storm {
        #[arg(long, default_value_t = 2_000)]
        earnings: usize,
        #[arg(long, default_value_t = 64)]
        workers: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Milliseconds between two cuts.
        #[arg(long, default_value_t = 1000)]
        every: u64,
    },
    /// Kills a job every second until no schedule is due any more.
    Schedules {
        /// Due schedules.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
        /// Milliseconds that a job lives.
        #[arg(long, default_value_t = 1000)]
        every: u64,
    },
    /// Kills PostgreSQL and RabbitMQ themselves in the middle of batches; they come back over their data.
    Servers {
        /// Rounds of killing each.
        #[arg(long, default_value_t = 12)]
        rounds: usize,
    },
    /// Has many workers pay, plan, approve, void and return the same earnings, on PostgreSQL.
    Race {
        #[arg(long, default_value_t = 2_000)]
        earnings: usize,
        #[arg(long, default_value_t = 64)]
        workers: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

fn main() -> anyhow::Result<()> {
    let asked = Cli::parse().fault;
    let node = node()?;
    let outcomes = quittance_chassis::run::block_on(async move {
        match asked {
            Fault::Pay { rounds } => Ok(pay(&node, rounds).await),
            Fault::Batch => Ok(batch(&node).await),
            Fault::Bus { rounds, away } => {
                Ok(fault::cut_broker(&node, rounds, Duration::from_secs(away)).await)
            }
            Fault::Storm { earnings, workers, seconds, every } => {
                let wanted = Race { earnings, workers, time: Duration::from_secs(seconds) };
                let (raced, cuts) = fault::storm(wanted, Duration::from_millis(every)).await;
                print!("{}", raced.table());
                println!("the broker was cut off {cuts} times");
                Ok(Vec::new())
            }
            Fault::Schedules { rows, every } => {
                Ok(schedules(&node, rows, Duration::from_millis(every)).await)
            }
            Fault::Servers { rounds } => fault::kill_servers(&node, rounds).await,
            Fault::Race { earnings, workers, seconds } => {
                let wanted = Race { earnings, workers, time: Duration::from_secs(seconds) };
                let raced = fault::race(Store::Postgres, Bus::RabbitMq, wanted).await;
                print!("{}", raced.table());
                Ok(Vec::new())
            }
        }
    })?;
    if !outcomes.is_empty() {
        print!("{}", fault::table(&outcomes));
    }
    anyhow::ensure!(outcomes.iter().all(|o| o.lost == 0 && o.double == 0), "money was harmed");
    Ok(())
}

async fn pay(node: &Path, rounds: usize) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (point, store, bus) in fault::everywhere() {
        eprintln!("{point} on {store:?} …");
        outcomes.push(fault::die_at(node, point, store, bus).await);
    }
    eprintln!("{rounds} kills of four processes in turn …");
    outcomes.push(fault::kill_in_turn(node, rounds).await);
    outcomes
}

async fn batch(node: &Path) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (store, bus) in BOTH {
        eprintln!("between the pieces of a large batch on {store:?} …");
        outcomes.push(fault::die_between_pieces(node, store, bus).await);
        eprintln!("plans and voids on {store:?} …");
        outcomes.extend(fault::die_at_every_step(node, store, bus).await);
        for point in fault::RAIL_POINTS {
            eprintln!("{point} on {store:?} …");
            outcomes.push(fault::die_around_a_call(node, point, store, bus).await);
        }
    }
    outcomes
}

async fn schedules(node: &Path, rows: usize, every: Duration) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (store, bus) in BOTH {
        eprintln!("{rows} schedules on {store:?} …");
        let killed = fault::kill_workers(node, store, bus, rows, every).await;
        outcomes.push(killed.outcome);
    }
    outcomes
}

/// The `node` binary beside this one.
fn node() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let node = here.parent().context("no folder")?.join("node");
    anyhow::ensure!(node.exists(), "{} is not built", node.display());
    Ok(node)
}
