//! What is counted.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

static FILED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.filed"));
static DECIDED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.decided"));
static MIRRORED: LazyLock<Counter<u64>> = LazyLock::new(|| counter("issues.payments.mirrored"));

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
