use quittance_kernel::{CycleId, EarningId, Method};

use super::*;

fn money(minor: i64) -> Money {
    Money::positive(minor, "KZT".parse().unwrap()).unwrap()
}

fn at() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn payout(state: PayoutState) -> Payout {
    Payout {
        id: PayoutId::new(),
        batch: None,
        payee: MemberId::new(),
        amount: money(300),
        netted_minor: 0,
        method: Some(Method::Kaspi),
        reference: "K-1".to_owned(),
        state,
        item_count: 2,
        paid_at: Some(at()),
        created_by: MemberId::new(),
        version: 1,
        created_at: at(),
        updated_at: at(),
    }
}

fn held(payout: &Payout, minor: i64) -> Held {
    let amount = money(minor);
    let earning = Earning {
        id: EarningId::new(),
        issue: IssueId::new(),
        cycle: CycleId::new(),
        payee: payout.payee,
        amount,
        status: EarningStatus::Paid,
        version: 2,
        source_version: 3,
        payout: Some(payout.id),
    };
    Held { item: PayoutItemId::new(), live: true, amount, earning }
}

fn wish(undo: Undo, issues: &[IssueId]) -> Wish {
    Wish { undo, reason: "Sent twice".to_owned(), issues: issues.to_vec() }
}

fn ask(payout: &Payout, held: &[Held], wish: &Wish) -> Result<Undone, LifecycleError> {
    undo(payout, held, wish, MemberId::new(), at())
}

#[test]
fn a_void_of_everything_ends_the_payout_and_one_of_some_does_not() {
    let paid = payout(PayoutState::Paid);
    let mut items = [held(&paid, 100), held(&paid, 200)];
    let some = ask(&paid, &items, &wish(Undo::Void, &[items[1].earning.issue])).unwrap();
    assert_eq!((some.payout.state, some.whole), (PayoutState::Paid, false));
    assert_eq!((some.amount.minor(), some.payout.amount.minor()), (200, 300));
    items[1].live = false;
    items[1].earning.status = EarningStatus::Void;
    let rest = ask(&some.payout, &items, &wish(Undo::Void, &[])).unwrap();
    assert_eq!((rest.payout.state, rest.payout.version), (PayoutState::Void, 3));
    assert_eq!(rest.amount.minor(), 100);
}

#[test]
fn what_is_void_stays_void_and_hinders_a_return() {
    let paid = payout(PayoutState::Paid);
    let mut items = [held(&paid, 100), held(&paid, 200)];
    items[0].live = false;
    items[0].earning.status = EarningStatus::Void;
    let again = ask(&paid, &items, &wish(Undo::Void, &[items[0].earning.issue]));
    assert!(matches!(again, Err(LifecycleError::Transition(refused)) if refused.from == "void"));
    assert_eq!(ask(&paid, &items, &wish(Undo::Return, &[])), Err(LifecycleError::PartlyVoid));
}

#[test]
fn only_its_own_items_and_each_once() {
    let paid = payout(PayoutState::Paid);
    let items = [held(&paid, 100)];
    let (mine, other) = (items[0].earning.issue, IssueId::new());
    let refused = ask(&paid, &items, &wish(Undo::Void, &[mine, other])).unwrap_err();
    assert_eq!(refused, LifecycleError::NotAnItem { place: 1, issue: other });
    let refused = ask(&paid, &items, &wish(Undo::Void, &[mine, mine])).unwrap_err();
    assert_eq!(refused, LifecycleError::Twice { place: 1, issue: mine });
}

#[test]
fn each_state_allows_what_the_machine_draws() {
    for state in PayoutState::ALL.iter().copied() {
        let payout = payout(state);
        let items = [held(&payout, 100)];
        for (undo, from) in [
            (Undo::Void, PayoutState::Paid),
            (Undo::Return, PayoutState::Paid),
            (Undo::Cancel, PayoutState::Approved),
        ] {
            assert_eq!(ask(&payout, &items, &wish(undo, &[])).is_ok(), state == from, "{state:?}");
        }
    }
}

#[test]
fn nobody_decides_about_their_own_money() {
    let paid = payout(PayoutState::Paid);
    let items = [held(&paid, 100)];
    let refused = undo(&paid, &items, &wish(Undo::Void, &[]), paid.payee, at());
    assert_eq!(refused, Err(LifecycleError::SelfApproval));
}

#[test]
fn only_what_is_owed_and_in_no_payout_is_voided_unpaid() {
    let paid = payout(PayoutState::Paid);
    let mut owed = held(&paid, 100).earning;
    owed.status = EarningStatus::Approved;
    let ask = |earning: Earning, taken: &[IssueId], actor| {
        let known = HashMap::from([(earning.issue, earning)]);
        let taken = taken.iter().copied().collect();
        void_unpaid(&known, &taken, (&[owed.issue], "Copied"), actor)
    };
    let actor = MemberId::new();
    assert_eq!(ask(owed, &[], actor).unwrap().earnings, [owed]);
    assert_eq!(ask(owed, &[], owed.payee), Err(LifecycleError::SelfApproval));
    let in_payout = Err(LifecycleError::InPayout { place: 0, issue: owed.issue });
    assert_eq!(ask(owed, &[owed.issue], actor), in_payout);
    let status = |status| Earning { status, ..owed };
    assert_eq!(ask(status(EarningStatus::Paid), &[], actor), in_payout);
    for over in [EarningStatus::Void, EarningStatus::Rejected] {
        assert!(matches!(ask(status(over), &[], actor), Err(LifecycleError::Transition(_))));
    }
}

#[test]
fn a_reason_is_a_text_of_bearable_length() {
    assert_eq!(reason("  Sent twice \n").unwrap(), "Sent twice");
    for bad in ["", " \n", "a\u{7}b", &"x".repeat(501)] {
        assert!(reason(bad).is_err(), "{bad}");
    }
}
