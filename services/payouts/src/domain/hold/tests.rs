use proptest::prelude::*;
use quittance_kernel::Currency;

use super::*;

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn hold(minor: i64) -> Hold {
    NewHold {
        placement: Uuid::now_v7(),
        schedule: None,
        payee: MemberId::new(),
        amount: Money::signed(minor, Currency::USD),
        method: None,
        reason: " a dispute ".to_owned(),
        release_at: None,
    }
    .create(OrganizationId::new(), MemberId::new(), noon())
    .unwrap()
}

#[test]
fn an_end_is_an_end() {
    let by = MemberId::new();
    let released = hold(100).release(by, "settled", noon()).unwrap();
    assert_eq!(
        released.ended.as_ref().map(|ended| (ended.by, ended.why.as_str())),
        Some((by, "settled"))
    );
    assert!(released.clone().release(by, "again", noon()).is_err());
    assert!(released.clone().cancel(by, "again", noon()).is_err());
    assert!(released.clone().release_part(1, by, "again", noon()).is_err());
    let refused = released.change(HoldChange::default(), noon());
    assert_eq!(refused, Err(HoldError::NotEditable("released")));
    assert_eq!(hold(1).cancel(by, "x", noon()).unwrap().state, HoldState::Cancelled);
}

#[test]
fn it_keeps_back_its_schedule_or_all_of_its_placement() {
    let (all, admin) = (hold(100), MemberId::new());
    let paying = Hold { method: Some(Method::Bank), ..all.clone() };
    let paying = paying.release(admin, "x", noon()).unwrap();
    let paid = paying.payment(admin, noon()).unwrap().unwrap();
    assert_eq!((paid.hold, paid.amount), (Some(all.id), all.amount));
    let schedule = Schedule { hold: None, ..paid.clone() };
    assert!(all.keeps_back(&schedule));
    assert!(!all.keeps_back(&paid), "released money is kept back by no other hold");
    assert!(!all.keeps_back(&Schedule { placement: Uuid::now_v7(), ..schedule.clone() }));
    let one = Hold { schedule: Some(schedule.id), ..all.clone() };
    assert!(one.keeps_back(&schedule));
    assert!(!one.keeps_back(&Schedule { id: Uuid::now_v7(), ..schedule.clone() }));
    let over = all.clone().release(admin, "x", noon()).unwrap();
    assert!(!over.keeps_back(&schedule));
    assert_eq!(over.payment(admin, noon()), Ok(None));
}

#[test]
fn a_reason_is_one_that_can_be_read() {
    assert_eq!(hold(1).reason, "a dispute");
    for bad in ["", "  ", "a\u{7}b", &"x".repeat(501)] {
        assert!(reason(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn parts_sum_up_to_what_was_held(held in 1_i64..=i64::MAX, part in i64::MIN..=i64::MAX) {
        let whole = hold(held);
        match whole.clone().release_part(part, MemberId::new(), "part", noon()) {
            Ok((left, released)) => {
                prop_assert_eq!(left.amount.minor() + released.amount.minor(), held);
                prop_assert!(0 < left.amount.minor() && 0 < released.amount.minor());
                prop_assert_eq!(released.parent, Some(whole.id));
                prop_assert_eq!((left.state, released.state), (HoldState::Active, HoldState::Released));
                prop_assert_eq!(left.version, 2);
            }
            Err(_) => prop_assert!(part <= 0 || held <= part),
        }
    }
}
