use proptest::prelude::*;
use quittance_kernel::{CycleId, EarningId};

use super::*;
use crate::domain::order::{Group, OnBlocked};

fn order(methods: &[(Method, &str)]) -> Order {
    let group = |(method, reference): &(Method, &str)| Group {
        payee: None,
        issues: vec![IssueId::new()],
        method: *method,
        reference: (*reference).to_owned(),
    };
    Order::batch(methods.iter().map(group).collect(), OnBlocked::Fail).unwrap()
}

fn payable(payee: MemberId, amount: Money, group: usize) -> Payable {
    Payable {
        earning: EarningId::new(),
        was: None,
        issue: IssueId::new(),
        cycle: CycleId::new(),
        payee,
        amount,
        source_version: 1,
        group,
    }
}

#[test]
fn payees_currencies_methods_and_references_are_kept_apart() {
    let order = order(&[
        (Method::Kaspi, "a"),
        (Method::Kaspi, "b"),
        (Method::Bank, "a"),
        (Method::Kaspi, "a"),
    ]);
    let (aibek, madina) = (MemberId::new(), MemberId::new());
    let (tenge, dollar) = (Money::signed(5, Currency::KZT), Money::signed(7, Currency::USD));
    let payable = vec![
        payable(aibek, tenge, 0),
        payable(aibek, dollar, 0),
        payable(madina, tenge, 0),
        payable(aibek, tenge, 1),
        payable(aibek, tenge, 2),
        payable(aibek, tenge, 3),
    ];
    let settlement = Settlement::of(&order, Verdict { payable, excluded: vec![] }).unwrap();
    let sums: Vec<_> =
        settlement.payouts.iter().map(|p| (p.total.minor(), p.issues.len())).collect();
    assert_eq!(sums, [(10, 2), (7, 1), (5, 1), (5, 1), (5, 1)]);
    assert!(settlement.items.is_sorted_by_key(|item| item.paid.earning));
    assert!(settlement.batch.is_some());
}

#[test]
fn a_sum_that_does_not_fit_is_an_error_and_not_a_wrap() {
    let most = Money::signed(i64::MAX, Currency::KZT);
    let payable = vec![payable(MemberId::new(), most, 0), payable(MemberId::new(), most, 0)];
    let verdict = Verdict { payable, excluded: vec![] };
    let refused = Settlement::of(&order(&[(Method::Cash, "x")]), verdict);
    assert_eq!(refused.unwrap_err(), MoneyError::OutOfRange);
}

proptest! {
    #[test]
    fn items_payouts_and_totals_agree(
        rows in proptest::collection::vec((0_usize..3, 1_i64..1_000, any::<bool>(), 0_usize..2), 1..60)
    ) {
        let payees = [MemberId::new(), MemberId::new(), MemberId::new()];
        let currency = |usd| if usd { Currency::USD } else { Currency::KZT };
        let payable: Vec<_> = rows
            .iter()
            .map(|(payee, minor, usd, group)| {
                payable(payees[*payee], Money::signed(*minor, currency(*usd)), *group)
            })
            .collect();
        let order = order(&[(Method::Kaspi, "a"), (Method::Bank, "b")]);
        let settlement = Settlement::of(&order, Verdict { payable, excluded: vec![] }).unwrap();
        prop_assert_eq!(settlement.items.len(), rows.len());
        for (place, payout) in settlement.payouts.iter().enumerate() {
            let items: Vec<_> =
                settlement.items.iter().filter(|item| item.payout == place).collect();
            prop_assert_eq!(items.len(), payout.issues.len());
            let sum: i64 = items.iter().map(|item| item.paid.amount.minor()).sum();
            prop_assert_eq!(sum, payout.total.minor());
            prop_assert!(items.iter().all(|item| item.paid.payee == payout.payee));
        }
        for (total, _) in settlement.totals.iter() {
            let sum: i64 = settlement
                .payouts
                .iter()
                .filter(|payout| payout.total.currency() == total.currency())
                .map(|payout| payout.total.minor())
                .sum();
            prop_assert_eq!(sum, total.minor());
        }
    }
}
