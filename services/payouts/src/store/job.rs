//! Runs of jobs. They belong to the installation, not to an organization: whoever may read them
//! reads all of them.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{JobCompleted, PlanTotal, kind};
use quittance_kernel::{Ctx, MemberId, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::job::{Job, JobRun, RunState, Slots, Tally};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    job: String,
    slot: Option<Timestamp>,
    covers_from: Option<Timestamp>,
    covered: i64,
    started_by: Uuid,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    state: String,
    claimed: i64,
    processed: i64,
    failed: i64,
    retried: i64,
    skipped: i64,
    submitted: i64,
    unblocked: i64,
    amounts: String,
    duration_ms: i64,
    error: Option<String>,
    version: i64,
}

const SELECT: &str = "SELECT id, job, slot, covers_from, covered, started_by, started_at, \
    finished_at, state, claimed, processed, failed, retried, skipped, submitted, unblocked, amounts, \
    duration_ms, error, version FROM job_runs WHERE ";

fn read(row: Row) -> Result<JobRun, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "job_runs", id: row.id, column };
    let totals: Vec<PlanTotal> =
        serde_json::from_str(&row.amounts).map_err(|_| corrupt("amounts"))?;
    let mut amounts = BTreeMap::new();
    for total in totals {
        let currency = total.currency.parse().map_err(|_| corrupt("amounts"))?;
        amounts.insert(currency, (total.amount_minor, total.count));
    }
    let slots = match (row.slot, row.covers_from) {
        (Some(at), Some(from)) => Some(Slots { at, from, count: row.covered }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(corrupt("covers_from")),
    };
    Ok(JobRun {
        id: row.id,
        job: row.job.parse().map_err(|()| corrupt("job"))?,
        slots,
        started_by: MemberId(row.started_by),
        started_at: row.started_at,
        finished_at: row.finished_at,
        state: RunState::ALL
            .into_iter()
            .find(|state| state.as_str() == row.state)
            .ok_or(corrupt("state"))?,
        tally: Tally {
            claimed: row.claimed,
            processed: row.processed,
            failed: row.failed,
            retried: row.retried,
            skipped: row.skipped,
            submitted: row.submitted,
            unblocked: row.unblocked,
            amounts,
        },
        duration_ms: row.duration_ms,
        error: row.error,
        version: row.version,
    })
}

async fn one(db: &Db, sql: Sql) -> Result<Option<JobRun>, StoreError> {
    sql.one::<Row, _>(db.conn()).await?.map(read).transpose()
}

fn select(db: &Db, condition: &str) -> Sql {
    Sql::new(db.backend(), SELECT).push(condition)
}

pub(crate) async fn find(db: &Db, id: Uuid) -> Result<Option<JobRun>, StoreError> {
    one(db, select(db, "").bind("id = ", id)).await
}

/// Reads runs, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    job: Option<Job>,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<JobRun>, StoreError> {
    let sql = select(db, "1 = 1")
        .bind_some(" AND job = ", job.map(Job::as_str))
        .bind_some(" AND id < ", before)
        .bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// The run that stands for a slot: its own, or the one that has caught up on it.
pub(crate) async fn covering(
    db: &Db,
    job: Job,
    slot: Timestamp,
) -> Result<Option<JobRun>, StoreError> {
    let sql = select(db, "state IN ('running', 'completed')")
        .bind(" AND job = ", job.as_str())
        .bind(" AND covers_from <= ", slot)
        .bind(" AND slot >= ", slot)
        .push(" ORDER BY slot LIMIT 1");
    one(db, sql).await
}

/// The run of a job that has not ended, or whose process died.
pub(crate) async fn running(db: &Db, job: Job) -> Result<Option<JobRun>, StoreError> {
    one(db, select(db, "state = 'running'").bind(" AND job = ", job.as_str())).await
}

/// The run of the last slot that is done.
pub(crate) async fn last_done(db: &Db, job: Job) -> Result<Option<JobRun>, StoreError> {
    let sql = select(db, "state = 'completed' AND slot IS NOT NULL")
        .bind(" AND job = ", job.as_str())
        .push(" ORDER BY slot DESC LIMIT 1");
    one(db, sql).await
}

/// The last run that ended, however it did.
pub(crate) async fn last_ended(db: &Db, job: Job) -> Result<Option<JobRun>, StoreError> {
    let sql = select(db, "state <> 'running'")
        .bind(" AND job = ", job.as_str())
        .push(" ORDER BY started_at DESC, id DESC LIMIT 1");
    one(db, sql).await
}

/// Since when this database has known of jobs: no slot before that was missed.
pub(crate) async fn known_since(db: &Db) -> Result<Option<Timestamp>, StoreError> {
    #[derive(FromQueryResult)]
    struct Applied {
        applied_at: i64,
    }
    let text = "SELECT applied_at FROM payouts_migrations WHERE version = ";
    let sql = Sql::new(db.backend(), "").bind(text, "m0009_jobs");
    let found = sql.one::<Applied, _>(db.conn()).await?;
    Ok(found.and_then(|found| Timestamp::from_timestamp(found.applied_at, 0)))
}

