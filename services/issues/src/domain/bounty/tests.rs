use super::*;

fn offer(kind: RewardType, points: Option<i64>, value: Option<i64>) -> Result<Reward, BountyError> {
    Reward::new(Offer { kind, points, value, currency: Currency::USD })
}

#[test]
fn the_validation_table_of_the_seed_holds() {
    use RewardType::{FixedPayment, ProfitShare};
    let dollars = |minor| Ok(Reward::Fixed(Money::signed(minor, Currency::USD)));
    assert_eq!(offer(FixedPayment, None, Some(500_000)), dollars(500_000));
    assert_eq!(offer(FixedPayment, None, Some(500)), dollars(500));
    for missing in [None, Some(0), Some(-1)] {
        let refused = offer(FixedPayment, None, missing).unwrap_err();
        let text = "Fixed payment bounties require a positive valueMinor";
        assert_eq!(refused.to_string(), text);
    }
    let pointed = offer(FixedPayment, Some(5), Some(500)).unwrap_err();
    assert_eq!(pointed.to_string(), "Fixed payment bounties cannot have points");
    let small = offer(FixedPayment, None, Some(499)).unwrap_err();
    assert_eq!(small, BountyError::BelowMinimum("$5.00".to_owned()));
    assert_eq!(offer(ProfitShare, None, None), Ok(Reward::Points(None)));
    assert_eq!(offer(ProfitShare, Some(50), None), Ok(Reward::Points(Some(50))));
    for value in [0, 500] {
        let refused = offer(ProfitShare, Some(50), Some(value)).unwrap_err();
        assert_eq!(refused.to_string(), "Profit share bounties cannot have valueMinor");
    }
    assert!(offer(ProfitShare, Some(0), None).is_err());
}

#[test]
fn cards_show_what_there_is_to_earn() {
    let labels = [
        Reward::Fixed(Money::signed(500_000, Currency::USD)),
        Reward::Points(Some(50)),
        Reward::Points(None),
    ];
    assert_eq!(labels.map(Reward::label), ["$5,000.00", "50 pts", "Backlog"]);
}

#[test]
fn points_may_be_overridden_and_money_only_tipped() {
    let fixed = Reward::Fixed(Money::signed(50_000, Currency::USD));
    let dollars = |minor| Money::signed(minor, Currency::USD);
    let award = Award::Money { amount: dollars(60_000), tip: dollars(10_000) };
    assert_eq!(fixed.awarded(None, Some(10_000)), Ok(award));
    assert!(fixed.awarded(Some(1), None).is_err());
    assert!(fixed.awarded(None, Some(-1)).is_err());
    assert!(fixed.awarded(None, Some(i64::MAX)).is_err());
    let share = Reward::Points(Some(50));
    assert_eq!(share.awarded(None, None), Ok(Award::Points(50)));
    assert_eq!(share.awarded(Some(80), None), Ok(Award::Points(80)));
    assert!(share.awarded(None, Some(1)).is_err());
    assert!(Reward::Points(None).awarded(None, None).is_err());
}

#[test]
fn claims_are_bounded_by_the_mode() {
    assert!(terms(ClaimMode::Single, None, 14).is_ok());
    assert!(terms(ClaimMode::Single, Some(2), 14).is_err());
    assert!(terms(ClaimMode::Multiple, Some(10), 14).is_ok());
    assert!(terms(ClaimMode::Multiple, Some(0), 14).is_err());
    assert!(terms(ClaimMode::Multiple, None, 0).is_err());
}

#[test]
fn a_bounty_ends_once() {
    use BountyStatus::{Cancelled, Closed, Draft, Open};
    assert!(Draft.step(Open).is_ok() && Open.step(Closed).is_ok() && Open.step(Cancelled).is_ok());
    let refused = Closed.step(Open).unwrap_err();
    assert_eq!((refused.from, refused.to, refused.allowed.len()), ("closed", "open", 0));
    for status in BountyStatus::ALL {
        assert_eq!(BountyStatus::parse(status.as_str()), Some(status));
    }
}
