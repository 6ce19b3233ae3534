//! What a sale earns a partner, what a refund takes back, and which payouts come of it.
//!
//! A share is rounded down to the minor unit: what a fraction would add stays with the
//! organization, and no commission is larger than its sale.

use std::collections::BTreeMap;

use quittance_kernel::{Currency, MemberId, Money, MoneyError, ProductId, Timestamp};
use uuid::Uuid;

use super::partner::PartnerError;

const WHOLE: i64 = 10_000;

/// The longest that a commission is held back, in days.
pub(crate) const MAX_HOLDING: i64 = 365;

/// The most commissions that one call turns into payouts.
pub(crate) const MAX_COMMISSIONS: usize = 10_000;

/// What a sale earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    BasisPoints(i64),
    /// For sales in its currency only.
    Flat(Money),
}

impl Rate {
    pub(crate) fn basis_points(points: i64) -> Result<Self, PartnerError> {
        let detail = "must be between 1 and 10,000";
        if (1..=WHOLE).contains(&points) {
            Ok(Self::BasisPoints(points))
        } else {
            Err(PartnerError::Field { field: "rate.basis_points", detail })
        }
    }

    /// What a sale of so much earns.
    pub(crate) fn of(self, sale: Money) -> Money {
        match self {
            Self::Flat(amount) => amount,
            Self::BasisPoints(points) => {
                let share = i128::from(sale.minor()) * i128::from(points) / i128::from(WHOLE);
                // At most the sale itself, which fits.
                Money::signed(i64::try_from(share).unwrap_or(i64::MAX), sale.currency())
            }
        }
    }

    /// What is left of the commission after refunds; of a sale that was refunded whole, nothing.
    fn left(self, sale: Money, refunded: i64) -> i64 {
        let kept = sale.minor() - refunded;
        if kept <= 0 { 0 } else { self.of(Money::signed(kept, sale.currency())).minor() }
    }

    fn fits(self, currency: Currency) -> bool {
        match self {
            Self::BasisPoints(_) => true,
            Self::Flat(amount) => amount.currency() == currency,
        }
    }
}

/// A rule of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub id: Uuid,
    /// Absent: any.
    pub partner: Option<MemberId>,
    pub product: Option<ProductId>,
    pub rate: Rate,
    pub holding_days: i64,
    pub created_at: Timestamp,
}

impl Rule {
    /// Partner and product, then partner, then product, then neither; the newest of its kind.
    fn rank(&self) -> (bool, bool, Uuid) {
        (self.partner.is_some(), self.product.is_some(), self.id)
    }
}

/// The rule that holds for a sale.
pub(crate) fn rule_for(
    rules: &[Rule],
    partner: MemberId,
    product: Option<ProductId>,
    currency: Currency,
) -> Result<Rule, PartnerError> {
    let covers = |rule: &&Rule| {
        rule.partner.is_none_or(|of| of == partner)
            && rule.product.is_none_or(|of| Some(of) == product)
            && rule.rate.fits(currency)
    };
    rules.iter().filter(covers).max_by_key(|rule| rule.rank()).copied().ok_or(PartnerError::NoRule)
}

/// A sale credited to a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub id: Uuid,
    pub external_id: String,
    pub partner: MemberId,
    pub product: Option<ProductId>,
    pub amount: Money,
    pub occurred_at: Timestamp,
    pub payable_at: Timestamp,
    pub rate: Rate,
    pub commission: i64,
    pub refunded: i64,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Attribution {
    /// Refunds a part of the sale, or with 0 all that is left, and returns what of the commission
    /// is taken back: not above zero. The parts of several refunds add up to what one takes.
    pub(crate) fn refund(&self, minor: i64, now: Timestamp) -> Result<(Self, i64), PartnerError> {
        let left = self.amount.minor() - self.refunded;
        let minor = if minor == 0 { left } else { minor };
        if minor < 0 {
            return Err(PartnerError::Amount { field: "amount_minor" });
        }
        if minor == 0 || left < minor {
            return Err(PartnerError::RefundTooLarge);
        }
        let refunded = self.refunded + minor;
        let clawback =
            self.rate.left(self.amount, refunded) - self.rate.left(self.amount, self.refunded);
        let version = self.version + 1;
        Ok((Self { refunded, version, updated_at: now, ..self.clone() }, clawback))
    }
}

/// A commission that no payout covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub id: Uuid,
    pub version: i64,
    pub partner: MemberId,
    /// Negative: a clawback.
    pub amount: Money,
}

/// The commissions of one partner in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub partner: MemberId,
    pub net: Money,
    pub clawback: i64,
    pub commissions: Vec<Pending>,
}

impl Group {
    /// Whether a payout can be made of it; otherwise it is carried over.
    pub(crate) fn is_owed(&self) -> bool {
        0 < self.net.minor()
    }
}

/// Sums up by partner and currency, in the order of the partners.
pub(crate) fn group(pending: Vec<Pending>) -> Result<Vec<Group>, MoneyError> {
    let mut groups: BTreeMap<(MemberId, &'static str), Group> = BTreeMap::new();
    for one in pending {
        let currency = one.amount.currency();
        let group = groups.entry((one.partner, currency.code())).or_insert_with(|| Group {
            partner: one.partner,
            net: Money::signed(0, currency),
            clawback: 0,
            commissions: Vec::new(),
        });
        group.net = group.net.checked_add(one.amount)?;
        group.clawback =
            group.clawback.checked_add(one.amount.minor().min(0)).ok_or(MoneyError::OutOfRange)?;
        group.commissions.push(one);
    }
    Ok(groups.into_values().collect())
}

#[cfg(test)]
mod tests;
