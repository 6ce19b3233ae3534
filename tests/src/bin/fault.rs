//! `cargo xtask fault NAME`: injects faults and prints what became of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use system_tests::fault::{self, Race};
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
    let rounds = match Cli::parse().fault {
        Fault::Pay { rounds } => rounds,
        Fault::Race { earnings, workers, seconds } => {
            let wanted = Race { earnings, workers, time: Duration::from_secs(seconds) };
            let (store, bus) = (Store::Postgres, Bus::RabbitMq);
            let raced = quittance_chassis::run::block_on(async move {
                Ok(fault::race(store, bus, wanted).await)
            })?;
            print!("{}", raced.table());
            return Ok(());
        }
    };
    let node = node()?;
    let outcomes = quittance_chassis::run::block_on(async move {
        let mut outcomes = Vec::new();
        for (point, store, bus) in fault::everywhere() {
            eprintln!("{point} on {store:?} …");
            outcomes.push(fault::die_at(&node, point, store, bus).await);
        }
        for (store, bus) in BOTH {
            eprintln!("plans and voids on {store:?} …");
            outcomes.extend(fault::die_at_every_step(&node, store, bus).await);
        }
        eprintln!("{rounds} kills of four processes in turn …");
        outcomes.push(fault::kill_in_turn(&node, rounds).await);
        Ok(outcomes)
    })?;
    print!("{}", fault::table(&outcomes));
    anyhow::ensure!(outcomes.iter().all(|o| o.lost == 0 && o.double == 0), "money was harmed");
    Ok(())
}

/// The `node` binary beside this one.
fn node() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let node = here.parent().context("no folder")?.join("node");
    anyhow::ensure!(node.exists(), "{} is not built", node.display());
    Ok(node)
}
