//! `job process-schedules` and `job process-escrow` (S2-43): in this process, or, with `--remote`,
//! in the one that serves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock::now;
use quittance_chassis::config::{Config, ConfigError, Mode};
use quittance_chassis::grpc::{Caller, client, secured};
use quittance_chassis::{run, telemetry};
use quittance_kernel::{Timestamp, TimestampExt};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::job_service_client::JobServiceClient;
use secrecy::SecretString;
use tonic::{Code, Response};

use crate::app::{BUDGET, Error, timetable};
use crate::domain::job::{Job, Tally, Wanted};
use crate::grpc::{timestamp, wire_run};
use crate::{connect, migrate_in_development, service};

/// How often whoever watches is told.
const FRAME: Duration = Duration::from_millis(100);

/// How long a token is good for that is made for one call.
const MOMENT: Duration = Duration::from_mins(15);

/// The jobs.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum JobCommand {
    /// Pays the schedules that are due.
    ProcessSchedules(JobArgs),
    /// Releases the holds whose time has come, and pays the schedules that this has unblocked.
    ProcessEscrow(JobArgs),
}

/// How a job is run.
#[derive(Clone, Copy, Debug, Args)]
pub struct JobArgs {
    /// The slot to run for (RFC 3339). Default: the last one of the timetable. A slot is run once.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    slot: Option<Timestamp>,
    /// Runs on demand, for no slot: whatever was run before.
    #[arg(long, conflicts_with = "slot")]
    now: bool,
    /// Asks the running service to do it, at `payouts.url`.
    #[arg(long)]
    remote: bool,
    /// The most to claim.
    #[arg(long)]
    limit: Option<i32>,
    /// Chunks that are worked on at once.
    #[arg(long, default_value_t = 1, conflicts_with = "remote")]
    workers: u32,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>()
        .map(TimestampExt::to_micros)
        .map_err(|_| "not a time of RFC 3339".to_owned())
}

/// Runs a job and tells what it has done. Exits with 0 when it went well, was stopped in good order,
/// or had been done before; with 1 when it failed.
pub async fn job(config: Config, command: JobCommand) -> anyhow::Result<()> {
    let (job, args) = match command {
        JobCommand::ProcessSchedules(args) => (Job::Schedules, args),
        JobCommand::ProcessEscrow(args) => (Job::Escrow, args),
    };
    let _telemetry = telemetry::init(&config, "quittance-job");
    let now = now();
    let slot = args.slot.or_else(|| (!args.now).then(|| job.slot_at(now)));
    let wanted = Wanted::new(job, slot, args.limit, now)
        .and_then(|wanted| wanted.with_workers(args.workers))
        .map_err(|error| usage(&error))?;
    let (run, already) = if args.remote {
        remotely(&config, &wanted, args.limit, now).await?
    } else {
        here(&config, wanted, now).await?
    };
    println!("{}", line(&run, already));
    match run.state() {
        proto::JobRunState::Failed | proto::JobRunState::Abandoned => bail!("{}", run.error),
        proto::JobRunState::Unspecified
        | proto::JobRunState::Running
        | proto::JobRunState::Completed
        | proto::JobRunState::Stopped => Ok(()),
    }
}

/// Exits with 2.
fn usage(problem: &impl ToString) -> anyhow::Error {
    ConfigError::Refused { key: "job", problem: problem.to_string() }.into()
}

async fn here(
    config: &Config,
    wanted: Wanted,
    now: Timestamp,
) -> anyhow::Result<(proto::JobRun, bool)> {
    let db = connect(config).await?;
    migrate_in_development(config, &db).await?;
    // What is due needs no facts of issues: a job calls nobody, and has no certificate to do so.
    let nobody = client("http://127.0.0.1:1")?;
    let payouts = service(config, db, nobody)?.stopping_with(run::shutdown_signal()?);
    // Drawn only where somebody is watching.
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(FRAME);
    let drawn = bar.clone();
    let watch = move |tally: &Tally| {
        drawn.set_message(format!("{} claimed, {} processed", tally.claimed, tally.processed));
    };
    let caller = timetable(now);
    // Not cancelled with anything: a transaction that is dropped while it begins spoils its connection.
    let work = async move { payouts.run_job(&caller, wanted, Arc::new(watch)).await };
    let ran = tokio::spawn(work).await.context("the job panicked")?;
    bar.finish_and_clear();
    let ran = ran.map_err(|error: Error| anyhow::Error::from(error))?;
    Ok((wire_run(&ran.run), ran.already))
}

