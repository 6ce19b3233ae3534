//! Running jobs: once per slot, one run at a time, stopped in good order (product.md, rule 15).

mod clock;
mod run;
mod turn;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use quittance_chassis::grpc::Caller;
use quittance_kernel::{PageError, PageRequest, token};
use uuid::Uuid;

use self::run::{Limits, carry_out};
use self::work::Due;
use super::{Error, Payouts};
use crate::domain::job::{Job, JobError, JobRun, Tally, Wanted};
use crate::store;

pub(crate) use self::clock::{Timekeeper, timetable};
pub(crate) use self::run::Ran;

/// How long a run goes on: the ten minutes that it is given, less what starting, the last chunk
/// and saying goodbye take.
pub(crate) const BUDGET: Duration = Duration::from_secs(10 * 60 - 25);

/// What is kept of a caller's patience to answer in.
const RESERVE: Duration = Duration::from_secs(2);

/// Is told what was done so far.
pub(crate) type Watch = Arc<dyn Fn(&Tally) + Send + Sync>;

/// Tells nobody.
pub(crate) fn quiet() -> Watch {
    Arc::new(|_| {})
}

impl Payouts {
    /// Runs a job, unless its slot is done already; then that run is the answer. Must run in a task
    /// that is not cancelled with its request.
    #[tracing::instrument(name = "payouts.job", skip_all, fields(job = %wanted.job))]
    pub(crate) async fn run_job(
        &self,
        caller: &Caller,
        wanted: Wanted,
        watch: Watch,
    ) -> Result<Ran, Error> {
        let patience = caller.remaining().map(|left| left.saturating_sub(RESERVE));
        let budget = patience.map_or(BUDGET, |patience| patience.min(BUDGET));
        let limits = Limits { until: Instant::now() + budget, stop: self.stopping.clone(), watch };
        let due = Due { payouts: self.clone(), caller: caller.clone() };
        carry_out(&self.db, due, &caller.ctx, wanted, limits).await
    }

    /// Returns one run.
    pub(crate) async fn job_run(&self, id: Uuid) -> Result<JobRun, Error> {
        let found = store::job::find(&self.db, id).await?;
        found.ok_or_else(|| JobError::RunNotFound(id).into())
    }

    /// Lists runs, the newest first, and the token of the next page.
    pub(crate) async fn job_runs(
        &self,
        job: Option<Job>,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<JobRun>, String), Error> {
        let query = format!("job-runs?job={}", job.map_or("", Job::as_str));
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before = match page.after.as_deref() {
            None => None,
            Some([id]) => Some(id.parse().map_err(|_| PageError::BadToken)?),
            Some(_) => return Err(PageError::BadToken.into()),
        };
        let mut runs = store::job::list(&self.db, job, before, page.size + 1).await?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = size < runs.len();
        runs.truncate(size);
        let last = runs.last().filter(|_| more);
        let next = last.map(|run| token::encode(&[run.id.to_string()], &query));
        Ok((runs, next.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests;
