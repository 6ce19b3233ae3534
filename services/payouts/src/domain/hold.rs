//! Money that is kept back until a date, or until somebody lets it go (S2-20 to S2-26).
//!
//! ```text
//! active ─▶ released | cancelled ; a partial release splits off a released child
//! ```
//! While a hold is active, no schedule that it is about is paid.

use quittance_kernel::{MemberId, Method, Money, OrganizationId, Timestamp};
use uuid::Uuid;

use super::payout_machine::InvalidTransition;
use super::schedule::{Change, NewSchedule, Schedule, ScheduleError};

const MAX_REASON: usize = 500;

macro_rules! states {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Where a hold stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum HoldState { $($name),+ }

        impl HoldState {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

states! { Active = "active", Released = "released", Cancelled = "cancelled" }

/// Why nothing was done to a hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("escrow hold {0} not found")]
    NotFound(Uuid),
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("schedule {0} is no schedule of this placement")]
    NoSchedule(Uuid),
    #[error("a hold that is {0} cannot be changed")]
    NotEditable(&'static str),
    #[error("{0} minor units are held, and more would be released")]
    TooMuch(i64),
    #[error("nobody holds or lets go what they are paid themselves")]
    OwnPayout,
    #[error("it was changed since it was read: it has version {0} now")]
    Stale(i64),
}

/// Takes one step, or tells which there are.
pub(crate) fn step(from: HoldState, to: HoldState) -> Result<HoldState, InvalidTransition> {
    let allowed: &[HoldState] = match from {
        HoldState::Active => &[HoldState::Released, HoldState::Cancelled],
        HoldState::Released | HoldState::Cancelled => &[],
    };
    if allowed.contains(&to) {
        return Ok(to);
    }
    Err(InvalidTransition {
        entity: "hold",
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.iter().map(|state| state.as_str()).collect(),
    })
}

/// Money that is kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub id: Uuid,
    pub organization: OrganizationId,
    pub placement: Uuid,
    /// Absent: it keeps back all schedules of the placement.
    pub schedule: Option<Uuid>,
    pub payee: MemberId,
    pub amount: Money,
    /// How it is paid once it is released; absent: it only keeps schedules back.
    pub method: Option<Method>,
    pub reason: String,
    /// When it is released by itself; absent: when somebody does it.
    pub release_at: Option<Timestamp>,
    pub state: HoldState,
    /// The hold that it was split off from.
    pub parent: Option<Uuid>,
    /// When, by whom and why it was released or cancelled.
    pub ended: Option<Ended>,
    pub created_by: MemberId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub at: Timestamp,
    /// Nil when it was the time that released it.
    pub by: MemberId,
    pub why: String,
}

/// What is asked of a new hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewHold {
    pub placement: Uuid,
    pub schedule: Option<Uuid>,
    pub payee: MemberId,
    pub amount: Money,
    pub method: Option<Method>,
    pub reason: String,
    pub release_at: Option<Timestamp>,
}

/// What is changed; absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HoldChange {
    pub reason: Option<String>,
    pub release_at: Change<Timestamp>,
}

/// Checks why something is held or let go.
pub(crate) fn reason(text: &str) -> Result<String, HoldError> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= MAX_REASON;
    if !fits || text.chars().any(|letter| letter.is_control() && letter != '\n') {
        let detail = "must have 1 to 500 characters, and no control characters";
        return Err(HoldError::Field { field: "reason", detail });
    }
    Ok(text.to_owned())
}

