use proptest::prelude::*;
use quittance_kernel::Currency;

use super::*;

fn charge(state: ChargeState, number: i64) -> ChargeAttempt {
    let now = Timestamp::default();
    ChargeAttempt {
        id: Uuid::now_v7(),
        organization: OrganizationId::new(),
        purpose: Purpose::Payout,
        subject: Uuid::now_v7(),
        product: ProductId::new(),
        payer: MemberId::new(),
        number,
        state,
        customer: String::new(),
        payment_method: "pm_ok".to_owned(),
        quote: Quote {
            currency: Currency::USD,
            value: 100,
            tip: 0,
            platform_fee: 10,
            processor_fee: 5,
            rounding: 0,
            total: 115,
        },
        reference: String::new(),
        code: String::new(),
        asked: 0,
        refunded: 0,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

fn said() -> impl Strategy<Value = Charged> {
    prop_oneof![
        Just(Charged::Succeeded { reference: "py_1".to_owned() }),
        Just(Charged::NeedsAction { reference: "py_1".to_owned() }),
        Just(Charged::Declined { code: "card_declined".to_owned() }),
        Just(Charged::Retryable { code: "provider_busy".to_owned() }),
        Just(Charged::Unknown),
    ]
}

#[test]
fn a_payer_who_has_to_confirm_is_asked_about_until_it_is_done() {
    let now = Timestamp::default();
    let waiting = charge(ChargeState::NeedsAction, 1);
    let unclear = conclude(&waiting, &Charged::Unknown, now).unwrap();
    assert_eq!((unclear.state, unclear.funded), (ChargeState::NeedsAction, None));
    assert!(unclear.again_at.is_some_and(|at| now < at));
    let over = conclude(&waiting, &Charged::Succeeded { reference: String::new() }, now).unwrap();
    assert_eq!((over.state, over.funded), (ChargeState::Succeeded, Some(true)));
}

#[test]
fn an_unknown_charge_is_never_followed_by_another() {
    let now = Timestamp::default();
    let busy = Charged::Retryable { code: "provider_busy".to_owned() };
    let lost = conclude(&charge(ChargeState::Unknown, 1), &busy, now).unwrap();
    assert_eq!((lost.funded, lost.another), (Some(false), false));
    let first = conclude(&charge(ChargeState::Submitted, 1), &busy, now).unwrap();
    assert_eq!((first.funded, first.another), (None, true));
    let third = conclude(&charge(ChargeState::Submitted, MAX_ATTEMPTS), &busy, now).unwrap();
    assert_eq!((third.funded, third.another), (Some(false), false));
}

#[test]
fn a_refund_that_is_not_known_is_said_again() {
    let (now, refunding) = (Timestamp::default(), charge(ChargeState::Refunding, 1));
    let (stands, again) = conclude_refund(&refunding, &Answer::Unknown, now);
    assert!(stands == ChargeState::Refunding && again.is_some());
    let sent = Answer::Sent { reference: "re_1".to_owned() };
    assert_eq!(conclude_refund(&refunding, &sent, now), (ChargeState::Refunded, None));
}

proptest! {
    /// Whatever a provider says in whatever order: money is taken at most once, what was taken stays
    /// taken, and another charge begins only after one that is certain to take nothing.
    #[test]
    fn answers_in_any_order_charge_at_most_once(all in proptest::collection::vec(said(), 1..40)) {
        let now = Timestamp::default();
        let mut live = charge(ChargeState::Submitted, 1);
        let mut taken = 0;
        for said in all {
            let Ok(follows) = conclude(&live, &said, now) else { continue };
            prop_assert!(step(live.state, follows.state).is_ok() || live.state == follows.state);
            prop_assert_eq!(follows.another, follows.funded.is_none()
                && follows.state == ChargeState::FailedRetryable);
            prop_assert!(follows.funded.is_some() || follows.again_at.is_some());
            taken += i32::from(follows.funded == Some(true));
            live.state = follows.state;
            live.asked += 1;
            if follows.another {
                live = live.another(now);
                live.state = ChargeState::Submitted;
                prop_assert!(live.number <= MAX_ATTEMPTS);
            }
        }
        prop_assert!(taken <= 1);
        prop_assert_eq!(taken == 1, live.state == ChargeState::Succeeded);
    }
}
