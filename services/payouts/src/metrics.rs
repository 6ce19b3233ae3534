//! The business metrics of this service, made once from the global meter.

use std::sync::LazyLock;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use quittance_kernel::{Method, Money, Timestamp};

use crate::domain::job::{Job, JobRun};
use crate::domain::settlement::Settlement;

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(crate) struct Metrics {
    settled: Counter<u64>,
    amount: Counter<u64>,
    replays: Counter<u64>,
    runs: Counter<u64>,
    results: Counter<u64>,
    duration: Histogram<f64>,
    last_success: Gauge<f64>,
    last_failed: Gauge<u64>,
    last_processed: Gauge<u64>,
    last_given_up: Gauge<u64>,
    provider_calls: Counter<u64>,
    provider_webhooks: Counter<u64>,
}

/// Buckets in seconds, up to the ten minutes that a job has.
const BOUNDARIES: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];

impl Metrics {
    fn new() -> Self {
        let meter = global::meter("quittance");
        Self {
            settled: meter.u64_counter("payouts.settled").build(),
            amount: meter.u64_counter("payouts.amount_minor").build(),
            replays: meter.u64_counter("idempotency.replays").build(),
            runs: meter.u64_counter("jobs.runs").build(),
            results: meter.u64_counter("jobs.results").build(),
            duration: meter
                .f64_histogram("jobs.duration")
                .with_unit("s")
                .with_boundaries(BOUNDARIES.to_vec())
                .build(),
            last_success: meter.f64_gauge("jobs.last_success_timestamp").with_unit("s").build(),
            last_failed: meter.u64_gauge("jobs.last_run_failed").build(),
            last_processed: meter.u64_gauge("jobs.last_run_processed").build(),
            last_given_up: meter.u64_gauge("jobs.last_run_given_up").build(),
            provider_calls: meter.u64_counter("provider.calls").build(),
            provider_webhooks: meter.u64_counter("provider.webhooks").build(),
        }
    }

    /// Counts a run that has ended in this process.
    pub(crate) fn job_ended(&self, run: &JobRun) {
        // Not `job`: Prometheus has a label of that name.
        let name = KeyValue::new("name", run.job.as_str());
        self.runs.add(1, &[name.clone(), KeyValue::new("state", run.state.as_str())]);
        let tally = &run.tally;
        for (result, count) in [
            ("processed", tally.processed),
            ("failed", tally.failed),
            ("retried", tally.retried),
            ("skipped", tally.skipped),
            ("submitted", tally.submitted),
        ] {
            let labels = [name.clone(), KeyValue::new("result", result)];
            self.results.add(count.unsigned_abs(), &labels);
        }
        #[expect(clippy::cast_precision_loss, reason = "a duration in milliseconds is small")]
        self.duration.record(run.duration_ms as f64 / 1e3, &[name]);
    }

    /// Notes what is known of the last runs, whichever process they were in.
    pub(crate) fn job_seen(&self, job: Job, success: Option<Timestamp>, last: Option<&JobRun>) {
        let name = [KeyValue::new("name", job.as_str())];
        if let Some(success) = success {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
            self.last_success.record(success.timestamp() as f64, &name);
        }
        if let Some(last) = last {
            self.last_failed.record(last.state.is_bad().into(), &name);
            self.last_processed.record(last.tally.processed.unsigned_abs(), &name);
            self.last_given_up.record(last.tally.failed.unsigned_abs(), &name);
        }
    }

    pub(crate) fn settled(&self, settlement: &Settlement) {
        for payout in &settlement.payouts {
            let attributes = [
                KeyValue::new("currency", payout.total.currency().code()),
                KeyValue::new("method", payout.method.as_str()),
            ];
            self.settled.add(payout.item_count as u64, &attributes);
            self.amount.add(payout.total.minor().unsigned_abs(), &attributes);
        }
    }

    /// As [`Self::settled`], of a batch that is known by its sums.
    pub(crate) fn settled_sums(&self, totals: &[(Money, i64)], method: Method) {
        for (sum, count) in totals {
            let attributes = [
                KeyValue::new("currency", sum.currency().code()),
                KeyValue::new("method", method.as_str()),
            ];
            self.settled.add(count.unsigned_abs(), &attributes);
            self.amount.add(sum.minor().unsigned_abs(), &attributes);
        }
    }

    /// Counts a call of a provider: 2xx, 4xx, 429, 5xx, or none when there was no answer.
    pub(crate) fn provider_called(&self, outcome: &'static str) {
        self.provider_calls.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// Counts a webhook: noted, passed over, or refused.
    pub(crate) fn provider_told(&self, result: &'static str) {
        self.provider_webhooks.add(1, &[KeyValue::new("result", result)]);
    }

    pub(crate) fn replayed(&self) {
        self.replays.add(1, &[KeyValue::new("service", "payouts")]);
    }
}
