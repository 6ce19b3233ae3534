//! A payout that is due on a date, after a guarantee (S2-1 to S2-8).
//!
//! ```text
//! pending ─▶ triggered ─▶ processing ─▶ processed ; processing ─▶ pending (retry) ; 3rd failure ─▶ failed
//! pending|failed ─▶ cancelled ; failed ─▶ triggered (an admin, who resets the count)
//! ```
//! A job claims and settles in one transaction, so that a manual rail is seen to go from `pending`
//! to `processed` in one step. `processing` stands while a provider has not answered.

mod request;

use chrono::TimeDelta;
use quittance_kernel::{MemberId, Method, Money, OrganizationId, PayoutId, Timestamp};
use uuid::Uuid;

pub(crate) use self::request::{Change, NewSchedule, ScheduleChange};
use self::request::{notes, reference};
use super::payout_machine::InvalidTransition;

/// How often a schedule fails before nobody tries any more (rule 15).
pub(crate) const MAX_FAILURES: i64 = 3;

/// The pauses after the first and the second failure.
const BACKOFF: [TimeDelta; 2] = [TimeDelta::hours(1), TimeDelta::hours(6)];

/// How long a schedule that may not be paid is left alone, unless what stands in its way goes.
const LOOK_AGAIN: TimeDelta = TimeDelta::hours(1);

macro_rules! states {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Where a schedule stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ScheduleState { $($name),+ }

        impl ScheduleState {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

states! {
    Pending = "pending",
    Triggered = "triggered",
    Processing = "processing",
    Processed = "processed",
    Failed = "failed",
    Cancelled = "cancelled",
}

/// Why nothing was done to a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("payout schedule {0} not found")]
    NotFound(Uuid),
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("a schedule that is {0} cannot be changed")]
    NotEditable(&'static str),
    #[error("nobody schedules, changes or triggers their own payout")]
    OwnPayout,
    #[error("an escrow hold keeps it back")]
    Held,
    #[error("its guarantee ends only at {0}")]
    NotDue(Timestamp),
    #[error("a payout of it is still on its way")]
    InPayout,
    #[error("it was changed since it was read: it has version {0} now")]
    Stale(i64),
}

fn onward(from: ScheduleState) -> &'static [ScheduleState] {
    use ScheduleState::{Cancelled, Failed, Pending, Processed, Processing, Triggered};
    match from {
        Pending | Failed => &[Triggered, Cancelled],
        Triggered => &[Processing],
        Processing => &[Processed, Pending, Failed],
        Processed | Cancelled => &[],
    }
}

/// Takes one step, or tells which there are.
pub(crate) fn step(
    from: ScheduleState,
    to: ScheduleState,
) -> Result<ScheduleState, InvalidTransition> {
    let allowed = onward(from);
    if allowed.contains(&to) {
        return Ok(to);
    }
    Err(InvalidTransition {
        entity: "schedule",
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.iter().map(|state| state.as_str()).collect(),
    })
}

/// A payout that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub id: Uuid,
    pub organization: OrganizationId,
    pub placement: Uuid,
    pub payee: MemberId,
    pub amount: Money,
    pub method: Method,
    pub reference: String,
    pub notes: String,
    /// The released hold whose money it pays; no other hold keeps that back.
    pub hold: Option<Uuid>,
    pub scheduled_at: Timestamp,
    /// When the guarantee is completed; absent when there is none to wait for.
    pub guarantee_at: Option<Timestamp>,
    pub state: ScheduleState,
    /// The last payout that was made of it.
    pub payout: Option<PayoutId>,
    pub processed_at: Option<Timestamp>,
    /// Why it failed the last time.
    pub failure: String,
    pub retries: i64,
    pub last_retry_at: Option<Timestamp>,
    /// When it is looked at next.
    pub next_attempt_at: Timestamp,
    /// What stood in its way when it was looked at; empty if nothing did.
    pub waiting_for: String,
    pub created_by: MemberId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It is tried again later.
    Retried,
    /// For good.
    Final,
}

impl Schedule {
    /// Its date, or the end of its guarantee if that is later.
    #[must_use]
    pub(crate) fn due_at(&self) -> Timestamp {
        self.guarantee_at.map_or(self.scheduled_at, |guarantee| guarantee.max(self.scheduled_at))
    }

    /// Whether the guarantee is completed (rule 17: from its end on).
    #[must_use]
    pub(crate) fn is_guaranteed_until(&self, at: Timestamp) -> bool {
        self.guarantee_at.is_some_and(|guarantee| at < guarantee)
    }

    fn becomes(self, state: ScheduleState, now: Timestamp) -> Self {
        Self { state, version: self.version + 1, updated_at: now, ..self }
    }

