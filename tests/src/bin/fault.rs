//! `cargo xtask fault NAME`: injects faults and prints what became of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use system_tests::fault;
use system_tests::world::BOTH;

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
    /// Kills a job every second until no schedule is due any more.
    Schedules {
        /// Due schedules.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
        /// Milliseconds that a job lives.
        #[arg(long, default_value_t = 1000)]
        every: u64,
    },
}

fn main() -> anyhow::Result<()> {
    let asked = Cli::parse().fault;
    let node = node()?;
    let outcomes = quittance_chassis::run::block_on(async move {
        let mut outcomes = Vec::new();
        let rounds = match asked {
            Fault::Pay { rounds } => rounds,
            Fault::Schedules { rows, every } => {
                let every = Duration::from_millis(every);
                for (store, bus) in BOTH {
                    eprintln!("{rows} schedules on {store:?} …");
                    let killed = fault::kill_workers(&node, store, bus, rows, every).await;
                    outcomes.push(killed.outcome);
                }
                return Ok(outcomes);
            }
        };
        for (point, store, bus) in fault::everywhere() {
            eprintln!("{point} on {store:?} …");
            outcomes.push(fault::die_at(&node, point, store, bus).await);
        }
        for (store, bus) in BOTH {
            eprintln!("between the pieces of a large batch on {store:?} …");
            outcomes.push(fault::die_between_pieces(&node, store, bus).await);
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
