//! A stretch of time.

use chrono::DateTime;
use quittance_kernel::Timestamp;

/// The first and the last microsecond that an interface can name (the years 1 and 9999).
const BEGINNING: Timestamp = instant(-62_135_596_800_000_000);
const END: Timestamp = instant(253_402_300_799_999_999);

const fn instant(micros: i64) -> Timestamp {
    match DateTime::from_timestamp_micros(micros) {
        Some(instant) => instant,
        None => DateTime::UNIX_EPOCH,
    }
}

/// Includes its start and excludes its end (product.md, rule 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Period {
    /// Everything there is.
    pub const ALL: Self = Self { from: BEGINNING, to: END };
}
