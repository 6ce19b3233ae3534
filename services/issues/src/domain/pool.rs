//! The reward pool of a product: points that are granted for good (product.md, rule 11).

use quittance_kernel::{IssueId, MemberId, ProductId, Timestamp};

use super::text::FieldError;

/// So that 50 points are 5 % (S4-2).
pub const DEFAULT_CAPACITY: i64 = 1_000;
const MAX_CAPACITY: i64 = 1_000_000_000;

/// What a member has of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub member: MemberId,
    pub name: String,
    pub points: i64,
}

/// The moment in which more was granted than there was room for (INC-28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expansion {
    pub before: i64,
    pub after: i64,
    pub issue: IssueId,
    pub at: Timestamp,
}

/// Where the pool of a product stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub product: ProductId,
    pub capacity: i64,
    pub granted: i64,
    pub fee_bps: i32,
    pub standings: Vec<Standing>,
    pub expansions: Vec<Expansion>,
}

/// Reads a capacity.
pub fn capacity(points: i64) -> Result<i64, FieldError> {
    if (1..=MAX_CAPACITY).contains(&points) {
        Ok(points)
    } else {
        Err(FieldError::new("capacity_points", "must be between 1 and 1000000000"))
    }
}

/// What a point is a share of: the capacity, or all points once they are more. Points stay; what
/// changes is how much one of them is.
#[must_use]
pub fn effective(capacity: i64, granted: i64) -> i64 {
    capacity.max(granted)
}

/// The expansion that a grant makes, if it makes one: from so many points to so many.
#[must_use]
pub fn expansion(capacity: i64, granted: i64, points: i64) -> Option<(i64, i64)> {
    let before = effective(capacity, granted);
    let after = effective(capacity, granted.saturating_add(points));
    (before < after).then_some((before, after))
}

impl Pool {
    #[must_use]
    pub fn effective(&self) -> i64 {
        effective(self.capacity, self.granted)
    }

    /// The part of the pool that so many points are, in basis points, rounded down.
    #[must_use]
    pub fn share_bps(&self, points: i64) -> i64 {
        let share = i128::from(points) * 10_000 / i128::from(self.effective().max(1));
        i64::try_from(share).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_grows_only_when_it_is_full() {
        assert_eq!(expansion(1_000, 0, 50), None);
        assert_eq!(expansion(1_000, 950, 50), None);
        assert_eq!(expansion(1_000, 950, 100), Some((1_000, 1_050)));
        assert_eq!(expansion(1_000, 1_050, 50), Some((1_050, 1_100)));
    }

    #[test]
    fn fifty_of_a_thousand_points_are_five_percent() {
        let pool = |granted| Pool {
            product: ProductId::new(),
            capacity: 1_000,
            granted,
            fee_bps: 1_000,
            standings: Vec::new(),
            expansions: Vec::new(),
        };
        assert_eq!(pool(50).share_bps(50), 500);
        assert_eq!(pool(2_000).share_bps(50), 250);
        assert!(capacity(0).is_err() && capacity(1).is_ok());
    }
}
