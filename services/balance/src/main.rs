//! The balance service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    quittance_balance::command::main_with(std::env::args_os())
}
