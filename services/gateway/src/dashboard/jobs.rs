//! The runs of jobs: what each has done, and one at once (S2-56).

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::payouts::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::form::Typed;
use super::labels::{self, Badge};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::rest::{Names, names, some};

const PAGE: &str = "/app/admin/jobs";

/// The jobs, by their names and what they do.
const JOBS: [(&str, &str); 2] =
    [("process-schedules", "Pay schedules"), ("process-escrow", "Release holds")];

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    job: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    jobs: Vec<Choice>,
    job: String,
    runs: Vec<Run>,
    next: Option<String>,
    starts: bool,
}

struct Run {
    job: String,
    started: String,
    by: String,
    slot: Option<String>,
    missed: Option<String>,
    state: Badge,
    error: Option<String>,
    claimed: String,
    processed: String,
    submitted: String,
    retried: String,
    failed: String,
    skipped: String,
    /// How many schedules its releases have made due.
    unblocked: Option<String>,
    sums: String,
    duration: String,
}

fn title(job: &str) -> String {
    JOBS.iter().find(|(name, _)| *name == job).map_or(job, |(_, title)| title).to_owned()
}

impl Viewer {
    fn run(&self, of: wire::JobRun, names: &Names) -> Run {
        let count = |number| self.locale.count(number);
        let started_by = of.started_by.parse::<Uuid>().unwrap_or_default();
        Run {
            job: title(&of.job),
            started: self.minute(of.start_time),
            by: if started_by.is_nil() {
                "the timetable".to_owned()
            } else {
                super::fields::name(names, &of.started_by)
            },
            slot: of.slot.map(|at| self.minute(Some(at))),
            missed: (0 < of.missed_slot_count).then(|| {
                let missed = self.locale.counted(of.missed_slot_count, "missed slot");
                format!("catches up on {missed}")
            }),
            state: labels::job_state(of.state),
            claimed: count(of.claimed_count),
            processed: count(of.processed_count),
            submitted: count(of.submitted_count),
            retried: count(of.retried_count),
            failed: count(of.failed_count),
            skipped: count(of.skipped_count),
            unblocked: (0 < of.unblocked_schedule_count)
                .then(|| self.locale.counted(of.unblocked_schedule_count, "schedule")),
            sums: self.sums(&of.totals),
            duration: self.locale.seconds(of.duration_ms),
            error: some(of.error),
        }
    }
}

/// Lists runs, the newest first.
pub(super) async fn page(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    shown(&viewer, filter, None).await
}

async fn shown(
    viewer: &Viewer,
    filter: Filter,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::ListJobRunsRequest {
        page_size: 50,
        page_token: filter.page_token,
        job: filter.job.clone(),
    });
    let mut client = viewer.gateway.jobs();
    let asked = async {
        tokio::try_join!(client.list_job_runs(request), names(&viewer.gateway, &viewer.caller))
    };
    let (frame, asked) = tokio::join!(viewer.frame("Job runs"), asked);
    let (reply, names) = asked?;
    let reply = reply.into_inner();
    let mut jobs = vec![Choice::new("", "all jobs", &filter.job)];
    jobs.extend(JOBS.map(|(job, title)| Choice::new(job, title, &filter.job)));
    let page = JobsPage {
        frame: frame.with(problem),
        jobs,
        runs: reply.runs.into_iter().map(|of| viewer.run(of, &names)).collect(),
        next: some(reply.next_page_token),
        starts: viewer.may(&Method::POST, PAGE),
        job: filter.job,
    };
    Ok(answer(problem, &page))
}

/// Runs a job at once, on demand: as far as the time of a request allows.
pub(super) async fn run(viewer: Viewer, typed: Typed) -> Response {
    match ran(&viewer, typed.text("job")).await {
        Ok(()) => done(PAGE, "ran"),
        Err(problem) => shown(&viewer, Filter::default(), Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn ran(viewer: &Viewer, job: &str) -> Result<(), Problem> {
    let mut client = viewer.gateway.jobs();
    match job {
        "process-schedules" => {
            let message = wire::ProcessDueSchedulesRequest::default();
            client.process_due_schedules(viewer.caller.request(message)).await?;
        }
        "process-escrow" => {
            let message = wire::ProcessDueReleasesRequest::default();
            client.process_due_releases(viewer.caller.request(message)).await?;
        }
        _ => return Err(Problem::required("job")),
    }
    Ok(())
}
