use proptest::prelude::*;
use quittance_kernel::Currency;

use super::*;

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn schedule() -> Schedule {
    NewSchedule {
        placement: Uuid::now_v7(),
        payee: MemberId::new(),
        amount: Money::signed(100, Currency::USD),
        method: Method::Bank,
        reference: " R-1 ".to_owned(),
        notes: String::new(),
        hold: None,
        scheduled_at: noon(),
        guarantee_at: Some(noon() + TimeDelta::days(1)),
    }
    .create(OrganizationId::new(), MemberId::new(), noon())
    .unwrap()
}

#[test]
fn every_step_goes_as_drawn_or_is_refused() {
    use ScheduleState::{Cancelled, Failed, Pending, Processed, Processing, Triggered};
    let drawn = [
        (Pending, Triggered),
        (Pending, Cancelled),
        (Triggered, Processing),
        (Processing, Processed),
        (Processing, Pending),
        (Processing, Failed),
        (Failed, Triggered),
        (Failed, Cancelled),
    ];
    for from in ScheduleState::ALL {
        for to in ScheduleState::ALL {
            assert_eq!(step(*from, *to).is_ok(), drawn.contains(&(*from, *to)), "{from:?} {to:?}");
        }
    }
}

#[test]
fn it_is_due_when_its_date_is_reached_and_its_guarantee_completed() {
    let new = schedule();
    assert_eq!(new.next_attempt_at, noon() + TimeDelta::days(1));
    assert!(new.is_guaranteed_until(noon()));
    assert!(!new.is_guaranteed_until(noon() + TimeDelta::days(1)));
    assert_eq!(new.reference, "R-1");
    let (admin, now) = (MemberId::new(), noon());
    let sooner = ScheduleChange { guarantee_at: Change::Clear, ..ScheduleChange::default() };
    assert_eq!(new.change(sooner, admin, now).unwrap().next_attempt_at, noon());
}

#[test]
fn three_failures_are_counted_once_each_with_longer_pauses() {
    let mut one = schedule();
    let at = one.due_at();
    for (retries, pause) in [(1, 1), (2, 6)] {
        let (next, how) = one.fail("declined", at, at).unwrap();
        assert_eq!(
            (how, next.state, next.retries),
            (Failed::Retried, ScheduleState::Pending, retries)
        );
        assert_eq!(next.next_attempt_at, at + TimeDelta::hours(pause));
        one = next;
    }
    let (failed, how) = one.fail("declined", at, at).unwrap();
    assert_eq!((how, failed.state, failed.retries), (Failed::Final, ScheduleState::Failed, 3));
    let again = failed.trigger(MemberId::new(), false, at).unwrap();
    assert_eq!((again.state, again.retries), (ScheduleState::Triggered, 0));
}

#[test]
fn only_somebody_else_decides_and_only_while_nothing_is_on_its_way() {
    let (new, admin, later) = (schedule(), MemberId::new(), noon() + TimeDelta::days(2));
    let payee = new.payee;
    let change = ScheduleChange::default;
    assert_eq!(new.clone().change(change(), payee, later), Err(ScheduleError::OwnPayout));
    assert_eq!(new.clone().trigger(payee, false, later), Err(ScheduleError::OwnPayout));
    assert_eq!(new.clone().trigger(admin, true, later), Err(ScheduleError::Held));
    assert!(matches!(new.clone().trigger(admin, false, noon()), Err(ScheduleError::NotDue(_))));
    let submitted = new.clone().submit(PayoutId::new(), later).unwrap();
    let refused = submitted.clone().change(change(), admin, later);
    assert_eq!(refused, Err(ScheduleError::NotEditable("processing")));
    assert!(submitted.clone().cancel(later).is_err());
    let paid = submitted.settle(PayoutId::new(), later).unwrap();
    assert_eq!((paid.state, paid.version), (ScheduleState::Processed, 3));
    assert!(paid.clone().fail("late", later, later).is_err());
    assert!(paid.settle(PayoutId::new(), later).is_err());
    assert_eq!(new.cancel(later).unwrap().state, ScheduleState::Cancelled);
}

#[test]
fn a_release_ends_the_waiting_but_not_a_pause_after_a_failure() {
    let one = schedule();
    let at = one.due_at();
    let waiting = one.clone().wait("hold_active".to_owned(), at, at);
    assert_eq!(waiting.next_attempt_at, at + TimeDelta::hours(1));
    assert_eq!(waiting.unblock(at).next_attempt_at, at);
    let (failed, _) = one.fail("declined", at, at).unwrap();
    assert_eq!(failed.unblock(at).next_attempt_at, at + TimeDelta::hours(1));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Submit,
    Settle,
    Fail,
    Wait,
    Unblock,
    Trigger,
    Cancel,
    Change,
}

#[test]
fn what_has_failed_for_good_is_not_submitted_until_it_is_triggered() {
    let mut one = schedule();
    let at = one.due_at();
    for _ in 0..MAX_FAILURES {
        one = one.fail("x", at, at).unwrap().0;
    }
    assert_eq!((one.state, one.retries), (ScheduleState::Failed, MAX_FAILURES));
    assert!(one.clone().submit(PayoutId::new(), at).is_err());
    let triggered = one.trigger(MemberId::new(), false, at).unwrap();
    assert_eq!(triggered.submit(PayoutId::new(), at).unwrap().retries, 0);
}

proptest! {
    #[test]
    fn whatever_happens_versions_grow_and_failures_stay_within_three(
        steps in prop::collection::vec(
            prop::sample::select(vec![
                Step::Submit, Step::Settle, Step::Fail, Step::Wait, Step::Unblock,
                Step::Trigger, Step::Cancel, Step::Change,
            ]),
            0..40,
        )
    ) {
        let (mut one, admin) = (schedule(), MemberId::new());
        let mut at = one.due_at();
        for step in steps {
            at += TimeDelta::minutes(7);
            let before = one.clone();
            let next = match step {
                Step::Submit => before.clone().submit(PayoutId::new(), at),
                Step::Settle => before.clone().settle(PayoutId::new(), at),
                Step::Fail => before.clone().fail("x", at, at).map(|(next, _)| next),
                Step::Wait => Ok(before.clone().wait("y".to_owned(), at, at)),
                Step::Unblock => Ok(before.clone().unblock(at)),
                Step::Trigger => before.clone().trigger(admin, false, at),
                Step::Cancel => before.clone().cancel(at),
                Step::Change => before.clone().change(ScheduleChange::default(), admin, at),
            };
            let Ok(next) = next else { continue };
            prop_assert_eq!(next.version, before.version + 1);
            prop_assert!((0..=MAX_FAILURES).contains(&next.retries));
            prop_assert_eq!(next.state == ScheduleState::Processed, next.processed_at.is_some());
            let over = matches!(before.state, ScheduleState::Processed | ScheduleState::Cancelled);
            prop_assert!(!over || next.state == before.state);
            one = next;
        }
    }
}
