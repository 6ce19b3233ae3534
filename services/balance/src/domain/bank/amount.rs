//! Decimal amounts as people and banks write them, exactly.

use quittance_kernel::{Currency, Money};

/// Reads `1,234.56`, `-1 234,56`, `+5` or `12` into minor units. `decimal` is what stands before the
/// fraction; what else groups digits is left out. More digits than the currency has are refused,
/// unless they are zeros.
pub(super) fn read(text: &str, decimal: char, currency: Currency) -> Option<Money> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, ""));
    let mut minor: i64 = 0;
    let mut any = false;
    for letter in whole.chars() {
        if matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}' | ',' | '.') {
            continue;
        }
        let digit = i64::from(letter.to_digit(10)?);
        minor = minor.checked_mul(10)?.checked_add(digit)?;
        any = true;
    }
    let places = currency.exponent() as usize;
    let mut fraction = fraction.chars();
    for _ in 0..places {
        let digit = match fraction.next() {
            Some(letter) => i64::from(letter.to_digit(10)?),
            None => 0,
        };
        minor = minor.checked_mul(10)?.checked_add(digit)?;
    }
    if fraction.any(|letter| letter != '0') || !any {
        return None;
    }
    Some(Money::signed(if negative { -minor } else { minor }, currency))
}
