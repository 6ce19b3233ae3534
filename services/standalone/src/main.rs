//! The `quittance` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quittance_balance::command::{RebuildArgs, ReconcileArgs};
use quittance_chassis::auth::Verifier;
use quittance_chassis::config::Config;
use quittance_chassis::run::Service as _;
use quittance_chassis::{audit, run, telemetry};
use quittance_kernel::{Principal, Role, Roles};
use quittance_payouts::command::{AccountsCommand, JobCommand};
use quittance_proto::issues::v1::EnsureMemberRequest;
use quittance_proto::issues::v1::member_service_client::MemberServiceClient;

/// Accepted work becomes paid work, exactly once, and everyone can see why.
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
    /// Serves an instance from `data_dir` (the default).
    Serve,
    /// Serves with the demo organizations loaded, and prints where to look.
    Demo,
    /// Brings the databases to the schema of this version.
    Migrate,
    /// About the audit logs of all services.
    #[command(subcommand)]
    Audit(run::AuditCommand),
    /// About the numbers of payout accounts.
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Runs what is due on a timetable; a running instance does so by itself.
    #[command(subcommand)]
    Job(AnyJob),
    /// About the projections of balances. The instance must be running: its services are asked.
    #[command(subcommand)]
    Balance(BalanceCommand),
    /// About exported files.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Makes a sign-in token of a running development instance.
    Token {
        /// E-mail of the member; created when missing.
        #[arg(long)]
        email: String,
        /// A role, such as admin; may be given several times.
        #[arg(long)]
        role: Vec<Role>,
        /// Name of the organization; created when missing.
        #[arg(long, default_value = "Demo")]
        organization: String,
    },
    /// About the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum AnyJob {
    #[command(flatten)]
    Due(JobCommand),
    /// Holds the projections of balances against what issues and payouts know.
    Reconcile(ReconcileArgs),
}

#[derive(Subcommand)]
enum BalanceCommand {
    /// Makes the projections anew of what issues and payouts know, and switches over in one step.
    Rebuild(RebuildArgs),
}

#[derive(Subcommand)]
enum ExportCommand {
    /// Checks a CSV file by its own trailer; fails if it was changed or cut off.
    Verify {
        /// The file, exported with `trailer=true`.
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Writes every key with its meaning and default, as a file that can be used.
    Print,
}

fn main() -> ExitCode {
    run::obey(std::env::args_os(), dispatch)
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Config(ConfigCommand::Print)) = cli.command {
        print!("{}", Config::reference());
        return Ok(());
    }
    let config = Config::load(cli.config.as_deref())?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => run::block_on(serve(config, false)),
        Command::Demo => run::block_on(serve(config, true)),
        Command::Migrate => run::block_on(migrate(config)),
        Command::Audit(run::AuditCommand::Verify) => run::block_on(verify(config)),
        Command::Export(ExportCommand::Verify { file }) => {
            quittance_balance::command::verify_export(&file)
        }
        Command::Accounts(AccountsCommand::Rotate) => {
            run::block_on(quittance_payouts::command::rotate(config))
        }
        Command::Job(AnyJob::Due(command)) => {
            run::block_on(quittance_payouts::command::job(config, command))
        }
        Command::Job(AnyJob::Reconcile(args)) => {
            run::block_on(quittance_balance::command::reconcile(config, args))
        }
        Command::Balance(BalanceCommand::Rebuild(args)) => {
            run::block_on(quittance_balance::command::rebuild(config, args))
        }
        Command::Token { email, role, organization } => {
            run::block_on(token(config, email, role, organization))
        }
        Command::Config(ConfigCommand::Print) => Ok(()),
    }
}

async fn serve(config: Config, demo: bool) -> anyhow::Result<()> {
    let telemetry = telemetry::init(&config, "quittance");
    let begin = run::Start {
        shutdown: run::shutdown_signal()?,
        metrics: telemetry.registry().clone(),
        ..run::Start::default()
    };
    let standalone = quittance::start(config, &begin).await?;
    let base = format!("http://{}", standalone.gateway);
    if demo {
        let demo = quittance::demo::load(&standalone.config).await?;
        print!("{}", greeting(&base, &demo));
    } else {
        println!("Quittance serves {base}/app — API browser at {base}/api/docs, Ctrl-C stops it.");
    }
    standalone.ended().await
}

