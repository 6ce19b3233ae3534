//! Jobs: having what is due worked off now, and what the runs have done.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, Page, Total, some, stamp, time, totals};
use crate::state::Gateway;
use crate::words::JobRunState;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(process_schedules))
        .routes(routes!(process_holds))
        .routes(routes!(list))
        .routes(routes!(show))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProcessDue {
    /// The slot of the timetable. Asked for again, the answer is its run. Without one it is a run on
    /// demand.
    slot: Option<DateTime<Utc>>,
    /// The most to claim, 1 to 1,000,000.
    limit: Option<i32>,
}

/// A run of a job, and what it has done. Each result is counted once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobRun {
    run_id: Id,
    /// `process-schedules` or `process-escrow`.
    job: String,
    slot: Option<DateTime<Utc>>,
    /// How many slots before its own were missed, and are caught up by it.
    missed_slots: i64,
    /// The first of them.
    covers_from: Option<DateTime<Utc>>,
    /// `stopped`: its time was up, or its limit reached, before everything due was done.
    #[schema(value_type = JobRunState)]
    status: Option<JobRunState>,
    /// The nil id for a timetable.
    started_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    claimed: i64,
    processed: i64,
    /// Given up after the third failure.
    failed: i64,
    /// Failed, and tried again later.
    retried: i64,
    skipped: i64,
    /// Handed to a provider, whose answer decides.
    submitted: i64,
    /// Schedules that a release has made due.
    unblocked_schedules: i64,
    amounts: Vec<Total>,
    duration_ms: i64,
    error: Option<String>,
    version: i64,
}

impl From<wire::JobRun> for JobRun {
    fn from(run: wire::JobRun) -> Self {
        Self {
            run_id: Id::new(run.run_id),
            job: run.job,
            slot: time(run.slot),
            missed_slots: run.missed_slot_count,
            covers_from: time(run.covers_from),
            status: JobRunState::read(run.state),
            started_by: Id::new(run.started_by),
            started_at: time(run.start_time),
            finished_at: time(run.end_time),
            claimed: run.claimed_count,
            processed: run.processed_count,
            failed: run.failed_count,
            retried: run.retried_count,
            skipped: run.skipped_count,
            submitted: run.submitted_count,
            unblocked_schedules: run.unblocked_schedule_count,
            amounts: totals(run.totals),
            duration_ms: run.duration_ms,
            error: some(run.error),
            version: run.version,
        }
    }
}

/// What processing has done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProcessDueReport {
    #[serde(flatten)]
    run: JobRun,
    /// Whether the slot was done, or under way, before.
    already_run: bool,
}

impl ProcessDueReport {
    fn of(run: Option<wire::JobRun>, already_run: bool) -> Result<Reply<Self>, Problem> {
        let run = required(run, "run")?.into();
        Ok(Reply::ok(Self { run, already_run }))
    }
}

/// Pays the schedules that are due, as far as the time of a request allows.
#[utoipa::path(
    post,
    path = "/api/v2/payout-schedules/process-due",
    operation_id = "processDueSchedules",
    tag = "jobs",
    request_body = ProcessDue,
    responses((status = 200, body = ProcessDueReport))
)]
async fn process_schedules(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<ProcessDue>,
) -> Result<Reply<ProcessDueReport>, Problem> {
    let slot = body.slot.map(stamp);
    let request = caller.request(wire::ProcessDueSchedulesRequest { slot, limit: body.limit });
    let reply = gateway.jobs().process_due_schedules(request).await?.into_inner();
    ProcessDueReport::of(reply.run, reply.already_run)
}

/// Releases the holds whose time has come, and pays the schedules that this has unblocked.
#[utoipa::path(
    post,
    path = "/api/v2/escrow-holds/process-due",
    operation_id = "processDueReleases",
    tag = "jobs",
    request_body = ProcessDue,
    responses((status = 200, body = ProcessDueReport))
)]
async fn process_holds(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<ProcessDue>,
) -> Result<Reply<ProcessDueReport>, Problem> {
    let slot = body.slot.map(stamp);
    let request = caller.request(wire::ProcessDueReleasesRequest { slot, limit: body.limit });
    let reply = gateway.jobs().process_due_releases(request).await?.into_inner();
    ProcessDueReport::of(reply.run, reply.already_run)
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobRunFilter {
    /// `process-schedules` or `process-escrow`.
    job: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists the runs of jobs, the newest first.
#[utoipa::path(
    get,
    path = "/api/v2/job-runs",
    operation_id = "listJobRuns",
    tag = "jobs",
    params(JobRunFilter),
    responses((status = 200, body = Page<JobRun>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<JobRunFilter>,
) -> Result<Json<Page<JobRun>>, Problem> {
    let request = caller.request(wire::ListJobRunsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        job: filter.job.unwrap_or_default(),
    });
    let reply = gateway.jobs().list_job_runs(request).await?.into_inner();
    Ok(Json(Page::of(reply.runs, reply.next_page_token)))
}

/// Shows one run of a job.
#[utoipa::path(
    get,
    path = "/api/v2/job-runs/{id}",
    operation_id = "getJobRun",
    tag = "jobs",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = JobRun))
)]
async fn show(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<JobRun>, Problem> {
    let request = caller.request(wire::GetJobRunRequest { run_id: id.to_string() });
    let reply = gateway.jobs().get_job_run(request).await?.into_inner();
    Ok(Reply::ok(required(reply.run, "run")?.into()))
}
