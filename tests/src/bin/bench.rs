//! `cargo xtask bench NAME`: prints floor, ours and their ratio.

use clap::{Parser, Subcommand};
use system_tests::bench::{
    balance, batch, export, gateway, ingest, pay, plan, relay, report, schedules, sse, triage,
};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Batch-pay through gRPC beside one hand-written statement on the same server.
    Pay {
        /// Issues per batch.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1000, 10_000])]
        sizes: Vec<usize>,
        /// Pairs of floor and ours per size; small sizes are measured more often.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Approved issues to start with.
        #[arg(long, default_value_t = 200_000)]
        rows: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// Due schedules among very many, drained by several workers, beside one statement per chunk.
    Schedules {
        /// Schedules in all.
        #[arg(long, default_value_t = 1_000_000)]
        rows: usize,
        /// Of these, due at once.
        #[arg(long, default_value_t = 100_000)]
        due: usize,
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
        workers: Vec<usize>,
        /// Pairs of floor and ours per number of workers.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// The dry run of everything that is due and the commit of its plan, beside the floor.
    Plan {
        /// Earnings to plan and to pay.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// Batches that the embedded provider pays, to their end, beside hand-written statements.
    Batch {
        /// Issues per batch.
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 10_000])]
        sizes: Vec<usize>,
        /// Pairs of floor and ours per size.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// A balance beside the read of one projected row, at few and at very many lines of history.
    Balance {
        /// Lines of history.
        #[arg(long, value_delimiter = ',', default_values_t = [1_000, 1_000_000])]
        histories: Vec<usize>,
        /// Pairs of floor and ours.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Requests at once.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 4])]
        clients: Vec<usize>,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// Payments as CSV through the gateway beside COPY piped the same way.
    Export {
        /// Payments.
        #[arg(long, default_value_t = 1_000_000)]
        rows: usize,
        /// Pairs of floor and ours.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// Events from RabbitMQ to committed projections and ledger beside a bare consumer and upserts.
    Ingest {
        /// Issues; two events each.
        #[arg(long, default_value_t = 50_000)]
        issues: usize,
        /// Pairs of floor and ours.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// The outbox on its way to RabbitMQ beside a bare loop, and how soon an event arrives.
    Relay {
        /// Events in the outbox.
        #[arg(long, default_value_t = 50_000)]
        rows: usize,
        /// Pairs of floor and ours.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Events that are sent one at a time.
        #[arg(long, default_value_t = 500)]
        single: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// A read and a write through REST beside the bare gRPC call and a bare handler.
    Gateway {
        /// Seconds for each measurement.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Requests under way at once.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
        clients: Vec<usize>,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// The memory of an instance while very many streams are open and nothing happens.
    Sse {
        /// Streams that are open at once.
        #[arg(long, default_value_t = 10_000)]
        streams: usize,
        /// Seconds for which they stay open.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
    /// The inbox and the list of all issues beside the read of one issue by its key.
    Triage {
        /// Issues to choose from.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
        /// How often each read is measured.
        #[arg(long, default_value_t = 500)]
        rounds: usize,
        /// Also writes the result, with the machine's size and the date, to docs/performance.md.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let (name, about, text, write) = match Cli::parse().bench {
        Bench::Pay { sizes, rounds, rows, write } => {
            let plan = pay::Plan { sizes, rounds, rows };
            let text = quittance_chassis::run::block_on(async move { pay::run(&plan).await })?;
            ("pay", pay::ABOUT, text, write)
        }
        Bench::Schedules { rows, due, workers, rounds, write } => {
            let plan = schedules::Plan { rows, due, workers, rounds };
            let text =
                quittance_chassis::run::block_on(async move { schedules::run(&plan).await })?;
            ("schedules", schedules::ABOUT, text, write)
        }
        Bench::Plan { rows, write } => {
            let text = quittance_chassis::run::block_on(async move { plan::run(rows).await })?;
            ("plan", plan::ABOUT, text, write)
        }
        Bench::Batch { sizes, rounds, write } => {
            let plan = batch::Plan { sizes, rounds };
            let text = quittance_chassis::run::block_on(async move { batch::run(&plan).await })?;
            ("batch", batch::ABOUT, text, write)
        }
        Bench::Balance { histories, rounds, clients, write } => {
            let plan = balance::Plan { histories, rounds, clients };
            let text = quittance_chassis::run::block_on(async move { balance::run(&plan).await })?;
            ("balance", balance::ABOUT, text, write)
        }
        Bench::Export { rows, rounds, write } => {
            let plan = export::Plan { rows, rounds };
            let text = quittance_chassis::run::block_on(async move { export::run(&plan).await })?;
            ("export", export::ABOUT, text, write)
        }
        Bench::Ingest { issues, rounds, write } => {
            let plan = ingest::Plan { issues, rounds };
            let text = quittance_chassis::run::block_on(async move { ingest::run(&plan).await })?;
            ("ingest", ingest::ABOUT, text, write)
        }
        Bench::Relay { rows, rounds, single, write } => {
            let plan = relay::Plan { rows, rounds, single };
            let text = quittance_chassis::run::block_on(async move { relay::run(&plan).await })?;
            ("relay", relay::ABOUT, text, write)
        }
        Bench::Gateway { seconds, clients, write } => {
            let plan = gateway::Plan { seconds, clients };
            let text = quittance_chassis::run::block_on(async move { gateway::run(&plan).await })?;
            ("gateway", gateway::ABOUT, text, write)
        }
        Bench::Sse { streams, seconds, write } => {
            let plan = sse::Plan { streams, seconds };
            let text = quittance_chassis::run::block_on(async move { sse::run(&plan).await })?;
            ("sse", sse::ABOUT, text, write)
        }
        Bench::Triage { rows, rounds, write } => {
            let plan = triage::Plan { rows, rounds };
            let text =
                quittance_chassis::run::block_on(
                    async move { Box::pin(triage::run(&plan)).await },
                )?;
            ("triage", triage::ABOUT, text, write)
        }
    };
    print!("{text}");
    if write { report::write(name, about, &text) } else { Ok(()) }
}
