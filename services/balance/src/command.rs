//! What the command line does beside serving.

mod tend;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use quittance_chassis::config::Config;
use quittance_chassis::run;

pub use self::tend::{RebuildArgs, ReconcileArgs, rebuild, reconcile};
use crate::Binary;
use crate::domain::{Proof, Prover, Unproven};

/// What the command line begins with if it is ours and not what all services share.
const OURS: [&str; 3] = ["rebuild", "reconcile", "job"];

/// The command line of this binary, as far as only this one has it.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Configuration file (TOML); QUITTANCE__… environment variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Makes the projections anew of what issues and payouts know, and switches over in one step.
    Rebuild(RebuildArgs),
    /// Holds the projections against what issues and payouts know.
    Reconcile(ReconcileArgs),
    /// Runs what is due on a timetable.
    #[command(subcommand)]
    Job(Job),
}

#[derive(Subcommand)]
enum Job {
    /// Holds the projections against what issues and payouts know.
    Reconcile(ReconcileArgs),
}

/// Returns the command line of these commands, for those who have to name them.
#[must_use]
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the binary with this command line, whose first word is the name of the program.
#[must_use]
pub fn main_with(args: impl Iterator<Item = OsString>) -> ExitCode {
    run::main_with_own::<Binary, Cli>(args, &OURS, |cli| dispatch(&cli))
}

fn dispatch(cli: &Cli) -> anyhow::Result<()> {
    let config = Config::load(cli.config.as_deref())?;
    match cli.what {
        What::Rebuild(args) => run::block_on(rebuild(config, args)),
        What::Reconcile(args) | What::Job(Job::Reconcile(args)) => {
            run::block_on(reconcile(config, args))
        }
    }
}

/// A line that is longer is none of ours.
const MAX_LINE: u64 = 1024 * 1024;

/// Checks an exported file by its own trailer.
pub fn prove(file: impl BufRead) -> anyhow::Result<Result<Proof, Unproven>> {
    let (mut file, mut prover, mut line) = (file, Prover::new(), Vec::new());
    loop {
        line.clear();
        let mut bounded = std::io::Read::take(&mut file, MAX_LINE);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(prover.finish());
        }
        if let Err(flaw) = prover.line(&line) {
            return Ok(Err(flaw));
        }
    }
}

/// `export verify FILE`: tells what the file holds, or fails with what is wrong with it.
pub fn verify_export(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    let proof = prove(BufReader::new(file)).with_context(|| format!("{name} cannot be read"))?;
    let Proof { rows, sums, sha256 } = proof.with_context(|| format!("{name} is not proven"))?;
    let sums: Vec<String> = sums.iter().map(ToString::to_string).collect();
    let sums = if sums.is_empty() { "nothing".to_owned() } else { sums.join(", ") };
    // A reader that has seen enough is no failure.
    let _ = writeln!(std::io::stdout(), "{name}: ok, {rows} rows, {sums}, SHA-256 {sha256}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_this_program_are_consistent() {
        command_line().debug_assert();
        for line in [
            "quittance-balance rebuild",
            "quittance-balance rebuild --organization 019a0000-0000-7000-8000-000000000000 --restart",
            "quittance-balance reconcile --deep",
            "quittance-balance job reconcile --config a.toml",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        let refused = Cli::try_parse_from(["quittance-balance", "rebuild", "--organization", "x"]);
        assert!(refused.err().unwrap().use_stderr());
    }
}
