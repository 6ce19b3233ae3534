//! The review of an issue: whether it was accepted, and what for (product.md, "State machines").
//!
//! ```text
//! pending ─▶ approved | rejected ; rejected ─▶ pending ; approved ─▶ rejected (unpaid only)
//! ```

use quittance_kernel::{MemberId, Money, PayoutStatus, Timestamp};

use super::status::InvalidTransition;

/// Who decided, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: MemberId,
    pub at: Timestamp,
    pub reason: Option<String>,
}

/// Where the review stands, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    Pending,
    Approved {
        amount: Money,
        /// The rule that priced it, such as `default rate, high`.
        rule: String,
        decision: Decision,
    },
    /// Approved for points of the reward pool (S4-2): nothing is owed for it by itself.
    Granted {
        points: i64,
        decision: Decision,
    },
    Rejected {
        decision: Decision,
    },
}

/// The states of a review by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Pending,
    Approved,
    Rejected,
}

impl Stand {
    /// The word for it on every wire.
    #[must_use]
    pub fn word(self) -> PayoutStatus {
        match self {
            Self::Pending => PayoutStatus::Pending,
            Self::Approved => PayoutStatus::Approved,
            Self::Rejected => PayoutStatus::Rejected,
        }
    }
}

impl Review {
    #[must_use]
    pub fn stand(&self) -> Stand {
        match self {
            Self::Pending => Stand::Pending,
            Self::Approved { .. } | Self::Granted { .. } => Stand::Approved,
            Self::Rejected { .. } => Stand::Rejected,
        }
    }

    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        match self {
            Self::Approved { amount, .. } => Some(*amount),
            Self::Pending | Self::Granted { .. } | Self::Rejected { .. } => None,
        }
    }

    #[must_use]
    pub fn points(&self) -> Option<i64> {
        match self {
            Self::Granted { points, .. } => Some(*points),
            Self::Pending | Self::Approved { .. } | Self::Rejected { .. } => None,
        }
    }

    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Approved { rule, .. } => Some(rule),
            Self::Pending | Self::Granted { .. } | Self::Rejected { .. } => None,
        }
    }

    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Pending => None,
            Self::Approved { decision, .. }
            | Self::Granted { decision, .. }
            | Self::Rejected { decision } => Some(decision),
        }
    }
}

/// Where a review may go. Once there is a payment, live or void, the review is over.
fn onward(from: Stand, payment: Option<PayoutStatus>) -> &'static [Stand] {
    match (from, payment) {
        (_, Some(_)) => &[],
        (Stand::Pending, None) => &[Stand::Approved, Stand::Rejected],
        (Stand::Approved, None) => &[Stand::Rejected],
        (Stand::Rejected, None) => &[Stand::Pending],
    }
}

/// Checks one move. `payment` is what payouts said of the issue's earning, if it said anything.
pub fn step(
    from: Stand,
    to: Stand,
    payment: Option<PayoutStatus>,
) -> Result<(), InvalidTransition> {
    let allowed = onward(from, payment);
    if allowed.contains(&to) {
        return Ok(());
    }
    Err(InvalidTransition {
        from: payment.unwrap_or_else(|| from.word()).as_str(),
        to: to.word().as_str(),
        allowed: allowed.iter().map(|stand| stand.word().as_str()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_can_be_taken_back_only_while_unpaid() {
        assert!(step(Stand::Approved, Stand::Rejected, None).is_ok());
        let refused = step(Stand::Approved, Stand::Rejected, Some(PayoutStatus::Paid));
        let refused = refused.unwrap_err();
        assert_eq!((refused.from, refused.to), ("paid", "rejected"));
        assert!(refused.allowed.is_empty());
    }

    #[test]
    fn a_rejection_is_reopened_before_it_is_approved() {
        let refused = step(Stand::Rejected, Stand::Approved, None).unwrap_err();
        assert_eq!(refused.allowed, ["pending"]);
        assert!(step(Stand::Rejected, Stand::Pending, None).is_ok());
        assert!(step(Stand::Approved, Stand::Approved, None).is_err());
    }
}