async fn migrate(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&config, "quittance");
    std::fs::create_dir_all(&config.data_dir)?;
    let config = Arc::new(config);
    quittance_issues::Binary::migrate(Arc::clone(&config)).await?;
    quittance_payouts::Binary::migrate(Arc::clone(&config)).await?;
    quittance_balance::Binary::migrate(config).await
}

async fn verify(config: Config) -> anyhow::Result<()> {
    let databases = [
        quittance_issues::connect(&config).await?,
        quittance_payouts::connect(&config).await?,
        quittance_balance::connect(&config).await?,
    ];
    audit::command::run(&databases).await
}

async fn token(
    config: Config,
    email: String,
    roles: Vec<Role>,
    organization: String,
) -> anyhow::Result<()> {
    let verifier = Verifier::from_config(&config.auth, config.mode)?;
    let mut members = MemberServiceClient::new(quittance_chassis::grpc::secured(
        &config.issues.url,
        &config.tls,
    )?);
    let request = EnsureMemberRequest {
        email,
        organization,
        roles: roles.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let desk = quittance::demo::front_desk(&verifier)?;
    let reply = members.ensure_member(desk.request(request)).await.map_err(|status| {
        anyhow::anyhow!("{}: {} (is an instance running?)", config.issues.url, status.message())
    })?;
    let member = reply.into_inner().member.unwrap_or_default();
    let roles: Result<Vec<Role>, _> = member.roles.iter().map(|role| role.parse()).collect();
    let principal = Principal {
        organization: member.organization_id.parse()?,
        member: member.member_id.parse()?,
        roles: Roles::new(roles?),
        email: Some(member.email),
        impersonator: None,
    };
    println!("{}", verifier.mint(&principal, Duration::from_hours(12))?);
    Ok(())
}

/// What a person sees who has just started the demo.
fn greeting(base: &str, demo: &quittance::demo::Demo) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("\n");
    let state = if demo.loaded { "loaded" } else { "was loaded before" };
    let _ = writeln!(
        text,
        "Quittance demo — organizations \"Hackorda QA\", \"Akashi Partners\" and \"Baiterek Recruiting\", {state}"
    );
    let _ =
        writeln!(text, "  dashboard     {base}/app (sign in as dana@ or madina@hackorda.example)");
    let _ = writeln!(text, "  API browser   {base}/api/docs");
    let _ = writeln!(text, "  sign-in       tokens for 12 hours, as shell variables:\n");
    for person in demo.people.iter().filter(|p| SHOWN.contains(&p.name)) {
        let name = person.name.to_uppercase();
        let _ = writeln!(text, "export {name}={}   # {}", person.token, person.role);
    }
    let _ = write!(
        text,
        "\nTry (Dana's is the balance of the seed's wireframe, Madina is the admin):\n\
         \n  curl -s -H \"authorization: Bearer $DANA\" {base}/api/me/balance\
         \n  curl -s -H \"authorization: Bearer $DANA\" '{base}/api/me/balance/export.csv?trailer=true'\
         \n  curl -s -H \"authorization: Bearer $MADINA\" {base}/api/admin/payouts\
         \n  curl -s -H \"authorization: Bearer $MADINA\" {base}/api/admin/triage\
         \n  curl -s -H \"authorization: Bearer $SARA\" {base}/api/admin/payouts/list\
         \n  curl -s -H \"authorization: Bearer $GULNARA\" {base}/api/v2/payout-schedules\n\
         \nCtrl-C stops it; everything is kept in the data directory.\n"
    );
    text
}

/// Whose tokens are printed; the others are there too.
const SHOWN: [&str; 8] =
    ["Madina", "Adilet", "Aibek", "Nazira", "Dana", "Sara", "Polaris", "Gulnara"];