    /// Changes it while nothing is on its way: edits are for `pending` and `failed` only.
    pub(crate) fn change(
        self,
        change: ScheduleChange,
        by: MemberId,
        now: Timestamp,
    ) -> Result<Self, ScheduleError> {
        match self.state {
            ScheduleState::Pending | ScheduleState::Failed => {}
            ScheduleState::Triggered
            | ScheduleState::Processing
            | ScheduleState::Processed
            | ScheduleState::Cancelled => {
                return Err(ScheduleError::NotEditable(self.state.as_str()));
            }
        }
        let payee = change.payee.unwrap_or(self.payee);
        if payee == by || self.payee == by {
            return Err(ScheduleError::OwnPayout);
        }
        let dated = change.scheduled_at.is_some() || change.guarantee_at != Change::Keep;
        let changed = Self {
            payee,
            amount: change.amount.unwrap_or(self.amount),
            method: change.method.unwrap_or(self.method),
            reference: match change.reference {
                Some(text) => reference(&text)?,
                None => self.reference.clone(),
            },
            notes: match change.notes {
                Some(text) => notes(&text)?,
                None => self.notes.clone(),
            },
            scheduled_at: change.scheduled_at.unwrap_or(self.scheduled_at),
            guarantee_at: change.guarantee_at.over(self.guarantee_at),
            ..self
        };
        // Dates do not shorten a pause after a failure; nor does anything else here.
        let next = if dated && changed.retries == 0 {
            changed.due_at()
        } else {
            changed.next_attempt_at.max(changed.due_at())
        };
        let state = changed.state;
        Ok(Self {
            next_attempt_at: next,
            waiting_for: String::new(),
            ..changed.becomes(state, now)
        })
    }

    /// Gives it up.
    pub(crate) fn cancel(self, now: Timestamp) -> Result<Self, ScheduleError> {
        let state = step(self.state, ScheduleState::Cancelled)?;
        Ok(self.becomes(state, now))
    }

    /// Makes it due now, whatever its date, and counts failures anew (S2-8). A guarantee that runs
    /// is not passed over, and neither is a hold.
    pub(crate) fn trigger(
        self,
        by: MemberId,
        held: bool,
        now: Timestamp,
    ) -> Result<Self, ScheduleError> {
        let state = step(self.state, ScheduleState::Triggered)?;
        if self.payee == by {
            return Err(ScheduleError::OwnPayout);
        }
        if held {
            return Err(ScheduleError::Held);
        }
        if let Some(end) = self.guarantee_at.filter(|end| now < *end) {
            return Err(ScheduleError::NotDue(end));
        }
        let triggered = self.becomes(state, now);
        let waiting_for = String::new();
        Ok(Self { retries: 0, next_attempt_at: now, waiting_for, ..triggered })
    }

    /// Claims it, by way of `triggered`.
    fn claimed(&self) -> Result<ScheduleState, InvalidTransition> {
        let triggered = match self.state {
            ScheduleState::Processing => return Ok(self.state),
            ScheduleState::Triggered => self.state,
            ScheduleState::Pending
            | ScheduleState::Failed
            | ScheduleState::Processed
            | ScheduleState::Cancelled => step(self.state, ScheduleState::Triggered)?,
        };
        step(triggered, ScheduleState::Processing)
    }

    /// What has failed for good is triggered by an admin before it is tried again, so that no
    /// failure is counted beyond the last.
    fn has_tries_left(&self) -> Result<(), InvalidTransition> {
        if self.state == ScheduleState::Failed {
            step(self.state, ScheduleState::Processing)?;
        }
        Ok(())
    }

    /// A provider is to pay it.
    pub(crate) fn submit(self, payout: PayoutId, now: Timestamp) -> Result<Self, ScheduleError> {
        self.has_tries_left()?;
        let state = self.claimed()?;
        let waiting_for = String::new();
        Ok(Self { payout: Some(payout), waiting_for, ..self.becomes(state, now) })
    }

    /// Its payout stands in the pay queue, or its provider has paid.
    pub(crate) fn settle(self, payout: PayoutId, now: Timestamp) -> Result<Self, ScheduleError> {
        let state = step(self.claimed()?, ScheduleState::Processed)?;
        let waiting_for = String::new();
        let settled = self.becomes(state, now);
        let (failure, processed_at) = (String::new(), Some(now));
        Ok(Self { payout: Some(payout), processed_at, failure, waiting_for, ..settled })
    }

    /// Counts a failure, once: it is tried again after an hour and after six, and then no more.
    pub(crate) fn fail(
        self,
        why: &str,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(Self, Failed), ScheduleError> {
        self.has_tries_left()?;
        let retries = self.retries + 1;
        let pause = usize::try_from(retries - 1).ok().and_then(|place| BACKOFF.get(place));
        let (to, how) = match pause {
            Some(_) if retries < MAX_FAILURES => (ScheduleState::Pending, Failed::Retried),
            Some(_) | None => (ScheduleState::Failed, Failed::Final),
        };
        let state = step(self.claimed()?, to)?;
        let next_attempt_at = pause.and_then(|pause| at.checked_add_signed(*pause)).unwrap_or(at);
        let failed = Self {
            retries,
            last_retry_at: Some(at),
            next_attempt_at,
            failure: why.to_owned(),
            waiting_for: String::new(),
            ..self.becomes(state, now)
        };
        Ok((failed, how))
    }

    /// Leaves it as it is for a while, since something stands in its way.
    pub(crate) fn wait(self, why: String, at: Timestamp, now: Timestamp) -> Self {
        let state = self.state;
        let next_attempt_at = at.checked_add_signed(LOOK_AGAIN).unwrap_or(at);
        Self { next_attempt_at, waiting_for: why, ..self.becomes(state, now) }
    }

    /// Looks at it again at once, since its last hold was released. A pause after a failure goes on.
    pub(crate) fn unblock(self, now: Timestamp) -> Self {
        let (state, due_at) = (self.state, self.due_at());
        let again = if self.waiting_for.is_empty() { self.next_attempt_at } else { due_at };
        Self { next_attempt_at: again, waiting_for: String::new(), ..self.becomes(state, now) }
    }
}

#[cfg(test)]
mod tests;
