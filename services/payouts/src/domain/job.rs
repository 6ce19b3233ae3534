//! Jobs: their timetable, the slots that a run stands for, and what a run has done (product.md,
//! rule 15).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{TimeDelta, Timelike as _};
use quittance_kernel::{Currency, MemberId, Timestamp};
use uuid::Uuid;

/// How far the clock of whoever names a slot may be ahead.
const LEEWAY: TimeDelta = TimeDelta::minutes(1);

/// The most that one run may be asked to claim.
const MAX_LIMIT: i32 = 1_000_000;

/// The most chunks at once.
const MAX_WORKERS: u32 = 16;

/// What runs on a timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Job {
    /// Pays the schedules that are due, daily at 02:00 UTC (S2-40).
    Schedules,
    /// Releases the holds whose time has come, daily at 03:00 UTC (S2-41), and pays the schedules
    /// that this has unblocked.
    Escrow,
}

impl Job {
    pub const ALL: [Self; 2] = [Self::Schedules, Self::Escrow];

    /// As the command line and the table of runs call it (S2-43).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedules => "process-schedules",
            Self::Escrow => "process-escrow",
        }
    }

    /// The hour of its daily slot, in UTC.
    #[must_use]
    pub fn hour(self) -> u32 {
        match self {
            Self::Schedules => 2,
            Self::Escrow => 3,
        }
    }

    /// The last slot of the timetable that has begun at this instant.
    #[must_use]
    pub fn slot_at(self, now: Timestamp) -> Timestamp {
        let shifted = now - TimeDelta::hours(self.hour().into());
        let into_day = TimeDelta::seconds(shifted.num_seconds_from_midnight().into())
            + TimeDelta::nanoseconds(shifted.nanosecond().into());
        now - into_day
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Job {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|job| job.as_str() == text).ok_or(())
    }
}

/// The slots that one run stands for: its own, and those before it that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) at: Timestamp,
    pub(crate) from: Timestamp,
    pub(crate) count: i64,
}

impl Slots {
    /// What a run of this slot catches up on, when `last` was the last slot that was done. However
    /// many were missed, they are one run: what was due then is due now.
    pub(crate) fn cover(job: Job, at: Timestamp, last: Option<Timestamp>) -> Self {
        let day = TimeDelta::days(1);
        let missed = last.map(|last| job.slot_at(last) + day).filter(|first| *first < at);
        let Some(from) = missed else { return Self { at, from: at, count: 1 } };
        let whole = (at - from - TimeDelta::microseconds(1)).num_days();
        Self { at, from, count: whole + 2 }
    }

    /// How many slots before its own were missed.
    pub(crate) fn missed(&self) -> i64 {
        self.count - 1
    }
}

/// Why a job does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    #[error("{0} is running already; see its runs")]
    Running(Job),
    #[error("the slot {0} has not begun")]
    SlotAhead(Timestamp),
    #[error("the limit must be 1 to {MAX_LIMIT}")]
    Limit,
    #[error("a run has 1 to {MAX_WORKERS} workers")]
    Workers,
    #[error("there is no job of this name")]
    Unknown,
    #[error("run {0} not found")]
    RunNotFound(Uuid),
}

/// A checked request to run a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) job: Job,
    /// The slot to run for; without one it is a run on demand, which is never taken for another.
    pub(crate) slot: Option<Timestamp>,
    /// The most to claim.
    pub(crate) limit: Option<u32>,
    /// Chunks that are worked on at once.
    pub(crate) workers: u32,
}

impl Wanted {
    pub(crate) fn new(
        job: Job,
        slot: Option<Timestamp>,
        limit: Option<i32>,
        now: Timestamp,
    ) -> Result<Self, JobError> {
        if let Some(slot) = slot.filter(|slot| now + LEEWAY < *slot) {
            return Err(JobError::SlotAhead(slot));
        }
        let limit = match limit {
            None => None,
            Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Some(limit.unsigned_abs()),
            Some(_) => return Err(JobError::Limit),
        };
        Ok(Self { job, slot, limit, workers: 1 })
    }

    pub(crate) fn with_workers(self, workers: u32) -> Result<Self, JobError> {
        if (1..=MAX_WORKERS).contains(&workers) {
            Ok(Self { workers, ..self })
        } else {
            Err(JobError::Workers)
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunState {
    Running,
    /// Nothing that was due is left.
    Completed,
    /// Ended in good order before everything was done: its time was up, or its limit reached.
    Stopped,
    Failed,
    /// Its process died; the next run has closed it.
    Abandoned,
}

impl RunState {
    pub(crate) const ALL: [Self; 5] =
        [Self::Running, Self::Completed, Self::Stopped, Self::Failed, Self::Abandoned];

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether somebody has to look.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Abandoned)
    }
}

/// What was done: each result counted once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) claimed: i64,
    pub(crate) processed: i64,
    pub(crate) failed: i64,
    pub(crate) retried: i64,
    pub(crate) skipped: i64,
    /// Handed to a provider, whose answer decides.
    pub(crate) submitted: i64,
    pub(crate) unblocked: i64,
    /// Minor units and how many, by currency.
    pub(crate) amounts: BTreeMap<Currency, (i64, i64)>,
}

impl Tally {
    /// Adds what one chunk has done. Sums stop at what a column can hold.
    pub(crate) fn add(&mut self, other: &Self) {
        let parts = [
            (&mut self.claimed, other.claimed),
            (&mut self.processed, other.processed),
            (&mut self.failed, other.failed),
            (&mut self.retried, other.retried),
            (&mut self.skipped, other.skipped),
            (&mut self.submitted, other.submitted),
            (&mut self.unblocked, other.unblocked),
        ];
        for (sum, more) in parts {
            *sum = sum.saturating_add(more);
        }
        for (currency, (minor, count)) in &other.amounts {
            let sum = self.amounts.entry(*currency).or_default();
            sum.0 = sum.0.saturating_add(*minor);
            sum.1 = sum.1.saturating_add(*count);
        }
    }
}

/// One run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobRun {
    pub(crate) id: Uuid,
    pub(crate) job: Job,
    pub(crate) slots: Option<Slots>,
    pub(crate) started_by: MemberId,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) state: RunState,
    pub(crate) tally: Tally,
    pub(crate) duration_ms: i64,
    pub(crate) error: Option<String>,
    pub(crate) version: i64,
}

impl JobRun {
    /// Begins a run.
    pub(crate) fn begin(
        wanted: &Wanted,
        last: Option<Timestamp>,
        by: MemberId,
        at: Timestamp,
    ) -> Self {
        Self {
            id: Uuid::now_v7(),
            job: wanted.job,
            slots: wanted.slot.map(|slot| Slots::cover(wanted.job, slot, last)),
            started_by: by,
            started_at: at,
            finished_at: None,
            state: RunState::Running,
            tally: Tally::default(),
            duration_ms: 0,
            error: None,
            version: 1,
        }
    }

    /// The same run, ended at this instant. Of a process that died nobody knows how long it lived.
    #[must_use]
    pub(crate) fn ended(mut self, state: RunState, error: Option<String>, at: Timestamp) -> Self {
        self.state = state;
        self.error = error;
        self.finished_at = Some(at);
        self.version += 1;
        if state != RunState::Abandoned {
            self.duration_ms = (at - self.started_at).num_milliseconds().max(0);
        }
        self
    }
}

#[cfg(test)]
mod tests;
