//! What a product has paid in advance, by currency (S4-81).

use quittance_kernel::{Currency, Money, ProductId, Timestamp};

use super::quote::Quote;

/// The most that is paid in at once, in minor units: as one amount of an issue.
const MAX_TOP_UP: i64 = 10_000_000_000_000;

/// Why nothing was paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct PreFundError {
    pub field: &'static str,
    pub detail: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreFund {
    pub(crate) product: ProductId,
    pub(crate) balance: Money,
    /// Below this it counts as low.
    pub(crate) low: i64,
    pub(crate) version: i64,
    pub(crate) updated_at: Timestamp,
}

impl PreFund {
    #[must_use]
    pub(crate) fn is_low(&self) -> bool {
        self.balance.minor() < self.low
    }

    /// Whether all of a quote can be paid out of it.
    #[must_use]
    pub(crate) fn covers(&self, quote: &Quote) -> bool {
        self.balance.currency() == quote.currency && quote.total <= self.balance.minor()
    }
}

/// Checks what is to be paid in.
pub(crate) fn top_up(minor: i64, currency: Currency) -> Result<Money, PreFundError> {
    if (1..=MAX_TOP_UP).contains(&minor) {
        return Ok(Money::signed(minor, currency));
    }
    let detail = "must be between 1 and what a payment can be";
    Err(PreFundError { field: "amount_minor", detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quote::prepaid;

    #[test]
    fn what_was_paid_in_covers_a_bounty_with_its_fee_or_nothing_of_it() {
        let fund = |minor| PreFund {
            product: ProductId::new(),
            balance: Money::signed(minor, Currency::USD),
            low: 60_000,
            version: 1,
            updated_at: Timestamp::default(),
        };
        let quote = prepaid(Money::signed(50_000, Currency::USD), 0, 1_000).unwrap();
        assert!(fund(55_000).covers(&quote) && fund(55_000).is_low());
        assert!(!fund(54_999).covers(&quote));
        assert!(top_up(0, Currency::USD).is_err() && top_up(1, Currency::USD).is_ok());
    }
}
