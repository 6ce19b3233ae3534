//! The comparison that goes on by itself, and its figures.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry::metrics::Gauge;
use quittance_chassis::bus::relay::leadership::Leadership;
use quittance_chassis::clock;
use quittance_chassis::problem::chain;
use quittance_kernel::{Ctx, OrganizationId, Principal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::Balances;
use crate::store;

/// How often the figures are read anew: a comparison may have been made by another process.
const FIGURES: Duration = Duration::from_secs(15);

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("quittance");
    Metrics {
        drift: meter.u64_gauge("reconciliation.drift").build(),
        finished: meter.f64_gauge("reconciliation.last_timestamp").with_unit("s").build(),
        failed: meter.u64_gauge("reconciliation.failed").build(),
    }
});

struct Metrics {
    /// Over the last comparison of each organization.
    drift: Gauge<u64>,
    finished: Gauge<f64>,
    /// Organizations that the last round could not compare.
    failed: Gauge<u64>,
}

/// Compares all organizations, one after the other, as long as the service runs.
#[derive(Debug)]
pub(crate) struct Reconciler {
    balances: Balances,
    every: Duration,
}

impl Reconciler {
    /// Compares once in each `every`; never if that is zero.
    #[must_use]
    pub(crate) fn new(balances: Balances, every: Duration) -> Self {
        Self { balances, every }
    }

    /// Starts it. One is active per database.
    #[must_use]
    pub(crate) fn spawn(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move { self.run(shutdown).await })
    }

    async fn run(self, shutdown: CancellationToken) {
        let mut leadership = Leadership::new(self.balances.db().clone(), "reconciler", "balance");
        let mut last = Instant::now();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(FIGURES) => {}
            }
            let due = !self.every.is_zero() && self.every <= last.elapsed();
            if due && leadership.holds().await {
                self.round(&shutdown).await;
                last = Instant::now();
            }
            self.measure().await;
        }
        leadership.resign().await;
    }

    async fn round(&self, shutdown: &CancellationToken) {
        let organizations = match self.balances.organizations().await {
            Ok(organizations) => organizations,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the organizations cannot be listed");
                METRICS.failed.record(1, &[]);
                return;
            }
        };
        let mut failed = 0;
        for organization in organizations {
            if shutdown.is_cancelled() {
                return;
            }
            let ctx = by_itself(organization);
            let care = self.balances.care(false);
            match self.balances.reconcile(&ctx, organization, care).await {
                Ok(report) if report.drift > 0 => {
                    tracing::error!(%organization, drift = report.drift, "projections have drifted");
                }
                Ok(_) => {}
                Err(error) => {
                    failed += 1;
                    tracing::warn!(%organization, error = chain(&error), "nothing was compared");
                }
            }
        }
        METRICS.failed.record(failed, &[]);
    }

    async fn measure(&self) {
        match store::last_figures(self.balances.db()).await {
            Ok(Some((finished, drift))) => {
                METRICS.drift.record(drift.unsigned_abs(), &[]);
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
                METRICS.finished.record(finished.timestamp() as f64, &[]);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(error = chain(&error), "no figures of comparisons"),
        }
    }
}

/// Nobody has asked for it.
pub(super) fn by_itself(organization: OrganizationId) -> Ctx {
    Ctx::new(Principal::service(organization), clock::now(), Uuid::now_v7().to_string())
}
