//! `balance rebuild` and `job reconcile`: in this process, beside the one that serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quittance_chassis::clock::now;
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::telemetry;
use quittance_kernel::{Ctx, OrganizationId, Principal};
use uuid::Uuid;

use crate::app::{Balances, Progress, Reconciliation, Remote};
use crate::start::{connect, migrate};

/// What to rebuild.
#[derive(Clone, Copy, Debug, Args)]
pub struct RebuildArgs {
    /// Only this organization. Default: all of them, one after the other.
    #[arg(long, value_name = "ID")]
    organization: Option<Uuid>,
    /// Throws away what an interrupted rebuild has done, instead of going on with it.
    #[arg(long)]
    restart: bool,
}

/// What to compare.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReconcileArgs {
    /// Only this organization. Default: all of them, one after the other.
    #[arg(long, value_name = "ID")]
    organization: Option<Uuid>,
    /// Looks at every row and its entries in the ledger, whether sums differ or not.
    #[arg(long)]
    deep: bool,
}

/// The projections, with those to ask who own what they are made of.
async fn balances(config: &Config) -> anyhow::Result<Balances> {
    if config.mode == Mode::Development {
        migrate(config).await?;
    }
    let owners = Remote::required(config)?;
    let grace = Duration::from_secs(config.reconciliation.grace_seconds.into());
    let db = connect(config).await?;
    Ok(Balances::new(db).patient_for(grace).asking(Arc::new(owners)))
}

async fn wanted(balances: &Balances, only: Option<Uuid>) -> anyhow::Result<Vec<OrganizationId>> {
    match only {
        Some(id) => Ok(vec![OrganizationId(id)]),
        None => balances.organizations().await.context("the organizations cannot be listed"),
    }
}

/// Rebuilds and tells what was done. The services must be running: they are asked.
pub async fn rebuild(config: Config, args: RebuildArgs) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&config, "quittance-rebuild");
    let balances = balances(&config).await?;
    for organization in wanted(&balances, args.organization).await? {
        // Drawn only where somebody is watching.
        let bar = ProgressBar::new(0).with_style(
            ProgressStyle::with_template("{msg:12} {bar:30} {pos}/{len}, {eta} left")
                .context("the progress bar")?,
        );
        let (drawn, own) = (bar.clone(), balances.clone());
        let watch = move |progress: Progress| {
            drawn.set_message(progress.step);
            drawn.set_length(progress.total.max(progress.done).unsigned_abs());
            drawn.set_position(progress.done.unsigned_abs());
        };
        // Not cancelled with anything: a transaction that is dropped while it begins spoils its connection.
        let work = async move { own.rebuild(organization, args.restart, watch).await };
        let rebuilt = tokio::spawn(work).await.context("the rebuild panicked")?;
        bar.finish_and_clear();
        let rebuilt = rebuilt.with_context(|| {
            format!("organization {organization} is not rebuilt; run it again to go on")
        })?;
        println!(
            "organization {organization}: {} entities replayed and settled, {} ledger entries corrected",
            rebuilt.entities, rebuilt.corrected
        );
    }
    Ok(())
}

/// Compares and tells what was found. Fails if there is drift.
pub async fn reconcile(config: Config, args: ReconcileArgs) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&config, "quittance-reconcile");
    let balances = balances(&config).await?;
    let mut drift = 0;
    for organization in wanted(&balances, args.organization).await? {
        let own = balances.clone();
        let ctx = Ctx::new(Principal::service(organization), now(), Uuid::now_v7().to_string());
        let care = balances.care(args.deep);
        let work = async move { own.reconcile(&ctx, organization, care).await };
        let report = tokio::spawn(work).await.context("the comparison panicked")?;
        let report = report.with_context(|| format!("organization {organization}"))?;
        print!("{}", lines(organization, &report));
        drift += report.drift;
    }
    if drift > 0 {
        bail!("{drift} rows or sums have drifted; `balance rebuild` makes them anew");
    }
    Ok(())
}

/// What a comparison has found, a line each.
fn lines(organization: OrganizationId, report: &Reconciliation) -> String {
    use std::fmt::Write as _;
    let agree = report.sums.iter().filter(|sum| sum.ours == sum.theirs).count();
    let mut text = format!(
        "organization {organization}: {agree} of {} sums agree, {} rows looked at, {} under way, \
         {} drifted\n",
        report.sums.len(),
        report.checked,
        report.under_way,
        report.drift
    );
    for finding in &report.findings {
        let id = finding.id.map(|id| format!(" {id}")).unwrap_or_default();
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "  {} {}{id}: kept {:?}, should be {:?}",
            finding.kind.as_str(),
            finding.entity,
            finding.ours,
            finding.theirs
        );
    }
    text
}
