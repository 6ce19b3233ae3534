//! The business metrics of this service, made once from the global meter.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use quittance_kernel::{Method, Money};

use crate::domain::settlement::Settlement;

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(crate) struct Metrics {
    settled: Counter<u64>,
    amount: Counter<u64>,
    replays: Counter<u64>,
}

impl Metrics {
    fn new() -> Self {
        let meter = global::meter("quittance");
        Self {
            settled: meter.u64_counter("payouts.settled").build(),
            amount: meter.u64_counter("payouts.amount_minor").build(),
            replays: meter.u64_counter("idempotency.replays").build(),
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

    pub(crate) fn replayed(&self) {
        self.replays.add(1, &[KeyValue::new("service", "payouts")]);
    }
}
