//! The timetable, where there is no other: one process that runs its own jobs, and what the figures
//! say about the last runs.

use std::collections::HashMap;
use std::time::Duration;

use quittance_chassis::clock::now;
use quittance_chassis::grpc::Caller;
use quittance_chassis::problem::chain;
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Ran;
use crate::app::{Error, Payouts};
use crate::domain::job::{Job, Wanted};
use crate::metrics::METRICS;
use crate::store;

/// How often it looks at the clock.
const TICK: Duration = Duration::from_secs(15);

/// Runs each job once per slot. What was missed while the process was down is run when it is back.
pub(crate) struct Timekeeper {
    payouts: Payouts,
    done: HashMap<Job, Timestamp>,
}

impl Timekeeper {
    pub(crate) fn new(payouts: Payouts) -> Self {
        Self { payouts, done: HashMap::new() }
    }

    /// Runs what is due at this instant.
    pub(crate) async fn tick(&mut self, now: Timestamp) -> Result<Vec<Ran>, Error> {
        let mut ran = Vec::new();
        for job in Job::ALL {
            let slot = job.slot_at(now);
            if self.done(job).await?.is_some_and(|done| slot <= done) {
                continue;
            }
            let wanted = Wanted::new(job, Some(slot), None, now)?;
            let run = self.payouts.run_job(&timetable(now), wanted, super::quiet()).await?;
            // A run that has failed or was stopped is not tried again before its next slot: the
            // report says so, and somebody may run it by hand.
            self.done.insert(job, slot);
            ran.push(run);
        }
        Ok(ran)
    }

    /// The last slot that is done. Before the first one: since when there could have been any, so
    /// that a new installation has missed nothing.
    async fn done(&mut self, job: Job) -> Result<Option<Timestamp>, Error> {
        if let Some(done) = self.done.get(&job) {
            return Ok(Some(*done));
        }
        let db = self.payouts.db();
        let last = store::job::last_done(db, job).await?.and_then(|run| run.slots);
        let done = match last {
            Some(slots) => Some(slots.at),
            None => store::job::known_since(db).await?,
        };
        if let Some(done) = done {
            self.done.insert(job, done);
        }
        Ok(done)
    }

    /// Keeps time until it is told to stop.
    pub(crate) fn spawn(mut self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !shutdown.is_cancelled() {
                if let Err(error) = self.tick(now()).await {
                    tracing::error!(error = chain(&error), "a job of the timetable did not run");
                }
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(TICK) => {}
                }
            }
        })
    }
}

/// Who starts what the timetable says.
pub(crate) fn timetable(now: Timestamp) -> Caller {
    let ctx =
        Ctx::new(Principal::service(OrganizationId(Uuid::nil())), now, Uuid::now_v7().to_string());
    // It calls nobody.
    Caller::new(ctx, &SecretString::default(), None)
}

impl Payouts {
    /// Keeps the figures about the last runs fresh, whichever process ran them: one of its own is gone
    /// before anybody could ask it.
    pub(crate) fn watch_jobs(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !shutdown.is_cancelled() {
                if let Err(error) = self.measure_jobs().await {
                    tracing::warn!(error = chain(&error), "the runs of jobs cannot be read");
                }
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(TICK) => {}
                }
            }
        })
    }

    async fn measure_jobs(&self) -> Result<(), Error> {
        for job in Job::ALL {
            let (done, ended, since) = tokio::try_join!(
                store::job::last_done(self.db(), job),
                store::job::last_ended(self.db(), job),
                store::job::known_since(self.db()),
            )?;
            // Before its first success a job is late since it could have run.
            let success = done.and_then(|run| run.finished_at).or(since);
            METRICS.job_seen(job, success, ended.as_ref());
        }
        Ok(())
    }
}