/// Begins a run, and closes the one whose process died.
pub(crate) fn begin(
    ctx: &Ctx,
    service: &'static str,
    run: &JobRun,
    abandoned: Option<&JobRun>,
) -> WriteSet {
    let mut set = WriteSet::new();
    let mut journal = Journal::new(service);
    if let Some(dead) = abandoned {
        set.update(change(dead));
        told(&mut journal, ctx, dead);
    }
    let slots = run.slots;
    set.insert(
        Insert::into("job_runs")
            .column("id", Column::Uuid(vec![run.id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("job", Column::same_text(Some(run.job.as_str())))
            .column("slot", Column::same_time(slots.map(|slots| slots.at)))
            .column("covers_from", Column::same_time(slots.map(|slots| slots.from)))
            .column("covered", Column::same_i64(Some(slots.map_or(0, |slots| slots.count))))
            .column("started_by", Column::same_uuid(Some(run.started_by.0)))
            .column("started_at", Column::same_time(Some(run.started_at)))
            .column("finished_at", Column::same_time(None))
            .column("state", Column::same_text(Some(run.state.as_str())))
            .column("claimed", Column::same_i64(Some(0)))
            .column("processed", Column::same_i64(Some(0)))
            .column("failed", Column::same_i64(Some(0)))
            .column("retried", Column::same_i64(Some(0)))
            .column("skipped", Column::same_i64(Some(0)))
            .column("submitted", Column::same_i64(Some(0)))
            .column("unblocked", Column::same_i64(Some(0)))
            .column("amounts", Column::same_text(Some("[]")))
            .column("duration_ms", Column::same_i64(Some(0)))
            .column("error", Column::same_text(None))
            .column("version", Column::same_i64(Some(run.version))),
    );
    journal.note(ctx, Entry::new("job.started", "job_run", run.id).after(noted(run)));
    journal.write_to(ctx, &mut set);
    set
}

/// Notes how far a run is. Of a process that dies this is what is known.
pub(crate) fn progress(run: &JobRun) -> WriteSet {
    let mut set = WriteSet::new();
    set.update(change(run));
    set
}

/// Ends a run.
pub(crate) fn end(ctx: &Ctx, service: &'static str, run: &JobRun) -> WriteSet {
    let mut set = WriteSet::new();
    set.update(change(run));
    let mut journal = Journal::new(service);
    told(&mut journal, ctx, run);
    journal.write_to(ctx, &mut set);
    set
}

/// Writes a run over its version before.
fn change(after: &JobRun) -> Update {
    let number = |number| Column::same_i64(Some(number));
    let tally = &after.tally;
    Update::of("job_runs", "id", vec![after.id], vec![after.version - 1])
        .set("state", Column::same_text(Some(after.state.as_str())))
        .set("finished_at", Column::same_time(after.finished_at))
        .set("claimed", number(tally.claimed))
        .set("processed", number(tally.processed))
        .set("failed", number(tally.failed))
        .set("retried", number(tally.retried))
        .set("skipped", number(tally.skipped))
        .set("submitted", number(tally.submitted))
        .set("unblocked", number(tally.unblocked))
        .set("amounts", Column::same_text(Some(&amounts(tally))))
        .set("duration_ms", number(after.duration_ms))
        .set("error", Column::same_text(after.error.as_deref()))
        .only_where("t.state = 'running'")
}

/// The audit row and the event of a run that has ended.
fn told(journal: &mut Journal, ctx: &Ctx, run: &JobRun) {
    let action = match run.state {
        RunState::Running | RunState::Completed => "job.completed",
        RunState::Stopped => "job.stopped",
        RunState::Failed => "job.failed",
        RunState::Abandoned => "job.abandoned",
    };
    let entry = Entry::new(action, "job_run", run.id).after(noted(run)).because(run.error.clone());
    journal.record(ctx, entry, kind::JOB_COMPLETED, state(run));
}

fn noted(run: &JobRun) -> String {
    serde_json::to_string(&state(run)).unwrap_or_default()
}

fn totals(tally: &Tally) -> Vec<PlanTotal> {
    let total = |(currency, (minor, count)): (&quittance_kernel::Currency, &(i64, i64))| {
        PlanTotal { currency: currency.code().to_owned(), amount_minor: *minor, count: *count }
    };
    tally.amounts.iter().map(total).collect()
}

fn amounts(tally: &Tally) -> String {
    serde_json::to_string(&totals(tally)).unwrap_or_else(|_| "[]".to_owned())
}

fn state(run: &JobRun) -> JobCompleted {
    let tally = &run.tally;
    JobCompleted {
        run_id: run.id,
        version: run.version,
        job: run.job.as_str().to_owned(),
        slot: run.slots.map(|slots| slots.at),
        covers_from: run.slots.map(|slots| slots.from),
        state: run.state.as_str().to_owned(),
        started_by: run.started_by.0,
        started_at: run.started_at,
        finished_at: run.finished_at,
        claimed: tally.claimed,
        processed: tally.processed,
        failed: tally.failed,
        retried: tally.retried,
        skipped: tally.skipped,
        submitted: tally.submitted,
        unblocked: tally.unblocked,
        amounts: totals(tally),
        duration_ms: run.duration_ms,
        error: run.error.clone(),
    }
}
