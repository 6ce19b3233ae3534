//! Time is UTC with microseconds: what PostgreSQL keeps, so that a reloaded value equals the saved one.

use chrono::{DateTime, SubsecRound, Utc};

/// An instant in UTC. Values that are stored must carry at most microseconds.
pub type Timestamp = DateTime<Utc>;

/// What every edge that reads a clock does to the reading.
pub trait TimestampExt {
    /// Cuts the instant to whole microseconds.
    #[must_use]
    fn to_micros(self) -> Self;
}

impl TimestampExt for Timestamp {
    fn to_micros(self) -> Self {
        self.trunc_subsecs(6)
    }
}
