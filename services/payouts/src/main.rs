//! The binary of the payouts service.

use std::process::ExitCode;

use clap::Parser as _;
use quittance_chassis::run;
use quittance_payouts::command::{Accounts, rotate};

fn main() -> ExitCode {
    // The only command that the services do not share.
    if std::env::args().any(|word| word == "accounts") {
        let cli = match Accounts::try_parse() {
            Ok(cli) => cli,
            Err(error) => {
                // Standard error may be closed; there is nobody else to tell.
                let _ = error.print();
                return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
            }
        };
        return run::finish(cli.load().and_then(|config| run::block_on(rotate(config))));
    }
    run::main::<quittance_payouts::Binary>()
}
