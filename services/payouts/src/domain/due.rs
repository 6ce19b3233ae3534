//! What becomes of a schedule that a job has claimed (S2-7).

use quittance_kernel::{EarningId, PayoutId, PayoutItemId, Timestamp};

use super::earning::Earning;
use super::eligibility::{Reason, Scheduled, eligible_schedule};
use super::schedule::{Failed, Schedule, ScheduleError};

/// A claimed schedule, with everything that its decision depends on.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub schedule: Schedule,
    pub held: bool,
    /// Its earning, if it has been tried before.
    pub earning: Option<Earning>,
    /// Where its provider pays to; nothing if nobody can be paid there.
    pub account: Option<String>,
    pub cooling: bool,
    pub below_minimum: bool,
}

/// The payout that is made of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub payout: PayoutId,
    pub item: PayoutItemId,
    pub earning: EarningId,
    /// The version of its earning, if there was one.
    pub was: Option<i64>,
    /// Where a provider pays to; absent when a person moves the money.
    pub account: Option<String>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its payout stands in the pay queue, for a person to move the money.
    Queued(Payment),
    /// A provider is to pay it.
    Submitted(Payment),
    /// It could not be paid: counted.
    Failed(Failed),
    /// Something stands in its way: not counted.
    Waits,
}

/// A decision, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub before: Schedule,
    pub after: Schedule,
    pub outcome: Outcome,
}

impl Decided {
    /// The payout that is made, if one is.
    pub(crate) fn payment(&self) -> Option<&Payment> {
        match &self.outcome {
            Outcome::Queued(payment) | Outcome::Submitted(payment) => Some(payment),
            Outcome::Failed(_) | Outcome::Waits => None,
        }
    }
}

/// Decides about a claimed schedule as of `at`; `now` is when it is written.
pub(crate) fn decide(
    candidate: Candidate,
    at: Timestamp,
    now: Timestamp,
) -> Result<Decided, ScheduleError> {
    let before = candidate.schedule;
    let manual = before.method.is_manual();
    let reasons = eligible_schedule(&Scheduled {
        // What an admin has triggered does not wait for its date.
        due: before.next_attempt_at <= at && !before.is_guaranteed_until(at),
        held: candidate.held,
        earning: candidate.earning.as_ref(),
        onboarded: manual || candidate.account.is_some(),
        cooling: candidate.cooling,
        below_minimum: candidate.below_minimum,
    });
    let claimed = before.clone();
    let (after, outcome) = match reasons.as_slice() {
        [] => {
            let payment = Payment {
                payout: PayoutId::new(),
                item: PayoutItemId::new(),
                earning: candidate.earning.map_or_else(EarningId::new, |earning| earning.id),
                was: candidate.earning.map(|earning| earning.version),
                account: candidate.account.filter(|_| !manual),
            };
            if manual {
                (claimed.settle(payment.payout, now)?, Outcome::Queued(payment))
            } else {
                (claimed.submit(payment.payout, now)?, Outcome::Submitted(payment))
            }
        }
        // Nobody but the payee can do anything about it: they are told after the third time.
        [Reason::PayeeNotOnboarded] => {
            let (after, how) = claimed.fail(Reason::PayeeNotOnboarded.as_str(), at, now)?;
            (after, Outcome::Failed(how))
        }
        reasons => {
            let words: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            (claimed.wait(words.join(","), at, now), Outcome::Waits)
        }
    };
    Ok(Decided { before, after, outcome })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use quittance_kernel::{Currency, MemberId, Method, Money, OrganizationId};
    use uuid::Uuid;

    use super::*;
    use crate::domain::schedule::{NewSchedule, ScheduleState};

    fn noon() -> Timestamp {
        "2026-05-08T12:00:00Z".parse().unwrap()
    }

    fn candidate(method: Method) -> Candidate {
        let schedule = NewSchedule {
            placement: Uuid::now_v7(),
            payee: MemberId::new(),
            amount: Money::signed(100, Currency::USD),
            method,
            reference: String::new(),
            notes: String::new(),
            hold: None,
            scheduled_at: noon(),
            guarantee_at: None,
        }
        .create(OrganizationId::new(), MemberId::new(), noon())
        .unwrap();
        Candidate {
            schedule,
            held: false,
            earning: None,
            account: None,
            cooling: false,
            below_minimum: false,
        }
    }

    #[test]
    fn a_manual_one_is_queued_and_a_provider_is_asked_to_pay_the_other() {
        let queued = decide(candidate(Method::Bank), noon(), noon()).unwrap();
        assert_eq!(queued.after.state, ScheduleState::Processed);
        assert!(matches!(queued.outcome, Outcome::Queued(_)));
        let account = Some("acct_ok_1".to_owned());
        let onboarded = Candidate { account, ..candidate(Method::Stripe) };
        let submitted = decide(onboarded, noon(), noon()).unwrap();
        assert_eq!(submitted.after.state, ScheduleState::Processing);
        assert_eq!(submitted.payment().unwrap().account.as_deref(), Some("acct_ok_1"));
    }

    #[test]
    fn a_hold_makes_it_wait_and_a_missing_account_fail() {
        let held = Candidate { held: true, ..candidate(Method::Stripe) };
        let waits = decide(held, noon(), noon()).unwrap();
        assert_eq!(waits.outcome, Outcome::Waits);
        assert_eq!(waits.after.waiting_for, "hold_active,payee_not_onboarded");
        assert_eq!(waits.after.retries, 0);
        let failed = decide(candidate(Method::Stripe), noon(), noon()).unwrap();
        assert_eq!(failed.outcome, Outcome::Failed(Failed::Retried));
        assert_eq!(
            (failed.after.retries, failed.after.failure.as_str()),
            (1, "payee_not_onboarded")
        );
        let early =
            decide(candidate(Method::Bank), noon() - TimeDelta::seconds(1), noon()).unwrap();
        assert_eq!(early.after.waiting_for, "schedule_not_due");
    }
}
