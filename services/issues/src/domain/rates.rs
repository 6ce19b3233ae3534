//! What an issue is worth (product.md, rule 2).

use quittance_kernel::{Currency, MemberId, Money, Severity, Timestamp};
use uuid::Uuid;

/// The largest amount of one issue, in minor units: sums over a million of them still fit.
pub const MAX_AMOUNT: i64 = 10_000_000_000_000;

/// The rule of an amount that somebody chose.
pub const CUSTOM_RULE: &str = "custom amount";

/// The rule of the amount that a bounty offers.
pub const BOUNTY_RULE: &str = "bounty";

/// Rates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatesError {
    /// The tenge defaults would be paid as dollars.
    #[error("rates in {currency} must give all severities; missing: {}", missing.join(", "))]
    Incomplete { currency: Currency, missing: Vec<&'static str> },
    #[error("the rate of {0} must be between 1 and {MAX_AMOUNT} minor units")]
    OutOfRange(&'static str),
}

/// A cycle's own rates: at least one, and all of them if the currency is not tenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrides {
    currency: Currency,
    /// By severity, from the worst.
    minor: [Option<i64>; 4],
}

/// An amount and the rule that it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub amount: Money,
    pub rule: String,
}

/// One change of a cycle's own rates. None are the default ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateChange {
    pub id: Uuid,
    pub by: MemberId,
    pub by_name: String,
    pub at: Timestamp,
    pub before: Option<Overrides>,
    pub after: Option<Overrides>,
}

impl Price {
    /// The rule and what it comes to, such as `cycle override, high, ₸8,000.00`.
    #[must_use]
    pub fn explained(&self) -> String {
        format!("{}, {}", self.rule, self.amount.to_text())
    }
}

/// The place of a severity in a list of rates.
fn index(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 0,
        Severity::High => 1,
        Severity::Medium => 2,
        Severity::Low => 3,
    }
}

/// The default rate of a severity in minor units of tenge (S0-20, INC-1).
fn default_minor(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 1_500_000,
        Severity::High => 800_000,
        Severity::Medium => 300_000,
        Severity::Low => 100_000,
    }
}

impl Overrides {
    /// Checks rates given in the order of severities, the worst first. No rate at all is no override.
    pub fn new(currency: Currency, minor: [Option<i64>; 4]) -> Result<Option<Self>, RatesError> {
        let missing: Vec<&'static str> = Severity::ALL
            .iter()
            .filter(|severity| minor[index(**severity)].is_none())
            .map(|severity| severity.as_str())
            .collect();
        if currency != Currency::KZT && !missing.is_empty() {
            return Err(RatesError::Incomplete { currency, missing });
        }
        for severity in Severity::ALL {
            let rate = minor[index(*severity)];
            if rate.is_some_and(|rate| !(1..=MAX_AMOUNT).contains(&rate)) {
                return Err(RatesError::OutOfRange(severity.as_str()));
            }
        }
        Ok(if missing.len() == minor.len() { None } else { Some(Self { currency, minor }) })
    }

    #[must_use]
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The rate of a severity, where the cycle has one of its own.
    #[must_use]
    pub fn minor(&self, severity: Severity) -> Option<i64> {
        self.minor[index(severity)]
    }
}

/// Suggests what an issue of this severity is worth.
#[must_use]
pub fn suggest(overrides: Option<&Overrides>, severity: Severity) -> Price {
    let own = overrides.and_then(|own| Some((own.minor(severity)?, own.currency)));
    match own {
        Some((minor, currency)) => Price {
            amount: Money::signed(minor, currency),
            rule: format!("cycle override, {severity}"),
        },
        None => Price {
            amount: Money::signed(default_minor(severity), Currency::KZT),
            rule: format!("default rate, {severity}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fifteen_eight_three_and_one_thousand_tenge() {
        let minor: Vec<i64> =
            Severity::ALL.iter().map(|s| suggest(None, *s).amount.minor()).collect();
        assert_eq!(minor, [1_500_000, 800_000, 300_000, 100_000]);
        assert_eq!(suggest(None, Severity::High).rule, "default rate, high");
        assert_eq!(suggest(None, Severity::High).explained(), "default rate, high, ₸8,000.00");
    }

    #[test]
    fn an_override_wins_severity_by_severity() {
        let own = Overrides::new(Currency::KZT, [None, Some(900_000), None, None]).unwrap();
        let high = suggest(own.as_ref(), Severity::High);
        assert_eq!((high.amount.minor(), high.rule.as_str()), (900_000, "cycle override, high"));
        let low = suggest(own.as_ref(), Severity::Low);
        assert_eq!((low.amount.minor(), low.rule.as_str()), (100_000, "default rate, low"));
    }

    #[test]
    fn another_currency_must_give_all_four() {
        let refused = Overrides::new(Currency::USD, [Some(1), None, Some(1), Some(1)]);
        let missing = vec!["high"];
        assert_eq!(refused, Err(RatesError::Incomplete { currency: Currency::USD, missing }));
        assert!(Overrides::new(Currency::USD, [Some(4), Some(3), Some(2), Some(1)]).is_ok());
        assert!(Overrides::new(Currency::USD, [None; 4]).is_err());
        assert_eq!(Overrides::new(Currency::KZT, [None; 4]), Ok(None));
    }

    #[test]
    fn rates_are_positive_and_bounded() {
        for bad in [0, -1, i64::MIN, MAX_AMOUNT + 1] {
            let refused = Overrides::new(Currency::KZT, [None, None, Some(bad), None]);
            assert_eq!(refused, Err(RatesError::OutOfRange("medium")), "{bad}");
        }
    }
}