impl NewHold {
    pub(crate) fn create(
        self,
        organization: OrganizationId,
        by: MemberId,
        now: Timestamp,
    ) -> Result<Hold, HoldError> {
        if self.payee == by {
            return Err(HoldError::OwnPayout);
        }
        Ok(Hold {
            id: Uuid::now_v7(),
            organization,
            placement: self.placement,
            schedule: self.schedule,
            payee: self.payee,
            amount: self.amount,
            method: self.method,
            reason: reason(&self.reason)?,
            release_at: self.release_at,
            state: HoldState::Active,
            parent: None,
            ended: None,
            created_by: by,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

impl Hold {
    /// Whether it keeps this schedule back.
    #[must_use]
    pub(crate) fn keeps_back(&self, of: &Schedule) -> bool {
        self.state == HoldState::Active && self.is_on(of)
    }

    /// Whether it is, or was, on this schedule. The money of a released hold is kept back by none.
    #[must_use]
    pub(crate) fn is_on(&self, of: &Schedule) -> bool {
        of.hold.is_none()
            && self.organization == of.organization
            && self.placement == of.placement
            && self.schedule.is_none_or(|id| id == of.id)
    }

    /// Changes it while it is active.
    pub(crate) fn change(self, change: HoldChange, now: Timestamp) -> Result<Self, HoldError> {
        if self.state != HoldState::Active {
            return Err(HoldError::NotEditable(self.state.as_str()));
        }
        let reason = match change.reason {
            Some(text) => reason(&text)?,
            None => self.reason.clone(),
        };
        let release_at = change.release_at.over(self.release_at);
        Ok(Self { reason, release_at, version: self.version + 1, updated_at: now, ..self })
    }

    fn end(self, to: HoldState, by: MemberId, why: &str, at: Timestamp) -> Result<Self, HoldError> {
        let state = step(self.state, to)?;
        let ended = Some(Ended { at, by, why: why.to_owned() });
        Ok(Self { state, ended, version: self.version + 1, updated_at: at, ..self })
    }

    /// Lets all of it go.
    pub(crate) fn release(self, by: MemberId, why: &str, at: Timestamp) -> Result<Self, HoldError> {
        self.end(HoldState::Released, by, why, at)
    }

    /// Takes it back, as if nothing had to be kept.
    pub(crate) fn cancel(self, by: MemberId, why: &str, at: Timestamp) -> Result<Self, HoldError> {
        self.end(HoldState::Cancelled, by, why, at)
    }

    /// The schedule by which its money is paid, now that it is released (none if it only kept others
    /// back).
    pub(crate) fn payment(
        &self,
        by: MemberId,
        now: Timestamp,
    ) -> Result<Option<Schedule>, ScheduleError> {
        let Some(method) = self.method.filter(|_| self.state == HoldState::Released) else {
            return Ok(None);
        };
        let new = NewSchedule {
            placement: self.placement,
            payee: self.payee,
            amount: self.amount,
            method,
            reference: String::new(),
            notes: self.reason.clone(),
            hold: Some(self.id),
            scheduled_at: now,
            guarantee_at: None,
        };
        new.create(self.organization, by, now).map(Some)
    }

    /// Lets a part of it go: what is left, and the released part. They sum up to what was held.
    pub(crate) fn release_part(
        self,
        minor: i64,
        by: MemberId,
        why: &str,
        at: Timestamp,
    ) -> Result<(Self, Self), HoldError> {
        step(self.state, HoldState::Released)?;
        if minor <= 0 {
            let detail = "must be greater than zero";
            return Err(HoldError::Field { field: "amount_minor", detail });
        }
        let (held, currency) = (self.amount.minor(), self.amount.currency());
        if held <= minor {
            return Err(HoldError::TooMuch(held));
        }
        let part = Self {
            id: Uuid::now_v7(),
            amount: Money::signed(minor, currency),
            state: HoldState::Released,
            parent: Some(self.id),
            ended: Some(Ended { at, by, why: why.to_owned() }),
            version: 1,
            created_at: at,
            updated_at: at,
            ..self.clone()
        };
        let left = Self {
            amount: Money::signed(held - minor, currency),
            version: self.version + 1,
            updated_at: at,
            ..self
        };
        Ok((left, part))
    }
}

#[cfg(test)]
mod tests;
