use quittance_kernel::Currency;

use super::*;

fn attempt(state: AttemptState, number: i64) -> Attempt {
    Attempt {
        id: Uuid::now_v7(),
        payout: PayoutId::new(),
        number,
        state,
        rail: "stripe".to_owned(),
        account: "acct_ok_1".to_owned(),
        amount: Money::signed(100, Currency::KZT),
        asked: 0,
        version: 1,
    }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

#[test]
fn every_step_of_an_attempt_goes_as_drawn_or_is_refused() {
    use AttemptState::{Created, FailedRetryable, FailedTerminal, Submitted, Succeeded, Unknown};
    let drawn = [
        (Created, Submitted),
        (Submitted, Succeeded),
        (Submitted, FailedRetryable),
        (Submitted, FailedTerminal),
        (Submitted, Unknown),
        (Unknown, Succeeded),
        (Unknown, FailedRetryable),
        (Unknown, FailedTerminal),
    ];
    for from in AttemptState::ALL.iter().copied() {
        for to in AttemptState::ALL.iter().copied() {
            assert_eq!(step(from, to).is_ok(), drawn.contains(&(from, to)), "{from:?} {to:?}");
        }
    }
    let refused = step(Succeeded, Submitted).unwrap_err();
    assert_eq!((refused.entity, refused.allowed.len()), ("attempt", 0));
}

#[test]
fn every_answer_in_every_state_moves_attempt_and_payout_together() {
    let code = || "busy".to_owned();
    let answers = [
        Answer::Sent { reference: code() },
        Answer::Declined { code: code() },
        Answer::Retryable { code: code() },
        Answer::Unknown,
    ];
    for state in AttemptState::ALL.iter().copied() {
        for number in 1..=MAX_ATTEMPTS {
            for answer in &answers {
                let concluded = conclude(&attempt(state, number), answer, now());
                if !matches!(state, AttemptState::Submitted | AttemptState::Unknown) {
                    assert!(concluded.is_err(), "{state:?} {answer:?}");
                    continue;
                }
                let concluded = concluded.unwrap();
                let unknown = state == AttemptState::Unknown;
                let last = unknown || number == MAX_ATTEMPTS;
                let (to, payout, another) = match answer {
                    Answer::Sent { .. } => (AttemptState::Succeeded, Some(Command::Settle), false),
                    Answer::Declined { .. } => {
                        (AttemptState::FailedTerminal, Some(Command::Fail), false)
                    }
                    Answer::Retryable { .. } => {
                        (AttemptState::FailedRetryable, last.then_some(Command::Fail), !last)
                    }
                    Answer::Unknown => {
                        (AttemptState::Unknown, (!unknown).then_some(Command::LoseSight), false)
                    }
                };
                let seen = (concluded.state, concluded.payout, concluded.another);
                assert_eq!(seen, (to, payout, another), "{state:?} {number} {answer:?}");
                let waits = another || to == AttemptState::Unknown;
                assert_eq!(concluded.again_at.is_some(), waits);
            }
        }
    }
}

#[test]
fn the_pauses_grow_and_end() {
    let asked = |asked| Attempt { asked, ..attempt(AttemptState::Unknown, 1) };
    let pause = |times| {
        let concluded = conclude(&asked(times), &Answer::Unknown, now()).unwrap();
        (concluded.again_at.unwrap() - now()).num_milliseconds()
    };
    assert_eq!((pause(0), pause(1), pause(4)), (250, 500, 4_000));
    assert_eq!((pause(40), pause(i64::MAX)), (LONGEST_ASK_MS, LONGEST_ASK_MS));
}

#[test]
fn a_batch_ends_as_its_payouts_did() {
    assert_eq!(batch_state(3, 0), "completed");
    assert_eq!(batch_state(0, 3), "failed");
    assert_eq!(batch_state(1, 2), "partially_completed");
}
