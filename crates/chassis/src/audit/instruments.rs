//! The metrics of the chain.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Gauge};

pub(super) static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("quittance");
    Instruments {
        sealed: meter.u64_counter("audit.sealed").build(),
        unsealed: meter.u64_gauge("audit.unsealed").build(),
    }
});

pub(super) struct Instruments {
    sealed: Counter<u64>,
    unsealed: Gauge<u64>,
}

impl Instruments {
    pub(super) fn sealed(&self, service: &'static str, count: usize) {
        self.sealed.add(count as u64, &[KeyValue::new("service", service)]);
    }

    pub(super) fn unsealed(&self, service: &'static str, count: i64) {
        let count = u64::try_from(count).unwrap_or_default();
        self.unsealed.record(count, &[KeyValue::new("service", service)]);
    }
}
