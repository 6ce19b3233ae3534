//! The binary of the payouts service.

use std::process::ExitCode;

fn main() -> ExitCode {
    quittance_payouts::command::main_with(std::env::args_os())
}
