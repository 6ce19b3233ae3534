//! The balance service as a process of its own.

use std::process::ExitCode;

use quittance_chassis::{faults, run};

fn main() -> ExitCode {
    faults::arm();
    run::main::<quittance_balance::Binary>()
}
