//! The one place that reads the clock. Everything behind the edge takes the time from `Ctx`.

use std::time::SystemTime;

use quittance_kernel::{Timestamp, TimestampExt as _};

/// Returns the present instant, cut to microseconds.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from(SystemTime::now()).to_micros()
}
