//! Money that cannot go wrong quietly (product.md, rule 1).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What can be wrong with an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("amount must be greater than zero")]
    NotPositive,
    #[error("cannot add {0} and {1}")]
    CurrencyMismatch(Currency, Currency),
    #[error("amount is out of range")]
    OutOfRange,
    #[error("unknown currency {0:?}, use an ISO 4217 code")]
    UnknownCurrency(String),
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Tenge, the currency of the default rates (S0-20).
    pub const KZT: Self = Self(iso_currency::Currency::KZT);
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the decimal point: 2 for KZT, 0 for JPY, 3 for BHD.
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }

    /// The sign that people write before an amount, such as `₸`.
    #[must_use]
    pub fn symbol(self) -> String {
        self.0.symbol().to_string()
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        iso_currency::Currency::from_code(text)
            .map(Self)
            .ok_or_else(|| MoneyError::UnknownCurrency(text.chars().take(16).collect()))
    }
}

/// An amount in minor units (tiyin, cents) of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// The only way to build an amount to be paid.
    pub fn positive(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor > 0 { Ok(Self { minor, currency }) } else { Err(MoneyError::NotPositive) }
    }

    /// A sum that may be zero or, after a void, negative.
    #[must_use]
    pub fn signed(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    #[must_use]
    pub fn minor(self) -> i64 {
        self.minor
    }

    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    pub fn checked_neg(self) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_neg().ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The amount as a plain decimal without sign or grouping of the currency: `15000.00`, `-3.250`.
    #[must_use]
    pub fn to_decimal(self) -> String {
        let exponent = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = self.minor.unsigned_abs().to_string();
        if exponent == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = exponent + 1);
        let (whole, fraction) = padded.split_at(padded.len() - exponent);
        format!("{sign}{whole}.{fraction}")
    }

    /// The amount as people read it: with the sign of its currency and groups of thousands, `₸8,000.00`.
    #[must_use]
    pub fn to_text(self) -> String {
        let decimal = self.to_decimal();
        let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal.as_str()), |d| ("-", d));
        let (whole, fraction) =
            digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let mut text = format!("{sign}{}", self.currency.symbol());
        for (place, digit) in whole.chars().enumerate() {
            if 0 < place && (whole.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        if let Some(fraction) = fraction {
            text.push('.');
            text.push_str(fraction);
        }
        text
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

/// Sums by currency: currencies are grouped, never added to each other and never converted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Currency, (i64, u64)>);

impl Totals {
    /// Adds one amount to its currency's sum.
    pub fn add(&mut self, amount: Money) -> Result<(), MoneyError> {
        let (sum, count) = self.0.entry(amount.currency).or_default();
        *sum = sum.checked_add(amount.minor).ok_or(MoneyError::OutOfRange)?;
        *count += 1;
        Ok(())
    }

    /// Takes something off its currency's sum; the number of amounts stays.
    pub fn reduce(&mut self, by: Money) -> Result<(), MoneyError> {
        let (sum, _) = self.0.entry(by.currency).or_default();
        *sum = sum.checked_sub(by.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(())
    }

    /// The sum and the number of amounts, currency by currency in the order of their codes.
    pub fn iter(&self) -> impl Iterator<Item = (Money, u64)> + '_ {
        self.0.iter().map(|(currency, (sum, count))| (Money::signed(*sum, *currency), *count))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_currencies_are_never_summed() {
        let tenge = Money::positive(1, Currency::KZT).unwrap();
        let dollar = Money::positive(1, Currency::USD).unwrap();
        assert_eq!(
            tenge.checked_add(dollar),
            Err(MoneyError::CurrencyMismatch(Currency::KZT, Currency::USD))
        );
        let mut totals = Totals::default();
        totals.add(tenge).unwrap();
        totals.add(dollar).unwrap();
        totals.add(tenge).unwrap();
        let sums: Vec<_> = totals.iter().map(|(sum, n)| (sum.minor(), n)).collect();
        assert_eq!(sums, [(2, 2), (1, 1)]);
    }

    #[test]
    fn zero_negative_and_overflowing_amounts_are_refused() {
        assert_eq!(Money::positive(0, Currency::KZT), Err(MoneyError::NotPositive));
        assert_eq!(Money::positive(-1, Currency::KZT), Err(MoneyError::NotPositive));
        let most = Money::positive(i64::MAX, Currency::KZT).unwrap();
        assert_eq!(most.checked_add(most), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn currencies_with_no_or_three_decimals_are_shown_right() {
        let show = |minor, code: &str| Money::signed(minor, code.parse().unwrap()).to_decimal();
        assert_eq!(show(1_500_000, "KZT"), "15000.00");
        assert_eq!(show(5, "KZT"), "0.05");
        assert_eq!(show(500, "JPY"), "500");
        assert_eq!(show(-3_250, "BHD"), "-3.250");
        assert_eq!(show(i64::MIN, "USD"), "-92233720368547758.08");
    }

    #[test]
    fn people_read_a_sign_groups_and_the_decimals_of_the_currency() {
        let show = |minor, code: &str| Money::signed(minor, code.parse().unwrap()).to_text();
        assert_eq!(show(800_000, "KZT"), "₸8,000.00");
        assert_eq!(show(5, "USD"), "$0.05");
        assert_eq!(show(-123_456_789, "USD"), "-$1,234,567.89");
        assert_eq!(show(100_000, "JPY"), "¥100,000");
        assert_eq!(show(999, "JPY"), "¥999");
    }

    #[test]
    fn only_iso_codes_are_currencies() {
        assert!("KZT".parse::<Currency>().is_ok());
        assert!("kzt".parse::<Currency>().is_err());
        assert!("TENGE".parse::<Currency>().is_err());
    }
}
