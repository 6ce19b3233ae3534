//! What is asked for when a schedule is made or changed.

use quittance_kernel::{MemberId, Method, Money, OrganizationId, Timestamp};
use uuid::Uuid;

use super::{Schedule, ScheduleError, ScheduleState};

const MAX_REFERENCE: usize = 255;
const MAX_NOTES: usize = 2_000;

/// What is asked of a new schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewSchedule {
    pub placement: Uuid,
    pub payee: MemberId,
    pub amount: Money,
    pub method: Method,
    pub reference: String,
    pub notes: String,
    pub hold: Option<Uuid>,
    pub scheduled_at: Timestamp,
    pub guarantee_at: Option<Timestamp>,
}

/// What becomes of something that may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    /// From an edit that can set, or clear.
    pub(crate) fn of(value: Option<T>, clear: bool) -> Self {
        match value {
            _ if clear => Self::Clear,
            Some(value) => Self::Set(value),
            None => Self::Keep,
        }
    }

    pub(crate) fn over(self, was: Option<T>) -> Option<T> {
        match self {
            Self::Keep => was,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// What is changed; absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScheduleChange {
    pub payee: Option<MemberId>,
    pub amount: Option<Money>,
    pub method: Option<Method>,
    pub reference: Option<String>,
    pub notes: Option<String>,
    pub scheduled_at: Option<Timestamp>,
    pub guarantee_at: Change<Timestamp>,
}

/// Checks the reference under which it will be paid.
pub(super) fn reference(text: &str) -> Result<String, ScheduleError> {
    let text = text.trim();
    if MAX_REFERENCE < text.chars().count() || text.chars().any(char::is_control) {
        let detail = "must have at most 255 characters, and no control characters";
        return Err(ScheduleError::Field { field: "reference", detail });
    }
    Ok(text.to_owned())
}

/// Checks what was noted.
pub(super) fn notes(text: &str) -> Result<String, ScheduleError> {
    let text = text.trim();
    if MAX_NOTES < text.chars().count() {
        let detail = "must have at most 2,000 characters";
        return Err(ScheduleError::Field { field: "notes", detail });
    }
    Ok(text.to_owned())
}

impl NewSchedule {
    /// A schedule that waits for its date. Nobody schedules a payout to themselves (rule 8).
    pub(crate) fn create(
        self,
        organization: OrganizationId,
        by: MemberId,
        now: Timestamp,
    ) -> Result<Schedule, ScheduleError> {
        if self.payee == by {
            return Err(ScheduleError::OwnPayout);
        }
        let schedule = Schedule {
            id: Uuid::now_v7(),
            organization,
            placement: self.placement,
            payee: self.payee,
            amount: self.amount,
            method: self.method,
            reference: reference(&self.reference)?,
            notes: notes(&self.notes)?,
            hold: self.hold,
            scheduled_at: self.scheduled_at,
            guarantee_at: self.guarantee_at,
            state: ScheduleState::Pending,
            payout: None,
            processed_at: None,
            failure: String::new(),
            retries: 0,
            last_retry_at: None,
            next_attempt_at: self.scheduled_at,
            waiting_for: String::new(),
            created_by: by,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        Ok(Schedule { next_attempt_at: schedule.due_at(), ..schedule })
    }
}
