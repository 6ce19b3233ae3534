//! What is counted.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};

static FILED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.filed"));
static DECIDED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.decided"));
static MIRRORED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.payments.mirrored"));
static DELIVERIES: LazyLock<Counter<u64>> = LazyLock::new(|| counter("webhooks.deliveries"));
static WEBHOOKS: LazyLock<Webhooks> = LazyLock::new(Webhooks::new);

/// What waits for the receivers of organizations.
struct Webhooks {
    waiting: Gauge<u64>,
    late: Gauge<f64>,
}

impl Webhooks {
    fn new() -> Self {
        let meter = global::meter("quittance");
        Self {
            waiting: meter.u64_gauge("webhooks.waiting").build(),
            late: meter.f64_gauge("webhooks.oldest.age").with_unit("s").build(),
        }
    }
}

fn counter(name: &'static str) -> Counter<u64> {
    global::meter("quittance").u64_counter(name).build()
}

pub(crate) fn filed() {
    FILED.add(1, &[]);
}

/// `decision` is `approved` or `rejected`.
pub(crate) fn decided(decision: &'static str) {
    DECIDED.add(1, &[KeyValue::new("decision", decision)]);
}

pub(crate) fn mirrored(count: usize) {
    MIRRORED.add(count as u64, &[]);
}

/// `outcome` is `delivered`, `postponed` or `failed`.
pub(crate) fn delivery(outcome: &'static str) {
    DELIVERIES.add(1, &[KeyValue::new("outcome", outcome)]);
}

/// How much waits, and for how long the oldest of what could have been sent.
pub(crate) fn webhooks(waiting: u64, late: Duration) {
    WEBHOOKS.waiting.record(waiting, &[]);
    WEBHOOKS.late.record(late.as_secs_f64(), &[]);
}
