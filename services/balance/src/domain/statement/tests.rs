use proptest::prelude::*;
use quittance_kernel::Money;

use super::*;
use crate::domain::{EarningState, Part, Payment};

fn at(hour: i64) -> Timestamp {
    let start: Timestamp = "2026-05-08T00:00:00Z".parse().unwrap();
    start + chrono::TimeDelta::hours(hour)
}

fn member() -> MemberId {
    MemberId(Uuid::from_u128(7))
}

fn told(version: i64, hour: i64, minor: i64, state: EarningState) -> Told {
    let (payee, cycle) = (member(), CycleId(Uuid::nil()));
    let amount = Money::signed(minor, Currency::KZT);
    let part = Part::Earning(Earning { version, payee, cycle, amount, state });
    Told { event: Uuid::nil(), kind: "earning.approved".into(), at: at(hour), part }
}

fn paid(hour: i64) -> EarningState {
    EarningState::Paid(Payment { at: at(hour), method: Some(Method::Kaspi), reference: None })
}

fn statement(histories: &[Vec<Told>], from: i64, to: i64) -> Statement {
    let mut statement = Statement::new(Period { from: at(from), to: at(to) });
    for (number, told) in (0_u128..).zip(histories) {
        let issue = IssueId(Uuid::from_u128(number));
        statement.add(member(), issue, "Payment fails", told).unwrap();
    }
    statement.sorted()
}

#[test]
fn a_payment_takes_off_what_is_owed_and_a_start_is_included() {
    let history = vec![told(1, 1, 800, EarningState::Approved), told(2, 5, 800, paid(5))];
    let found = statement(&[history], 5, 6);
    let owed = Sums { pending: 800, pending_count: 1, ..Sums::default() };
    let earned = Sums { earned: 800, earned_count: 1, ..Sums::default() };
    assert_eq!(found.opening[&Currency::KZT], owed);
    assert_eq!(found.closing[&Currency::KZT], earned);
    assert_eq!(found.lines.len(), 1);
    assert_eq!((found.lines[0].change.pending, found.lines[0].change.earned), (-800, 800));
    assert_eq!(found.lines[0].method, Some(Method::Kaspi));
}

#[test]
fn what_is_somebody_elses_is_not_in_it() {
    let mut statement = Statement::new(Period::ALL);
    let history = [told(1, 1, 800, EarningState::Approved)];
    let stranger = MemberId(Uuid::from_u128(8));
    statement.add(stranger, IssueId(Uuid::nil()), "", &history).unwrap();
    assert_eq!(statement.sorted(), Statement::new(Period::ALL));
}

fn histories() -> impl Strategy<Value = Vec<Vec<Told>>> {
    let state = prop_oneof![
        Just(EarningState::Pending),
        Just(EarningState::Approved),
        Just(EarningState::Rejected),
        Just(paid(1)),
        Just(EarningState::Void { at: at(2), payment: None, receivable: 5 }),
    ];
    // Versions in any order of time: an older one that happened later changes nothing.
    let event = (1_i64..6, 0_i64..48, 5_i64..99, state)
        .prop_map(|(version, hour, minor, state)| told(version, hour, minor, state));
    let history = prop::collection::vec(event, 0..8).prop_map(|mut told| {
        told.sort_by_key(|told| told.at);
        told
    });
    prop::collection::vec(history, 0..6)
}

proptest! {
    #[test]
    fn the_closing_of_a_period_is_the_opening_of_the_next(
        histories in histories(),
        (a, b, c) in (0_i64..48, 0_i64..48, 0_i64..48),
    ) {
        let mut cuts = [a, b, c];
        cuts.sort_unstable();
        let first = statement(&histories, cuts[0], cuts[1]);
        let second = statement(&histories, cuts[1], cuts[2]);
        prop_assert_eq!(&first.closing, &second.opening);
        let mut sums = first.opening.clone();
        for line in &first.lines {
            prop_assert!((at(cuts[0])..at(cuts[1])).contains(&line.at));
            grow(&mut sums, line.currency, line.change).unwrap();
        }
        sums.retain(|_, sums| !sums.is_zero());
        prop_assert_eq!(sums, first.closing);
    }
}
