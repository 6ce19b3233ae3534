use proptest::prelude::*;

use super::*;

fn usd(minor: i64) -> Money {
    Money::signed(minor, "USD".parse().unwrap())
}

fn noon() -> Timestamp {
    "2026-02-09T12:00:00Z".parse().unwrap()
}

fn rule(partner: Option<MemberId>, product: Option<ProductId>, rate: Rate) -> Rule {
    Rule { id: Uuid::now_v7(), partner, product, rate, holding_days: 0, created_at: noon() }
}

fn sale(minor: i64, rate: Rate) -> Attribution {
    Attribution {
        id: Uuid::now_v7(),
        external_id: "sale-1".to_owned(),
        partner: MemberId::new(),
        product: None,
        amount: usd(minor),
        occurred_at: noon(),
        payable_at: noon(),
        rate,
        commission: rate.of(usd(minor)).minor(),
        refunded: 0,
        version: 1,
        created_at: noon(),
        updated_at: noon(),
    }
}

#[test]
fn the_most_specific_rule_wins_and_then_the_newest() {
    let (partner, product) = (MemberId::new(), ProductId::new());
    let points = Rate::BasisPoints;
    let mut rules = vec![
        rule(Some(partner), Some(product), points(4)),
        rule(Some(partner), None, points(3)),
        rule(None, Some(product), points(2)),
        rule(None, None, points(1)),
    ];
    let usd = "USD".parse().unwrap();
    let rate =
        |rules: &[Rule], partner, product| rule_for(rules, partner, product, usd).unwrap().rate;
    assert_eq!(rate(&rules, partner, Some(product)), points(4));
    assert_eq!(rate(&rules, partner, Some(ProductId::new())), points(3));
    assert_eq!(rate(&rules, partner, None), points(3));
    assert_eq!(rate(&rules, MemberId::new(), Some(product)), points(2));
    assert_eq!(rate(&rules, MemberId::new(), None), points(1));
    rules.push(rule(None, None, points(9)));
    assert_eq!(rate(&rules, MemberId::new(), None), points(9));
    let kzt = Rate::Flat(Money::signed(5, "KZT".parse().unwrap()));
    rules.push(rule(Some(partner), Some(product), kzt));
    assert_eq!(
        rate(&rules, partner, Some(product)),
        points(4),
        "a flat rule keeps to its currency"
    );
    assert_eq!(rule_for(&[], partner, None, usd), Err(PartnerError::NoRule));
}

#[test]
fn a_share_is_rounded_down() {
    assert_eq!(Rate::BasisPoints(1_000).of(usd(999)), usd(99));
    assert_eq!(Rate::BasisPoints(1).of(usd(9_999)), usd(0));
    assert_eq!(Rate::BasisPoints(10_000).of(usd(i64::MAX)), usd(i64::MAX));
    assert_eq!(Rate::Flat(usd(700)).of(usd(1)), usd(700));
}

#[test]
fn no_more_is_refunded_than_was_sold() {
    let sold = sale(1_000, Rate::BasisPoints(1_000));
    assert_eq!(sold.refund(1_001, noon()), Err(PartnerError::RefundTooLarge));
    assert!(matches!(sold.refund(-1, noon()), Err(PartnerError::Amount { .. })));
    let (gone, clawback) = sold.refund(0, noon()).unwrap();
    assert_eq!((gone.refunded, clawback), (1_000, -100));
    assert_eq!(gone.refund(0, noon()), Err(PartnerError::RefundTooLarge));
    let (_, clawback) = sale(1_000, Rate::Flat(usd(70))).refund(1_000, noon()).unwrap();
    assert_eq!(clawback, -70);
}

proptest! {
    #[test]
    fn a_share_is_never_more_than_its_sale(minor in 1..i64::MAX, points in 1_i64..=10_000) {
        let share = Rate::BasisPoints(points).of(usd(minor)).minor();
        prop_assert!((0..=minor).contains(&share));
        let exact = i128::from(minor) * i128::from(points);
        prop_assert!(i128::from(share) * 10_000 <= exact);
        prop_assert!(exact < (i128::from(share) + 1) * 10_000);
    }

    #[test]
    fn refunds_in_parts_take_back_the_whole_commission_and_no_more(
        parts in prop::collection::vec(1_i64..1_000_000, 1..12),
        points in 1_i64..=10_000,
        flat in prop::option::of(1_i64..1_000),
    ) {
        let rate = flat.map_or(Rate::BasisPoints(points), |minor| Rate::Flat(usd(minor)));
        let mut sold = sale(parts.iter().sum(), rate);
        let mut taken = 0;
        for part in parts {
            let (after, clawback) = sold.refund(part, noon()).unwrap();
            prop_assert!(clawback <= 0);
            taken += clawback;
            prop_assert!(-taken <= sold.commission);
            sold = after;
        }
        prop_assert_eq!(-taken, sold.commission);
    }

    #[test]
    fn every_commission_is_in_one_group_and_the_sums_add_up(
        amounts in prop::collection::vec((0_usize..3, any::<bool>(), -500_i64..500), 0..60),
    ) {
        let partners = [MemberId::new(), MemberId::new(), MemberId::new()];
        let pending: Vec<Pending> = amounts
            .iter()
            .map(|(partner, tenge, minor)| Pending {
                id: Uuid::now_v7(),
                version: 1,
                partner: partners[*partner],
                amount: Money::signed(*minor, if *tenge { "KZT" } else { "USD" }.parse().unwrap()),
            })
            .collect();
        let groups = group(pending.clone()).unwrap();
        prop_assert_eq!(groups.iter().map(|group| group.commissions.len()).sum::<usize>(), pending.len());
        for group in &groups {
            let sum: i64 = group.commissions.iter().map(|one| one.amount.minor()).sum();
            prop_assert_eq!(sum, group.net.minor());
            prop_assert!(group.commissions.iter().all(|one| one.partner == group.partner));
        }
    }
}
