//! Money by the day on which it moved, and days gathered into weeks and months.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveDate};
use quittance_kernel::{Currency, OrganizationId, Timestamp};

use super::line::Line;
use super::sums::{Flow, OutOfRange};

/// Days since 1970-01-01 in UTC.
pub(crate) type Day = i64;

/// Whose money, on which day and in which currency.
pub(crate) type DayKey = (OrganizationId, Day, Currency);

const SECONDS: i64 = 86_400;

pub(crate) fn day_of(at: Timestamp) -> Day {
    at.timestamp().div_euclid(SECONDS)
}

/// The first instant of a day.
pub(crate) fn start_of(day: Day) -> Timestamp {
    DateTime::from_timestamp(day.saturating_mul(SECONDS), 0).unwrap_or_default()
}

impl Line {
    /// What moved, and when: the payment, and what took it back.
    fn flows(&self) -> Vec<(Day, Currency, Flow)> {
        let Some(earning) = &self.earning else { return Vec::new() };
        let Some(payment) = earning.payment() else { return Vec::new() };
        let (minor, currency) = (earning.amount.minor(), earning.amount.currency());
        let paid = Flow { paid: minor, paid_count: 1, ..Flow::default() };
        let mut flows = vec![(day_of(payment.at), currency, paid)];
        if let Some(at) = earning.void_at() {
            let back = Flow { taken_back: minor, taken_back_count: 1, ..Flow::default() };
            flows.push((day_of(at), currency, back));
        }
        flows
    }
}

/// What a batch of events changes, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DayDifferences(pub(crate) BTreeMap<DayKey, Flow>);

impl DayDifferences {
    /// Takes account of a line that was `before` and is now `after`.
    pub(crate) fn replace(
        &mut self,
        organization: OrganizationId,
        before: &Line,
        after: &Line,
    ) -> Result<(), OutOfRange> {
        for (day, currency, flow) in before.flows() {
            let sum = self.0.entry((organization, day, currency)).or_default();
            *sum = sum.minus(flow)?;
        }
        for (day, currency, flow) in after.flows() {
            let sum = self.0.entry((organization, day, currency)).or_default();
            *sum = sum.plus(flow)?;
        }
        Ok(())
    }

    /// Leaves out what changes nothing.
    pub(crate) fn settle(&mut self) {
        self.0.retain(|_, flow| !flow.is_zero());
    }
}

/// How days are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interval {
    Day,
    /// From Monday on.
    Week,
    Month,
}

impl Interval {
    /// The first day of the interval that a day is in.
    fn first(self, day: Day) -> Day {
        let date = start_of(day).date_naive();
        match self {
            Self::Day => day,
            Self::Week => day - i64::from(date.weekday().num_days_from_monday()),
            Self::Month => {
                let first = NaiveDate::from_ymd_opt(date.year(), date.month(), 1);
                first.map_or(day, |first| day - (date - first).num_days())
            }
        }
    }

    /// Adds up days by interval and currency.
    pub(crate) fn gather(
        self,
        days: impl IntoIterator<Item = (Day, Currency, Flow)>,
    ) -> Result<BTreeMap<(Day, Currency), Flow>, OutOfRange> {
        let mut gathered: BTreeMap<(Day, Currency), Flow> = BTreeMap::new();
        for (day, currency, flow) in days {
            let sum = gathered.entry((self.first(day), currency)).or_default();
            *sum = sum.plus(flow)?;
        }
        Ok(gathered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        day_of(text.parse::<NaiveDate>().unwrap().and_hms_opt(23, 59, 59).unwrap().and_utc())
    }

    #[test]
    fn a_week_begins_on_monday_and_a_month_on_its_first() {
        for (date, week, month) in [
            ("2026-05-08", "2026-05-04", "2026-05-01"),
            ("2026-05-04", "2026-05-04", "2026-05-01"),
            ("2026-03-01", "2026-02-23", "2026-03-01"),
            ("1969-12-31", "1969-12-29", "1969-12-01"),
        ] {
            assert_eq!(Interval::Day.first(day(date)), day(date));
            assert_eq!(Interval::Week.first(day(date)), day(week), "{date}");
            assert_eq!(Interval::Month.first(day(date)), day(month), "{date}");
        }
    }

    #[test]
    fn currencies_are_gathered_apart() {
        let flow = Flow { paid: 1, paid_count: 1, ..Flow::default() };
        let days = [
            (day("2026-05-08"), Currency::KZT, flow),
            (day("2026-05-09"), Currency::KZT, flow),
            (day("2026-05-09"), Currency::USD, flow),
        ];
        let months = Interval::Month.gather(days).unwrap();
        assert_eq!(months[&(day("2026-05-01"), Currency::KZT)].paid, 2);
        assert_eq!(months.len(), 2);
    }
}
