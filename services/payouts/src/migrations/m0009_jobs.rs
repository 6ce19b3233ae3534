//! Runs of jobs.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // Jobs work for all organizations; `organization_id` is that of whoever started the run, nil
    // for a timetable.
    "CREATE TABLE job_runs (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     job text NOT NULL, slot {time}, covers_from {time}, covered bigint NOT NULL, \
     started_by {uuid} NOT NULL, started_at {time} NOT NULL, finished_at {time}, \
     state text NOT NULL CHECK (state IN \
     ('running', 'completed', 'stopped', 'failed', 'abandoned')), \
     claimed bigint NOT NULL, processed bigint NOT NULL, failed bigint NOT NULL, \
     retried bigint NOT NULL, skipped bigint NOT NULL, submitted bigint NOT NULL, unblocked bigint NOT NULL, \
     amounts text NOT NULL, duration_ms bigint NOT NULL, error text, version bigint NOT NULL)",
    // A doubled cron is one run. What was stopped, failed or killed may be run for its slot again.
    "CREATE UNIQUE INDEX job_runs_one_per_slot ON job_runs (job, slot) \
     WHERE slot IS NOT NULL AND state IN ('running', 'completed')",
    // A second wall beside the lock: a job has one run at a time.
    "CREATE UNIQUE INDEX job_runs_one_running ON job_runs (job) WHERE state = 'running'",
    // The last run of a job that ended well, or at all.
    "CREATE INDEX job_runs_recent ON job_runs (job, started_at)",
];
