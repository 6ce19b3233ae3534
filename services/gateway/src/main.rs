//! The binary of the gateway.

use std::process::ExitCode;

fn main() -> ExitCode {
    quittance_chassis::run::main::<quittance_gateway::Binary>()
}
