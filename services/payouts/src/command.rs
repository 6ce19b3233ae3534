//! The commands that only this program has: `accounts rotate` and `job …`.

mod job;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use quittance_chassis::clock::now;
use quittance_chassis::config::Config;
use quittance_chassis::run;

pub use self::job::{JobCommand, job};
use crate::{Binary, Keyring, connect};

/// What the command line begins with if it is ours and not what all services share.
const OURS: [&str; 2] = ["accounts", "job"];

/// The command line of this binary, as far as only this one has it.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Configuration file (TOML); QUITTANCE__… environment variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    about: About,
}

#[derive(Subcommand)]
enum About {
    /// About the numbers of payout accounts.
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Runs what is due on a timetable.
    #[command(subcommand)]
    Job(JobCommand),
}

/// What can be done with the numbers of payout accounts.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AccountsCommand {
    /// Seals every number with the first key of `accounts.keys`.
    Rotate,
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
    match cli.about {
        About::Accounts(AccountsCommand::Rotate) => run::block_on(rotate(config)),
        About::Job(command) => run::block_on(job(config, command)),
    }
}

/// Seals every number with the first key and tells how many there were. Can be repeated, and run
/// beside the service.
pub async fn rotate(config: Config) -> anyhow::Result<()> {
    let keys = Keyring::from_config(&config)?;
    let db = connect(&config).await?;
    // Drawn only where somebody is watching.
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} accounts, {eta} left")
            .context("the progress bar")?,
    );
    let done = crate::rotate(&db, &keys, now(), |done, total| {
        bar.set_length(total.unsigned_abs());
        bar.set_position(done.unsigned_abs());
    })
    .await?;
    bar.finish_and_clear();
    println!("{done} accounts were sealed anew");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_this_program_are_consistent() {
        command_line().debug_assert();
        for line in [
            "quittance-payouts job process-schedules",
            "quittance-payouts job process-escrow --slot 2026-05-08T03:00:00Z --remote --limit 5",
            "quittance-payouts job process-schedules --now --workers 2 --config a.toml",
            "quittance-payouts accounts rotate",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "quittance-payouts job",
            "quittance-payouts job process-schedules --slot yesterday",
            "quittance-payouts job process-schedules --now --slot 2026-05-08T03:00:00Z",
        ] {
            let refused = Cli::try_parse_from(line.split(' ')).err().unwrap();
            assert!(refused.use_stderr(), "{line}");
        }
    }
}
