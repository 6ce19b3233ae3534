//! The metrics of the bus, made once from the global meter.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Gauge};

pub(super) static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(Instruments::new);

pub(super) struct Instruments {
    published: Counter<u64>,
    publish_failures: Counter<u64>,
    consumed: Counter<u64>,
    dead_letters: Counter<u64>,
    pending: Gauge<u64>,
    oldest_age: Gauge<f64>,
}

impl Instruments {
    fn new() -> Self {
        let meter = global::meter("quittance");
        Self {
            published: meter.u64_counter("bus.published").build(),
            publish_failures: meter.u64_counter("bus.publish.failures").build(),
            consumed: meter.u64_counter("bus.consumed").build(),
            dead_letters: meter.u64_counter("bus.dead_letters").build(),
            pending: meter.u64_gauge("outbox.pending").build(),
            oldest_age: meter.f64_gauge("outbox.oldest.age").with_unit("s").build(),
        }
    }

    pub(super) fn published(&self, relay: &'static str, confirmed: usize, failed: usize) {
        let attributes = [KeyValue::new("relay", relay)];
        self.published.add(confirmed as u64, &attributes);
        self.publish_failures.add(failed as u64, &attributes);
    }

    pub(super) fn consumed(&self, queue: &'static str, count: usize) {
        self.consumed.add(count as u64, &[KeyValue::new("queue", queue)]);
    }

    pub(super) fn dead_letter(&self, queue: &'static str) {
        self.dead_letters.add(1, &[KeyValue::new("queue", queue)]);
    }

    pub(super) fn outbox(&self, relay: &'static str, pending: u64, oldest_age: f64) {
        let attributes = [KeyValue::new("relay", relay)];
        self.pending.record(pending, &attributes);
        self.oldest_age.record(oldest_age, &attributes);
    }
}
