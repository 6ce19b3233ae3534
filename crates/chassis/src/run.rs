//! What the binaries of the services have in common: command line, signals, exit codes.

mod health;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::config::{Config, ConfigError};
use crate::db::Db;
use crate::telemetry;

/// Of every program that links the chassis, so that what is measured is what is deployed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long blocking work may hold up the exit.
const LINGER: Duration = Duration::from_secs(5);

/// Done.
const DONE: u8 = 0;
/// Something failed.
const FAILED: u8 = 1;
/// Bad usage or configuration.
const USAGE: u8 = 2;

/// A service under way.
pub struct Running {
    /// The address that was bound.
    pub addr: SocketAddr,
    /// Ends when the service does.
    pub task: JoinHandle<anyhow::Result<()>>,
}

/// A service that has a binary of its own.
pub trait Service: Send + Sync + 'static {
    /// As logs and traces call it, such as `quittance-issues`.
    const NAME: &'static str;

    /// Starts the service. It ends some time after `shutdown` was cancelled.
    fn serve(
        config: Arc<Config>,
        started: Start,
    ) -> impl Future<Output = anyhow::Result<Running>> + Send;

    /// Brings its database to the schema of this version.
    fn migrate(config: Arc<Config>) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Opens its database, if it has one.
    fn database(config: Arc<Config>) -> impl Future<Output = anyhow::Result<Option<Db>>> + Send;
}

/// What a service is started with.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Cancelled when the service is to stop.
    pub shutdown: CancellationToken,
    /// To be set when the service takes requests, and unset when it no longer does.
    pub readiness: telemetry::Readiness,
    /// What `/metrics` shows, for a service that serves it on its own address.
    pub metrics: prometheus::Registry,
}

#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Configuration file (TOML); QUITTANCE__… environment variables override it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service (the default).
    Serve,
    /// Brings the database to the schema of this version.
    Migrate,
    /// Asks the probes on `metrics.listen` whether the service takes requests.
    Health,
    /// About the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// About the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What can be done with the audit log; the same for every program of ours.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AuditCommand {
    /// Recomputes the chain of hashes over the log; fails if a row was changed, removed or forged.
    Verify,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Writes every key with its meaning and default, as a file that can be used.
    Print,
}

/// Returns the command line of the services, for those who have to name its commands.
#[must_use]
pub fn command_line() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the binary of a service.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    main_with::<S>(std::env::args_os())
}

/// Runs a service with this command line, whose first word is the name of the program.
#[must_use]
pub fn main_with<S: Service>(args: impl Iterator<Item = OsString>) -> ExitCode {
    obey(args, dispatch::<S>)
}

/// As [`main_with`], for a program with commands of its own: a line that holds one of these words is
/// for them.
#[must_use]
pub fn main_with_own<S: Service, C: Parser>(
    args: impl Iterator<Item = OsString>,
    words: &[&str],
    dispatch: impl FnOnce(C) -> anyhow::Result<()>,
) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    if args.iter().any(|arg| words.iter().any(|word| arg == word)) {
        obey(args.into_iter(), dispatch)
    } else {
        main_with::<S>(args.into_iter())
    }
}

/// Reads a command line and does what it says.
#[must_use]
pub fn obey<C: Parser>(
    args: impl Iterator<Item = OsString>,
    dispatch: impl FnOnce(C) -> anyhow::Result<()>,
) -> ExitCode {
    crate::faults::arm();
    match C::try_parse_from(args) {
        Ok(cli) => finish(dispatch(cli)),
        Err(error) => {
            // Standard error may be closed; there is nobody else to tell.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { USAGE } else { DONE })
        }
    }
}

fn dispatch<S: Service>(cli: Cli) -> anyhow::Result<()> {
    let load = || Config::load(cli.config.as_deref()).map(Arc::new);
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => {
            let config = load()?;
            block_on(serve::<S>(config))
        }
        Command::Migrate => {
            let config = load()?;
            block_on(async move {
                let _telemetry = telemetry::init(&config, S::NAME);
                S::migrate(config).await
            })
        }
        Command::Health => {
            let listen = load()?.metrics.listen;
            health::check(listen.context("metrics.listen is not set: there are no probes")?)
        }
        Command::Audit(AuditCommand::Verify) => {
            let config = load()?;
            block_on(async move {
                let databases: Vec<Db> = S::database(config).await?.into_iter().collect();
                audit::command::run(&databases).await
            })
        }
        Command::Config(ConfigCommand::Print) => print(&Config::reference()),
    }
}

async fn serve<S: Service>(config: Arc<Config>) -> anyhow::Result<()> {
    let telemetry = telemetry::init(&config, S::NAME);
    let start = Start {
        shutdown: shutdown_signal()?,
        metrics: telemetry.registry().clone(),
        ..Start::default()
    };
    if let Some(listen) = config.metrics.listen {
        // Not stopped with the service: the drain wants to be watched.
        let routes = telemetry::routes(telemetry.registry(), vec![start.readiness.clone()]);
        telemetry::observe(listen, routes, CancellationToken::new())
            .await
            .with_context(|| format!("metrics cannot be served on {listen}"))?;
    }
    let running = S::serve(config, start).await?;
    tracing::info!(service = S::NAME, address = %running.addr, "serving");
    let ended = running.task.await.context("the service panicked")?;
    tracing::info!(service = S::NAME, "stopped");
    ended
}

/// Writes to standard output. A reader that has seen enough is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Runs a future on a runtime of its own. Every binary goes through here, so that the one TLS
/// provider is installed before anything could ask for it.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    install_tls();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    runtime.shutdown_timeout(LINGER);
    result
}

/// Installs the TLS provider of this process. More than once does no harm.
pub fn install_tls() {
    // Fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Turns a result into an exit code, and tells on standard error what went wrong.
#[must_use]
pub fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    let configuration = error.chain().any(|cause| cause.downcast_ref::<ConfigError>().is_some());
    if configuration { USAGE } else { FAILED }
}

/// Returns a token that is cancelled by SIGTERM or Ctrl-C. Must be called within a runtime.
pub fn shutdown_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = terminate()?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("told to stop");
        cancelled.cancel();
    });
    Ok(token)
}

#[cfg(unix)]
fn terminate() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
}

#[cfg(windows)]
fn terminate() -> std::io::Result<tokio::signal::windows::CtrlShutdown> {
    tokio::signal::windows::ctrl_shutdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["quittance-issues", "migrate", "--config", "a.toml"]);
        assert!(matches!(cli.unwrap().command, Some(Command::Migrate)));
        assert!(Cli::try_parse_from(["quittance-issues"]).unwrap().command.is_none());
    }

    #[test]
    fn a_bad_configuration_exits_with_two() {
        let refused = ConfigError::UnknownKey { key: "colour".into(), origin: "a.toml".into() };
        let error = anyhow::Error::from(refused).context("starting");
        assert_eq!(code(&error), USAGE);
        assert_eq!(code(&anyhow::anyhow!("disk full")), FAILED);
    }
}
