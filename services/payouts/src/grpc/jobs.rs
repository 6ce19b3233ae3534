//! The job service.

use prost_types::Timestamp as ProtoTime;
use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::{Money, Timestamp, TimestampExt};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::job_service_server::JobService;
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::{Error, Payouts, Ran, quiet};
use crate::domain::job::{Job, JobError, JobRun, RunState, Wanted};

#[tonic::async_trait]
impl JobService for Payouts {
    async fn process_due_schedules(
        &self,
        request: Request<proto::ProcessDueSchedulesRequest>,
    ) -> Result<Response<proto::ProcessDueSchedulesResponse>, Status> {
        let message = *request.get_ref();
        let ran = run(self, &request, Job::Schedules, message.slot, message.limit).await?;
        let (run, already_run) = (Some(wire_run(&ran.run)), ran.already);
        Ok(Response::new(proto::ProcessDueSchedulesResponse { run, already_run }))
    }

    async fn process_due_releases(
        &self,
        request: Request<proto::ProcessDueReleasesRequest>,
    ) -> Result<Response<proto::ProcessDueReleasesResponse>, Status> {
        let message = *request.get_ref();
        let ran = run(self, &request, Job::Escrow, message.slot, message.limit).await?;
        let (run, already_run) = (Some(wire_run(&ran.run)), ran.already);
        Ok(Response::new(proto::ProcessDueReleasesResponse { run, already_run }))
    }

    async fn list_job_runs(
        &self,
        request: Request<proto::ListJobRunsRequest>,
    ) -> Result<Response<proto::ListJobRunsResponse>, Status> {
        let message = request.get_ref();
        let job = match message.job.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|()| Error::from(JobError::Unknown))?),
        };
        let (runs, next_page_token) =
            self.job_runs(job, message.page_size, &message.page_token).await?;
        let runs = runs.iter().map(wire_run).collect();
        Ok(Response::new(proto::ListJobRunsResponse { runs, next_page_token }))
    }

    async fn get_job_run(
        &self,
        request: Request<proto::GetJobRunRequest>,
    ) -> Result<Response<proto::GetJobRunResponse>, Status> {
        let id = convert::id("run_id", &request.get_ref().run_id)?;
        let run = Some(wire_run(&self.job_run(id).await?));
        Ok(Response::new(proto::GetJobRunResponse { run }))
    }
}

async fn run<T>(
    payouts: &Payouts,
    request: &Request<T>,
    job: Job,
    slot: Option<ProtoTime>,
    limit: Option<i32>,
) -> Result<Ran, Status> {
    let caller = caller(request)?;
    let slot = slot.map(|slot| instant("slot", slot)).transpose()?;
    let wanted = Wanted::new(job, slot, limit, caller.ctx.now).map_err(Error::from)?;
    let payouts = payouts.clone();
    detached(async move { payouts.run_job(&caller, wanted, quiet()).await }).await
}

fn instant(field: &str, time: ProtoTime) -> Result<Timestamp, Status> {
    let nanos = u32::try_from(time.nanos).ok();
    let read = nanos.and_then(|nanos| Timestamp::from_timestamp(time.seconds, nanos));
    read.map(TimestampExt::to_micros).ok_or_else(|| invalid(field, "must be a time"))
}

/// A run as it travels.
pub(crate) fn wire_run(run: &JobRun) -> proto::JobRun {
    let state = match run.state {
        RunState::Running => proto::JobRunState::Running,
        RunState::Completed => proto::JobRunState::Completed,
        RunState::Stopped => proto::JobRunState::Stopped,
        RunState::Failed => proto::JobRunState::Failed,
        RunState::Abandoned => proto::JobRunState::Abandoned,
    };
    let tally = &run.tally;
    let total = |(currency, (minor, count)): (&_, &(i64, i64))| {
        convert::total(Money::signed(*minor, *currency), *count)
    };
    proto::JobRun {
        run_id: run.id.to_string(),
        job: run.job.as_str().to_owned(),
        slot: run.slots.map(|slots| convert::time(slots.at)),
        covers_from: run.slots.map(|slots| convert::time(slots.from)),
        missed_slot_count: run.slots.map_or(0, |slots| slots.missed()),
        state: state.into(),
        started_by: run.started_by.to_string(),
        start_time: Some(convert::time(run.started_at)),
        end_time: run.finished_at.map(convert::time),
        claimed_count: tally.claimed,
        processed_count: tally.processed,
        failed_count: tally.failed,
        retried_count: tally.retried,
        skipped_count: tally.skipped,
        submitted_count: tally.submitted,
        unblocked_schedule_count: tally.unblocked,
        totals: tally.amounts.iter().map(total).collect(),
        duration_ms: run.duration_ms,
        error: run.error.clone().unwrap_or_default(),
        version: run.version,
    }
}
