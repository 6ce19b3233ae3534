//! A stretch of time.

use chrono::{DateTime, Months, NaiveDate, NaiveTime};
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

    /// Reads a month (`2026-02`) or a quarter (`2026-Q1`), as rule 12 writes them.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let (year, part) = text.split_once('-').filter(|(year, _)| year.len() == 4)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (month, months) = match part.strip_prefix('Q') {
            Some(quarter) if quarter.len() == 1 && digits(quarter) => {
                (quarter.parse::<u32>().ok()?.checked_sub(1)? * 3 + 1, 3)
            }
            None if part.len() == 2 && digits(part) => (part.parse().ok()?, 1),
            Some(_) | None => return None,
        };
        let year = year.parse().ok().filter(|_| digits(year))?;
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let last = first.checked_add_months(Months::new(months))?;
        let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        let period = Self { from: midnight(first), to: midnight(last) };
        (Self::ALL.from <= period.from && period.to <= Self::ALL.to).then_some(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month_or_a_quarter() {
        let days = |text| Period::named(text).map(|p| (p.from.date_naive(), p.to.date_naive()));
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(days("2026-02"), Some((day("2026-02-01"), day("2026-03-01"))));
        assert_eq!(days("2026-Q4"), Some((day("2026-10-01"), day("2027-01-01"))));
        for text in ["", "2026", "2026-13", "2026-00", "2026-Q0", "2026-Q5", "2026-1", "26-01"] {
            assert_eq!(days(text), None, "{text}");
        }
        for text in ["0000-01", "+202-01", "9999-12", "2026-Q", "2026-q1", "2026-02-01"] {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
