//! The chores of the workspace: `cargo xtask test | lint | ci | servers | up | bench | fault | fuzz-http`.

mod account;
mod amqp;
mod bench;
mod ci;
mod fuzz;
mod install;
mod interrupt;
mod lint;
mod manifests;
mod postgres;
mod process;
mod rabbitmq;
mod servers;
mod supervise;
mod test;
mod tools;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::process::Outcome;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "The chores of the workspace")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Provides PostgreSQL and RabbitMQ and runs the tests of the whole workspace
    Test {
        /// Runs without servers; tests that need one will say so
        #[arg(long)]
        no_db: bool,
        /// Arguments for `cargo test`; a package among them replaces the whole workspace
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Provides PostgreSQL and RabbitMQ while a command runs, or until Ctrl-C
    Servers {
        /// Prints the addresses as shell exports, also when there is a command
        #[arg(long)]
        print_env: bool,
        /// The command
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Runs the four services as programs of their own over PostgreSQL and RabbitMQ, until Ctrl-C
    Up {
        /// Builds them optimised
        #[arg(long)]
        release: bool,
    },
    /// Checks the format, clippy, the dependencies, the proto files and the manifests
    Lint,
    /// Does what has to pass before a change is accepted: lint, then test
    Ci,
    /// Measures, beside the floor, in release mode
    Bench(Program),
    /// Breaks things on purpose and counts what was lost, in release mode
    Fault(Program),
    /// Asks an instance of its own whatever its OpenAPI document allows (Schemathesis, installed by pip
    /// under target/tools); no answer may be a 5xx or undocumented
    FuzzHttp {
        /// The same seed asks the same
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Requests per route and kind of request
        #[arg(long, default_value_t = 50)]
        examples: u32,
        /// Further arguments for Schemathesis
        #[arg(last = true)]
        args: Vec<OsString>,
    },
}

#[derive(Args)]
struct Program {
    /// Which one
    name: OsString,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match interrupt::install().and_then(|()| run(cli.chore)) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            let code = if error.is::<install::NeedsHands>() { 2 } else { 1 };
            ExitCode::from(if interrupt::requested() { 130 } else { code })
        }
    }
}

fn run(chore: Chore) -> Result<Outcome> {
    match chore {
        Chore::Test { no_db, args } => test::run(no_db, &args),
        Chore::Servers { print_env, command } => servers::run(print_env, &command),
        Chore::Up { release } => up::run(release),
        Chore::Lint => lint::run(),
        Chore::Ci => ci::run(),
        Chore::Bench(program) => bench::bench(&program.name, &program.args),
        Chore::FuzzHttp { seed, examples, args } => fuzz::run(seed, examples, &args),
        Chore::Fault(program) => bench::fault(&program.name, &program.args),
    }
}
