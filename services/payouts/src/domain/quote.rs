//! What a fixed bounty costs (product.md, rule 9; S4-30 … S4-34): the contributor receives all of it,
//! the founder pays the fees of the platform and of the processor on top.

use quittance_kernel::{Currency, IssueId, Money};

/// The version of the arithmetic: a quote that was stored says by which it was made.
pub(crate) const VERSION: i64 = 1;
/// The version of what is paid out of money that was paid in before: the processor has had its part.
pub(crate) const PREPAID: i64 = 2;

/// 2.9 % and thirty minor units of what is charged.
const PROCESSOR_BPS: i128 = 290;
const PROCESSOR_FLAT: i128 = 30;
const WHOLE: i128 = 10_000;

/// What a quote is made of, and found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) issue: IssueId,
    pub(crate) value: Money,
    pub(crate) tip: i64,
    pub(crate) fee_bps: i32,
}

/// What a founder pays, part by part: they add up to the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) currency: Currency,
    pub(crate) value: i64,
    /// On top of the value, for the contributor; the platform takes nothing of it.
    pub(crate) tip: i64,
    pub(crate) platform_fee: i64,
    pub(crate) processor_fee: i64,
    /// What the gross-up leaves over: at most one minor unit, booked by itself.
    pub(crate) rounding: i64,
    pub(crate) total: i64,
}

/// Why there is no quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the amount is out of range")]
pub(crate) struct OutOfRange;

/// Prices a value and a tip at a fee of so many basis points of the value.
pub(crate) fn quote(value: Money, tip: i64, fee_bps: i32) -> Result<Quote, OutOfRange> {
    let bps = i128::from(fee_bps);
    if value.minor() <= 0 || tip < 0 || !(0..=WHOLE).contains(&bps) {
        return Err(OutOfRange);
    }
    let worth = i128::from(value.minor());
    let platform_fee = rounded(worth * bps, WHOLE);
    let net = worth + i128::from(tip) + platform_fee;
    let left = WHOLE - PROCESSOR_BPS;
    // Rounded up: what is left after the processor is never short.
    let total = ((net + PROCESSOR_FLAT) * WHOLE + left - 1) / left;
    let processor_fee = rounded(total * PROCESSOR_BPS, WHOLE) + PROCESSOR_FLAT;
    let minor = |amount: i128| i64::try_from(amount).map_err(|_| OutOfRange);
    Ok(Quote {
        currency: value.currency(),
        value: value.minor(),
        tip,
        platform_fee: minor(platform_fee)?,
        processor_fee: minor(processor_fee)?,
        rounding: minor(total - net - processor_fee)?,
        total: minor(total)?,
    })
}

/// Prices the same where the money was paid in before.
pub(crate) fn prepaid(value: Money, tip: i64, fee_bps: i32) -> Result<Quote, OutOfRange> {
    let charged = quote(value, tip, fee_bps)?;
    let total = charged.value + charged.tip + charged.platform_fee;
    Ok(Quote { processor_fee: 0, rounding: 0, total, ..charged })
}

/// What a charge takes for a quote that was made for money paid in before.
pub(crate) fn charged(prepaid: &Quote) -> Result<Quote, OutOfRange> {
    let whole = quote(Money::signed(prepaid.total, prepaid.currency), 0, 0)?;
    let Quote { value, tip, platform_fee, .. } = *prepaid;
    Ok(Quote { value, tip, platform_fee, ..whole })
}

/// Divides what is not negative, halves up.
fn rounded(amount: i128, by: i128) -> i128 {
    (amount + by / 2) / by
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dollars(minor: i64) -> Money {
        Money::signed(minor, Currency::USD)
    }

    /// INC-34: the seed's $16.33 cannot be derived.
    #[test]
    fn five_hundred_dollars_cost_566_74() {
        let quote = quote(dollars(50_000), 0, 1_000).unwrap();
        let parts = (quote.platform_fee, quote.processor_fee, quote.rounding, quote.total);
        assert_eq!(parts, (5_000, 1_674, 0, 56_674));
        let tipped = super::quote(dollars(50_000), 10_000, 1_000).unwrap();
        assert_eq!((tipped.platform_fee, tipped.value, tipped.tip), (5_000, 50_000, 10_000));
    }

    /// S4-32 over all cents up to $20,000: never short, at most one cent over.
    #[test]
    fn the_processor_leaves_what_is_owed_for_every_cent_up_to_two_million() {
        for value in 1..=2_000_000 {
            let quote = quote(dollars(value), 0, 1_000).unwrap();
            assert!((0..=1).contains(&quote.rounding), "{quote:?}");
            let sum = quote.value + quote.platform_fee + quote.processor_fee + quote.rounding;
            assert_eq!(sum, quote.total);
        }
    }

    proptest! {
        #[test]
        fn what_is_drawn_first_and_charged_after_all_costs_the_same(
            value in 1_i64..=2_000_000, tip in 0_i64..=2_000_000, bps in 0_i32..=10_000,
        ) {
            let drawn = prepaid(dollars(value), tip, bps).unwrap();
            prop_assert_eq!(drawn.total, drawn.value + drawn.tip + drawn.platform_fee);
            prop_assert_eq!(charged(&drawn).unwrap(), quote(dollars(value), tip, bps).unwrap());
        }

        #[test]
        fn a_quote_adds_up_whatever_value_tip_and_fee(
            value in 1_i64..=2_000_000, tip in 0_i64..=2_000_000, bps in 0_i32..=10_000,
        ) {
            let quote = quote(dollars(value), tip, bps).unwrap();
            let parts = [quote.platform_fee, quote.processor_fee, quote.rounding];
            prop_assert!(parts.iter().all(|part| *part >= 0));
            prop_assert!(quote.rounding <= 1);
            prop_assert_eq!(value + tip + parts.iter().sum::<i64>(), quote.total);
            let dearer = super::quote(dollars(value + 1), tip, bps).unwrap();
            prop_assert!(quote.total < dearer.total);
        }

        #[test]
        fn no_amount_overflows(value: i64, tip: i64, bps: i32) {
            if let Ok(quote) = quote(dollars(value), tip, bps) {
                prop_assert!(quote.total > value);
            }
        }
    }
}
