//! Dividing a profit among points (product.md, rule 11): by largest remainder, so that the parts add
//! up to the whole to the last minor unit. What unissued points would earn stays with the founder.

use quittance_kernel::MemberId;

/// One member's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) member: MemberId,
    pub(crate) points: i64,
    pub(crate) amount: i64,
    /// What the platform keeps of the amount.
    pub(crate) platform_fee: i64,
}

impl Share {
    /// What the member is paid.
    #[must_use]
    pub(crate) fn payout(&self) -> i64 {
        self.amount - self.platform_fee
    }
}

/// A whole, divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Division {
    /// In the order of the members.
    pub(crate) shares: Vec<Share>,
    /// What stays with the founder.
    pub(crate) residual: i64,
    pub(crate) effective_points: i64,
}

/// What goes to the pool of a profit: so many basis points of it, rounded down.
#[must_use]
pub(crate) fn pool_of(profit: i64, pool_bps: i64) -> i64 {
    let pool = i128::from(profit.max(0)) * i128::from(pool_bps) / 10_000;
    i64::try_from(pool).unwrap_or_default()
}

/// Divides `total` among the points of these members. Each may be named once; a member without
/// points gets nothing.
#[must_use]
pub(crate) fn divide(
    total: i64,
    capacity: i64,
    fee_bps: i64,
    holders: &[(MemberId, i64)],
) -> Division {
    let mut holders: Vec<(MemberId, i64)> =
        holders.iter().copied().filter(|(_, points)| 0 < *points).collect();
    holders.sort_unstable();
    let granted: i128 = holders.iter().map(|(_, points)| i128::from(*points)).sum();
    let effective = granted.max(i128::from(capacity.max(0)));
    let total = i128::from(total.max(0));
    let mut residual = total;
    let mut shares = Vec::with_capacity(holders.len());
    // (remainder, place): the founder's comes last among equals.
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(holders.len() + 1);
    for (place, (member, points)) in holders.into_iter().enumerate() {
        let part = total * i128::from(points);
        let floor = part / effective.max(1);
        residual -= floor;
        remainders.push((part % effective.max(1), place));
        shares.push((member, points, floor));
    }
    let unissued = effective - granted;
    remainders.push((total * unissued % effective.max(1), shares.len()));
    let mut left = residual - total * unissued / effective.max(1);
    remainders.sort_by(|(a, at), (b, other)| b.cmp(a).then(at.cmp(other)));
    for (remainder, place) in remainders {
        if left == 0 || remainder == 0 {
            break;
        }
        left -= 1;
        if let Some((_, _, amount)) = shares.get_mut(place) {
            *amount += 1;
            residual -= 1;
        }
    }
    let minor = |amount: i128| i64::try_from(amount).unwrap_or_default();
    let shares = shares
        .into_iter()
        .map(|(member, points, amount)| Share {
            member,
            points,
            amount: minor(amount),
            platform_fee: minor(amount * i128::from(fee_bps) / 10_000),
        })
        .collect();
    Division { shares, residual: minor(residual), effective_points: minor(effective) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn member(number: u128) -> MemberId {
        MemberId(Uuid::from_u128(number))
    }

    fn amounts(division: &Division) -> Vec<i64> {
        division.shares.iter().map(|share| share.amount).collect()
    }

    #[test]
    fn fifty_of_a_thousand_points_are_five_percent() {
        let division = divide(1_000_000, 1_000, 1_000, &[(member(1), 50)]);
        assert_eq!((amounts(&division), division.residual), (vec![50_000], 950_000));
        assert_eq!((division.shares[0].platform_fee, division.shares[0].payout()), (5_000, 45_000));
    }

    #[test]
    fn a_full_pool_leaves_the_founder_nothing_and_equals_are_served_by_id() {
        let three = [(member(3), 1), (member(1), 1), (member(2), 1)];
        let division = divide(100, 1, 0, &three);
        assert_eq!((amounts(&division), division.residual), (vec![34, 33, 33], 0));
        assert_eq!(division.effective_points, 3);
        // The founder's points are the last among equals.
        let half = divide(1, 2, 0, &[(member(1), 1)]);
        assert_eq!((amounts(&half), half.residual), (vec![1], 0));
    }

    #[test]
    fn nothing_is_divided_among_nobody() {
        assert_eq!(divide(100, 1_000, 0, &[]).residual, 100);
        assert_eq!(divide(100, 0, 0, &[]).residual, 100);
        assert_eq!((pool_of(99_999, 2_000), pool_of(-5, 2_000)), (19_999, 0));
        assert_eq!(pool_of(i64::MAX, 10_000), i64::MAX);
    }

    fn holders() -> impl Strategy<Value = Vec<(MemberId, i64)>> {
        proptest::collection::btree_map(any::<u128>(), 1_i64..=1_000_000, 0..40)
            .prop_map(|of| of.into_iter().map(|(id, points)| (member(id), points)).collect())
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_whole(
            total in 0_i64..=i64::MAX, capacity in 1_i64..=50_000_000, all in holders(),
            fee in 0_i64..=10_000,
        ) {
            let division = divide(total, capacity, fee, &all);
            let sum: i128 = division.shares.iter().map(|share| i128::from(share.amount)).sum();
            prop_assert_eq!(sum + i128::from(division.residual), i128::from(total));
            prop_assert!(division.residual >= 0);
            for share in &division.shares {
                let whole = i128::from(total) * i128::from(share.points);
                let exact = whole / i128::from(division.effective_points);
                prop_assert!((exact..=exact + 1).contains(&i128::from(share.amount)));
                prop_assert!(0 <= share.platform_fee && share.platform_fee <= share.amount);
            }
        }

        #[test]
        fn the_order_in_which_members_are_named_does_not_matter(
            total in 0_i64..=1_000_000_000, capacity in 1_i64..=5_000_000,
            (all, shuffled) in holders().prop_flat_map(|all| {
                (Just(all.clone()), Just(all).prop_shuffle())
            }),
        ) {
            prop_assert_eq!(divide(total, capacity, 0, &all), divide(total, capacity, 0, &shuffled));
        }

        #[test]
        fn more_points_never_earn_less(
            total in 0_i64..=1_000_000_000, capacity in 1_i64..=5_000_000, all in holders(),
        ) {
            let mut shares = divide(total, capacity, 0, &all).shares;
            shares.sort_by_key(|share| share.points);
            for pair in shares.windows(2) {
                if pair[0].points < pair[1].points {
                    prop_assert!(pair[0].amount <= pair[1].amount);
                }
            }
        }
    }
}
