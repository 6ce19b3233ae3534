//! The binary of the issues service.

use std::process::ExitCode;

fn main() -> ExitCode {
    quittance_chassis::run::main::<quittance_issues::Binary>()
}
