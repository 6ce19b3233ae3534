//! The binary of the payouts service.

use std::process::ExitCode;

fn main() -> ExitCode {
    quittance_chassis::run::main::<quittance_payouts::Binary>()
}
