//! `accounts rotate` on the command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use quittance_chassis::clock::now;
use quittance_chassis::config::Config;

use crate::{Keyring, connect};

/// The command line of this binary, as far as it is about accounts.
#[derive(Parser)]
#[command(version)]
pub struct Accounts {
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
}

/// What can be done with the numbers of payout accounts.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AccountsCommand {
    /// Seals every number with the first key of `accounts.keys`.
    Rotate,
}

impl Accounts {
    /// Reads the configuration of the one command that there is.
    pub fn load(&self) -> anyhow::Result<Config> {
        match self.about {
            About::Accounts(AccountsCommand::Rotate) => Ok(Config::load(self.config.as_deref())?),
        }
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
