//! One run of a job, from its turn to its report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use quittance_chassis::db::{Db, WriteError, retrying};
use quittance_chassis::fail_point;
use quittance_chassis::problem::{Problem as _, chain};
use quittance_kernel::{Ctx, Timestamp, TimestampExt as _};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Watch;
use super::turn::Turn;
use super::work::{Step, Work};
use crate::app::Error;
use crate::domain::job::{Job, JobError, JobRun, RunState, Tally, Wanted};
use crate::metrics::METRICS;
use crate::store;

/// How many rows are claimed and settled at once.
const CHUNK: u32 = 500;

/// How often a run for a slot asks whether it is its turn.
const ASK: Duration = Duration::from_millis(250);

/// How often a run notes how far it is, and asks whether it is still its turn.
const PULSE: Duration = Duration::from_secs(1);

/// When a run stops by itself.
pub(super) struct Limits {
    pub(super) until: Instant,
    pub(super) stop: CancellationToken,
    pub(super) watch: Watch,
}

impl Limits {
    fn over(&self) -> bool {
        self.stop.is_cancelled() || self.until <= Instant::now()
    }
}

/// A run, and whether it was there before it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) run: JobRun,
    pub(crate) already: bool,
}

/// Runs a job when it is its turn. For a slot it waits for another run to end; on demand it does not.
pub(super) async fn carry_out<W: Work>(
    db: &Db,
    work: W,
    ctx: &Ctx,
    wanted: Wanted,
    limits: Limits,
) -> Result<Ran, Error> {
    let asked = Instant::now();
    let mut turn = Turn::new(db, wanted.job);
    while !turn.holds().await {
        let Some(slot) = wanted.slot else { return Err(JobError::Running(wanted.job).into()) };
        if let Some(run) = store::job::covering(db, wanted.job, slot).await? {
            return Ok(Ran { run, already: true });
        }
        if limits.over() {
            return Err(JobError::Running(wanted.job).into());
        }
        tokio::time::sleep(ASK).await;
    }
    let ctx = Ctx { now: later(ctx.now, asked.elapsed()), ..ctx.clone() };
    let (run, resumed) = match begin(db, &ctx, &wanted).await {
        Ok(Begun::Anew { run, resumed }) => (run, resumed),
        Ok(Begun::Done(run)) => {
            turn.resign().await;
            return Ok(Ran { run, already: true });
        }
        Err(error) => {
            turn.resign().await;
            return Err(error);
        }
    };
    let runner = Arc::new(Runner {
        db: db.clone(),
        work,
        wanted,
        at: run.started_at,
        left: AtomicU32::new(wanted.limit.unwrap_or(u32::MAX)),
        halted: AtomicBool::new(false),
        state: Mutex::new(UnderWay { run, turn, pulse: Instant::now() }),
        limits,
    });
    let began = Instant::now();
    let ended = runner.drain(resumed).await;
    let run = runner.state.lock().await.run.clone();
    let run = finish(db, &ctx, run, ended, began.elapsed()).await;
    if let Ok(runner) = Arc::try_unwrap(runner).map_err(|_| ()) {
        runner.state.into_inner().turn.resign().await;
    }
    run.map(|run| Ran { run, already: false })
}

enum Begun {
    /// `resumed` after a run whose process died.
    Anew { run: JobRun, resumed: bool },
    /// The slot is done.
    Done(JobRun),
}

/// Writes that a run has begun. It is our turn: a row that says otherwise is of a process that died.
async fn begin(db: &Db, ctx: &Ctx, wanted: &Wanted) -> Result<Begun, Error> {
    let job = wanted.job;
    let dead = store::job::running(db, job).await?;
    if let Some(slot) = wanted.slot
        && let Some(done) = store::job::covering(db, job, slot).await?
        && done.state == RunState::Completed
    {
        return Ok(Begun::Done(done));
    }
    let last = store::job::last_done(db, job).await?;
    let last = last.and_then(|run| run.slots).map(|slots| slots.at);
    let run = JobRun::begin(wanted, last, ctx.member(), ctx.now);
    let dead = dead.map(|dead| {
        let why = "its process ended without a word".to_owned();
        dead.ended(RunState::Abandoned, Some(why), ctx.now)
    });
    let written = retrying(|| store::job::begin(ctx, db.service(), &run, dead.as_ref()).commit(db));
    match written.await {
        Ok(()) => {}
        // Somebody has taken the turn from us.
        Err(WriteError::Duplicate(_) | WriteError::Stale) => {
            return Err(JobError::Running(job).into());
        }
        Err(error) => return Err(Error::Write(error)),
    }
    if let Some(dead) = &dead {
        tracing::warn!(%job, run = %dead.id, "a run was abandoned by its process");
        METRICS.job_ended(dead);
    }
    if let Some(slots) = run.slots.filter(|slots| slots.missed() > 0) {
        tracing::warn!(%job, from = %slots.from, missed = slots.missed(), "missed slots are caught up");
    }
    tracing::info!(%job, run = %run.id, slot = ?wanted.slot, "the job begins");
    Ok(Begun::Anew { run, resumed: dead.is_some() })
}

