//! One process of an installation, for tests that kill it: the same entry points as the binaries.

use std::process::ExitCode;

use quittance_chassis::{faults, run};

fn main() -> ExitCode {
    // The first argument says which; the rest is the command line of that binary.
    match std::env::args().nth(1).as_deref() {
        Some("issues") => run::main_with::<quittance_issues::Binary>(std::env::args_os().skip(1)),
        // It has commands of its own: jobs.
        Some("payouts") => quittance_payouts::command::main_with(std::env::args_os().skip(1)),
        Some("balance") => quittance_balance::command::main_with(std::env::args_os().skip(1)),
        Some("gateway") => run::main_with::<quittance_gateway::Binary>(std::env::args_os().skip(1)),
        Some("standalone") => run::finish(run::block_on(standalone())),
        other => {
            eprintln!("usage: node issues|payouts|balance|gateway|standalone, not {other:?}");
            ExitCode::from(2)
        }
    }
}

async fn standalone() -> anyhow::Result<()> {
    faults::arm();
    let config = quittance_chassis::config::Config::load(None)?;
    let _telemetry = quittance_chassis::telemetry::init(&config, "quittance");
    let begin = run::Start { shutdown: run::shutdown_signal()?, ..run::Start::default() };
    quittance::start(config, &begin).await?.ended().await
}