async fn remotely(
    config: &Config,
    wanted: &Wanted,
    limit: Option<i32>,
    now: Timestamp,
) -> anyhow::Result<(proto::JobRun, bool)> {
    let ctx = timetable(now).ctx;
    let token = match &config.auth.service_token {
        Some(token) => token.clone(),
        None if config.mode == Mode::Production && config.auth.session_secret.is_none() => {
            let problem = "must be set, or auth.session_secret, to ask a service".to_owned();
            return Err(ConfigError::Refused { key: "auth.service_token", problem }.into());
        }
        None => {
            let verifier = Verifier::from_config(&config.auth, config.mode)?;
            SecretString::from(verifier.mint(&ctx.principal, MOMENT)?)
        }
    };
    let caller = Caller::new(ctx, &token, Instant::now().checked_add(BUDGET));
    let mut jobs = JobServiceClient::new(secured(&config.payouts.url, &config.tls)?);
    let slot = wanted.slot.map(timestamp);
    let answered = match wanted.job {
        Job::Schedules => {
            let request = caller.request(proto::ProcessDueSchedulesRequest { slot, limit });
            let answered = jobs.process_due_schedules(request).await;
            answered.map(Response::into_inner).map(|reply| (reply.run, reply.already_run))
        }
        Job::Escrow => {
            let request = caller.request(proto::ProcessDueReleasesRequest { slot, limit });
            let answered = jobs.process_due_releases(request).await;
            answered.map(Response::into_inner).map(|reply| (reply.run, reply.already_run))
        }
    };
    let (run, already) = answered.map_err(|status| {
        if status.code() == Code::InvalidArgument {
            return usage(&status.message());
        }
        anyhow::anyhow!("{}: {}", config.payouts.url, status.message())
    })?;
    Ok((run.context("the reply has no run")?, already))
}

/// What a run has done, on one line.
fn line(run: &proto::JobRun, already: bool) -> String {
    use std::fmt::Write as _;
    let state = run.state().as_str_name().trim_start_matches("JOB_RUN_STATE_").to_lowercase();
    let mut text = format!("{} {state}", run.job);
    if already {
        text.push_str(" before");
    }
    let slot = run.slot.and_then(|slot| Timestamp::from_timestamp(slot.seconds, 0));
    // Writing to a text cannot fail.
    let _ = match slot {
        Some(slot) => write!(text, ": slot {}", slot.format("%FT%TZ")),
        None => write!(text, ": on demand"),
    };
    if run.missed_slot_count > 0 {
        let _ = write!(text, " and {} missed before it", run.missed_slot_count);
    }
    let _ = write!(
        text,
        ", {} claimed, {} processed, {} submitted, {} retried, {} failed, {} skipped, {} unblocked",
        run.claimed_count,
        run.processed_count,
        run.submitted_count,
        run.retried_count,
        run.failed_count,
        run.skipped_count,
        run.unblocked_schedule_count,
    );
    for total in &run.totals {
        let money = total.amount.clone().unwrap_or_default();
        let (minor, code) = (money.minor_units, money.currency_code);
        let _ = write!(text, ", {code} {minor} minor units in {}", total.count);
    }
    let _ = write!(text, ", {} ms, run {}", run.duration_ms, run.run_id);
    if run.state() == proto::JobRunState::Stopped {
        text.push_str("; more may be due: run it again");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_on_one_line() {
        let mut run = proto::JobRun {
            job: "process-schedules".to_owned(),
            missed_slot_count: 2,
            slot: Some(timestamp("2026-05-08T02:00:00Z".parse().unwrap())),
            claimed_count: 3,
            processed_count: 2,
            retried_count: 1,
            run_id: "r".to_owned(),
            ..proto::JobRun::default()
        };
        run.set_state(proto::JobRunState::Stopped);
        assert_eq!(
            line(&run, false),
            "process-schedules stopped: slot 2026-05-08T02:00:00Z and 2 missed before it, \
             3 claimed, 2 processed, 0 submitted, 1 retried, 0 failed, 0 skipped, 0 unblocked, \
             0 ms, run r; more may be due: run it again"
        );
        run.set_state(proto::JobRunState::Completed);
        assert!(line(&run, true).starts_with("process-schedules completed before: slot"));
    }
}
