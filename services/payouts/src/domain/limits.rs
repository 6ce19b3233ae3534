//! What an organization's limits say about paying: accounts that were changed lately, and sums that
//! are too small.

use std::collections::{HashMap, HashSet};

use quittance_kernel::{Currency, MemberId, Method, Money};

/// From which sum on a method pays, in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minimum {
    pub(crate) method: Method,
    pub(crate) amount: Money,
}

/// The limits at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Whose account of which method was changed and must wait.
    pub(crate) cooling: HashSet<(MemberId, Method)>,
    /// The least sum in minor units.
    pub(crate) minimums: HashMap<(Currency, Method), i64>,
}

impl Limits {
    /// Whether a sum is too small to be paid by this method.
    #[must_use]
    pub(crate) fn is_below(&self, sum: i64, currency: Currency, method: Method) -> bool {
        self.minimums.get(&(currency, method)).is_some_and(|minimum| sum < *minimum)
    }
}

/// The minimums that a sum does not reach.
#[must_use]
pub(crate) fn below(minimums: &[Minimum], sum: Money) -> Vec<Minimum> {
    let small = |minimum: &&Minimum| {
        minimum.amount.currency() == sum.currency() && sum.minor() < minimum.amount.minor()
    };
    minimums.iter().filter(small).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_told_the_minimums_of_its_currency_that_it_does_not_reach() {
        let of = |method, minor, currency: Currency| Minimum {
            method,
            amount: Money::signed(minor, currency),
        };
        let all = [
            of(Method::Bank, 500, Currency::KZT),
            of(Method::Kaspi, 100, Currency::KZT),
            of(Method::Bank, 900, Currency::USD),
        ];
        assert_eq!(below(&all, Money::signed(100, Currency::KZT)), all[..1]);
        assert_eq!(below(&all, Money::signed(99, Currency::KZT)), all[..2]);
        assert!(below(&all, Money::signed(900, Currency::USD)).is_empty());
    }
}