/// Writes how a run has ended, and tells it.
async fn finish(
    db: &Db,
    ctx: &Ctx,
    run: JobRun,
    ended: Result<RunState, Error>,
    took: Duration,
) -> Result<JobRun, Error> {
    let ctx = Ctx { now: later(run.started_at, took), ..ctx.clone() };
    let (state, error) = match ended {
        Ok(state) => (state, None),
        Err(error) => {
            tracing::error!(job = %run.job, run = %run.id, error = chain(&error), "the job failed");
            // What a person may read; the rest is in the log.
            (RunState::Failed, Some(format!("{}: {error}", error.reason())))
        }
    };
    let run = run.ended(state, error, ctx.now);
    match retrying(|| store::job::end(&ctx, db.service(), &run).commit(db)).await {
        Ok(()) => {}
        // Whoever took our turn has closed it as abandoned.
        Err(WriteError::Stale) => {
            return Ok(store::job::find(db, run.id).await?.unwrap_or(run));
        }
        Err(error) => return Err(Error::Write(error)),
    }
    METRICS.job_ended(&run);
    let tally = &run.tally;
    tracing::info!(
        job = %run.job,
        run = %run.id,
        slot = ?run.slots.map(|slots| slots.at),
        state = run.state.as_str(),
        claimed = tally.claimed,
        processed = tally.processed,
        failed = tally.failed,
        retried = tally.retried,
        skipped = tally.skipped,
        submitted = tally.submitted,
        unblocked = tally.unblocked,
        duration_ms = run.duration_ms,
        "the job has ended"
    );
    Ok(run)
}

/// What the workers of a run share.
struct Runner<W> {
    db: Db,
    work: W,
    wanted: Wanted,
    /// What is due at this instant is worked off; what becomes due later is for the next run.
    at: Timestamp,
    /// How many may still be claimed.
    left: AtomicU32,
    halted: AtomicBool,
    state: Mutex<UnderWay>,
    limits: Limits,
}

struct UnderWay {
    run: JobRun,
    turn: Turn,
    pulse: Instant,
}

/// How a worker ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Drained,
    Stopped,
}

impl<W: Work> Runner<W> {
    /// Works off what is due, step by step. A release makes schedules due that are paid in the same
    /// run; so is what a run that died in between had released.
    async fn drain(self: &Arc<Self>, resumed: bool) -> Result<RunState, Error> {
        for (place, step) in Step::of(self.wanted.job).iter().enumerate() {
            let follows = place > 0 && self.wanted.job == Job::Escrow;
            if follows && !resumed && self.state.lock().await.run.tally.unblocked == 0 {
                break;
            }
            let mut workers = JoinSet::new();
            for _ in 0..self.wanted.workers {
                workers.spawn(Arc::clone(self).work_off(*step));
            }
            let ends: Result<Vec<End>, Error> = workers.join_all().await.into_iter().collect();
            if ends?.contains(&End::Stopped) {
                return Ok(RunState::Stopped);
            }
        }
        Ok(RunState::Completed)
    }

    async fn work_off(self: Arc<Self>, step: Step) -> Result<End, Error> {
        let end = self.chunks(step).await;
        if end.is_err() {
            self.halted.store(true, Ordering::Relaxed);
        }
        end
    }

    async fn chunks(&self, step: Step) -> Result<End, Error> {
        loop {
            if self.halted.load(Ordering::Relaxed) || self.limits.over() {
                return Ok(End::Stopped);
            }
            let Some(limit) = self.reserve() else { return Ok(End::Stopped) };
            let done = self.work.chunk(step, self.at, limit).await?;
            let claimed = u32::try_from(done.claimed).unwrap_or(limit).min(limit);
            self.left.fetch_add(limit - claimed, Ordering::Relaxed);
            if claimed == 0 {
                return Ok(End::Drained);
            }
            if !self.note(&done).await? {
                return Ok(End::Stopped);
            }
            fail_point!("job::after_chunk");
        }
    }

    /// Takes a chunk's share of what may still be claimed.
    fn reserve(&self) -> Option<u32> {
        let take = |left: u32| Some(left - left.min(CHUNK));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let (Ok(before) | Err(before)) = before;
        Some(before.min(CHUNK)).filter(|share| *share > 0)
    }

    /// Counts a chunk. `false` when the turn was lost: somebody else goes on.
    async fn note(&self, done: &Tally) -> Result<bool, Error> {
        let mut state = self.state.lock().await;
        state.run.tally.add(done);
        (self.limits.watch)(&state.run.tally);
        if state.pulse.elapsed() < PULSE {
            return Ok(true);
        }
        state.pulse = Instant::now();
        if !state.turn.holds().await {
            return Ok(false);
        }
        state.run.version += 1;
        let written = retrying(|| store::job::progress(&state.run).commit(&self.db)).await;
        match written {
            Ok(()) => Ok(true),
            Err(WriteError::Stale) => Ok(false),
            Err(error) => {
                state.run.version -= 1;
                Err(Error::Write(error))
            }
        }
    }
}

/// An instant that long after another.
fn later(instant: Timestamp, by: Duration) -> Timestamp {
    instant
        .checked_add_signed(TimeDelta::from_std(by).unwrap_or_default())
        .unwrap_or(instant)
        .to_micros()
}
