//! Numbers and days as the reader writes them.
//!
//! Four ways to write, which are three sets of separators: the data of a library for all languages
//! would be larger than the whole dashboard. Texts are in English; only numbers and days follow.

use chrono::{DateTime, Utc};
use quittance_kernel::{Currency, Money};

/// Keeps digits and signs of one amount on one line.
const NBSP: char = '\u{a0}';

/// Whose way of writing numbers it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Locale {
    #[default]
    English,
    Russian,
    Kazakh,
    German,
}

impl Locale {
    /// Chooses what the reader likes best of what we have (RFC 9110, 12.5.4).
    pub(super) fn accepted(header: &str) -> Self {
        let mut best = (Self::default(), 0_u32);
        for range in header.split(',').take(32) {
            let (tag, quality) = range.split_once(';').unwrap_or((range, "q=1"));
            let tag = tag.trim().to_ascii_lowercase();
            let found = match tag.split('-').next().unwrap_or_default() {
                "en" => Self::English,
                "ru" => Self::Russian,
                "kk" => Self::Kazakh,
                "de" => Self::German,
                _ => continue,
            };
            let quality = thousandths(quality);
            if best.1 < quality {
                best = (found, quality);
            }
        }
        best.0
    }

    /// The attribute for elements with numbers in them.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
            Self::Kazakh => "kk",
            Self::German => "de",
        }
    }

    fn group(self) -> char {
        match self {
            Self::English => ',',
            Self::Russian | Self::Kazakh => NBSP,
            Self::German => '.',
        }
    }

    fn point(self) -> char {
        match self {
            Self::English => '.',
            Self::Russian | Self::Kazakh | Self::German => ',',
        }
    }

    /// An amount with the sign of its currency: `₸ 120,000`, `120 000 ₸`. Whole amounts are written
    /// without decimals, as S0's wireframe does; others with all that the currency has.
    pub(super) fn money(self, minor: i64, code: &str) -> String {
        let Ok(currency) = code.parse::<Currency>() else {
            return format!("{minor}{NBSP}{code}");
        };
        let (sign, digits) = self.digits(minor, currency);
        let symbol = currency.symbol();
        match self {
            Self::English => format!("{sign}{symbol}{NBSP}{digits}"),
            Self::Russian | Self::Kazakh | Self::German => {
                format!("{sign}{digits}{NBSP}{symbol}")
            }
        }
    }

    /// The number alone, as it stands in a field that can be changed.
    pub(super) fn plain(self, minor: i64, code: &str) -> String {
        code.parse::<Currency>().map_or_else(
            |_| minor.to_string(),
            |currency| {
                let (sign, digits) = self.digits(minor, currency);
                format!("{sign}{digits}")
            },
        )
    }

    fn digits(self, minor: i64, currency: Currency) -> (&'static str, String) {
        let decimal = Money::signed(minor, currency).to_decimal();
        let (sign, rest) = decimal.strip_prefix('-').map_or(("", &*decimal), |rest| ("-", rest));
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let mut text = self.grouped(whole);
        if fraction.bytes().any(|digit| digit != b'0') {
            text.push(self.point());
            text.push_str(fraction);
        }
        (sign, text)
    }

    fn grouped(self, digits: &str) -> String {
        let mut text = String::with_capacity(digits.len() * 2);
        for (place, digit) in digits.chars().enumerate() {
            if 0 < place && (digits.len() - place).is_multiple_of(3) {
                text.push(self.group());
            }
            text.push(digit);
        }
        text
    }

    /// A number of things.
    pub(super) fn count(self, number: i64) -> String {
        let digits = self.grouped(&number.unsigned_abs().to_string());
        if number < 0 { format!("-{digits}") } else { digits }
    }

    /// The same with its word: `1 issue`, `12 issues`.
    pub(super) fn counted(self, number: i64, word: &str) -> String {
        let plural = if number == 1 { "" } else { "s" };
        format!("{} {word}{plural}", self.count(number))
    }

    /// A share in whole percent; a dash of nothing.
    pub(super) fn percent(self, part: i64, whole: i64) -> String {
        let scaled = i128::from(part) * 200 + i128::from(whole);
        match scaled.checked_div(i128::from(whole) * 2) {
            None => "–".to_owned(),
            Some(share) => match self {
                Self::English | Self::Kazakh => format!("{share}%"),
                Self::Russian | Self::German => format!("{share}{NBSP}%"),
            },
        }
    }

    /// A share in basis points as a percentage with two decimals.
    pub(super) fn hundredths(self, bps: i64) -> String {
        let sign = self.percent(1, 1).replace(|c: char| c.is_ascii_digit(), "");
        format!("{}{}{:02}{sign}", self.count(bps / 100), self.point(), bps % 100)
    }

    /// How long something took.
    pub(super) fn seconds(self, milliseconds: i64) -> String {
        let tenths = milliseconds.max(0) / 100;
        format!("{}{}{}{NBSP}s", self.count(tenths / 10), self.point(), tenths % 10)
    }

    /// A day in UTC.
    pub(super) fn day(self, time: DateTime<Utc>) -> String {
        let format = match self {
            Self::English => "%-d %b %Y",
            Self::Russian | Self::Kazakh | Self::German => "%d.%m.%Y",
        };
        time.format(format).to_string()
    }

    /// A minute in UTC.
    pub(super) fn minute(self, time: DateTime<Utc>) -> String {
        format!("{}, {} UTC", self.day(time), time.format("%H:%M"))
    }

    /// Reads an amount that somebody typed, in minor units. `None` if it is none, or is finer than the
    /// currency.
    pub(super) fn amount(self, text: &str, code: &str) -> Option<i64> {
        let exponent = usize::try_from(code.parse::<Currency>().ok()?.exponent()).ok()?;
        let blank = |c: char| c.is_whitespace() || c == NBSP || c == '\u{202f}';
        let text: String = text.chars().filter(|c| !blank(*c) && *c != self.group()).collect();
        let (whole, fraction) = text.split_once(self.point()).unwrap_or((&text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || exponent < fraction.len() {
            return None;
        }
        format!("{whole}{fraction:0<exponent$}").parse().ok()
    }
}

/// Reads `q=0.8`.
fn thousandths(quality: &str) -> u32 {
    let text = quality.trim().strip_prefix("q=").unwrap_or("1");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().take(3).collect();
    format!("{whole}{fraction:0<3}").parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Locale::{English, German, Kazakh, Russian};
    use super::*;

    #[test]
    fn a_reader_gets_what_they_like_best_of_what_there_is() {
        for (header, locale) in [
            ("ru-RU,ru;q=0.9,en;q=0.8", Russian),
            ("fr, kk;q=0.5, en;q=0.4", Kazakh),
            ("en;q=0.4, de;q=0.9", German),
            ("fr-FR", English),
            ("", English),
            ("de;q=0", English),
            ("*", English),
        ] {
            assert_eq!(Locale::accepted(header), locale, "{header}");
        }
    }

    #[test]
    fn amounts_have_the_separators_of_the_reader_and_the_decimals_of_the_currency() {
        for (locale, minor, code, text) in [
            (English, 12_000_000, "KZT", "₸ 120,000"),
            (Russian, 12_000_000, "KZT", "120 000 ₸"),
            (Kazakh, 12_000_000, "KZT", "120 000 ₸"),
            (German, 12_000_000, "KZT", "120.000 ₸"),
            (English, 56_674, "USD", "$ 566.74"),
            (German, 123_456_789, "EUR", "1.234.567,89 €"),
            (Russian, -5, "USD", "-0,05 $"),
            (English, 100_000, "JPY", "¥ 100,000"),
            (English, 1_234, "BHD", "BD 1.234"),
            (English, 10, "KZT", "₸ 0.10"),
            (English, 0, "KZT", "₸ 0"),
            (English, 7, "???", "7 ???"),
        ] {
            // A no-break space reads better as a space here; the sign of some currencies is Arabic.
            let shown = locale.money(minor, code).replace(NBSP, " ").replace(".د.ب", "BD");
            assert_eq!(shown, text, "{locale:?}");
        }
    }

    #[test]
    fn what_is_shown_in_a_field_reads_back() {
        for locale in [English, Russian, Kazakh, German] {
            for (minor, code) in
                [(800_000, "KZT"), (123_456_789, "USD"), (5, "USD"), (100_000, "JPY"), (1, "BHD")]
            {
                let shown = locale.plain(minor, code);
                assert_eq!(locale.amount(&shown, code), Some(minor), "{locale:?} {shown}");
            }
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_and_never_rounded() {
        for text in ["", "abc", "1.234", "-5", "1e5", "1.2.3", ".5", "99999999999999999999"] {
            assert_eq!(English.amount(text, "USD"), None, "{text}");
        }
        assert_eq!(English.amount("8 000.5", "USD"), Some(800_050));
        assert_eq!(English.amount("10.5", "JPY"), None);
        assert_eq!(German.amount("8.000,50", "EUR"), Some(800_050));
        assert_eq!(Russian.amount("8 000,50", "KZT"), Some(800_050));
        assert_eq!(English.amount("5", "???"), None);
    }

    #[test]
    fn counts_shares_and_days() {
        assert_eq!(English.count(10_000), "10,000");
        assert_eq!(English.count(-3), "-3");
        assert_eq!(English.counted(1, "issue"), "1 issue");
        assert_eq!(German.counted(1_200, "issue"), "1.200 issues");
        assert_eq!(English.percent(30, 42), "71%");
        assert_eq!(German.percent(1, 2), "50\u{a0}%");
        assert_eq!(English.percent(0, 0), "–");
        assert_eq!(English.hundredths(3_333), "33.33%");
        assert_eq!(German.hundredths(1_005), "10,05\u{a0}%");
        assert_eq!(English.seconds(1_250), "1.2\u{a0}s");
        assert_eq!(German.seconds(40), "0,0\u{a0}s");
        let noon = "2026-05-08T10:00:00Z".parse().unwrap();
        assert_eq!(English.day(noon), "8 May 2026");
        assert_eq!(Russian.minute(noon), "08.05.2026, 10:00 UTC");
    }
}
