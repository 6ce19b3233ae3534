//! Schedules, and the holds that keep them back.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_schedules"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, SCHEDULES).await?;
        statements(manager, HOLDS).await
    }
}

const SCHEDULES: &[&str] = &[
    // Its earning has the schedule as its source (`earnings_one_source`), so that
    // `payout_items_one_live` refuses a second payment of it.
    "CREATE TABLE payout_schedules (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, placement_id {uuid} NOT NULL, payee_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), currency text NOT NULL, \
     method text NOT NULL, reference text NOT NULL, notes text NOT NULL, hold_id {uuid}, scheduled_at {time} NOT NULL, \
     guarantee_completion_date {time}, status text NOT NULL CHECK (status IN \
     ('pending', 'triggered', 'processing', 'processed', 'failed', 'cancelled')), \
     payout_id {uuid} REFERENCES payouts (id), processed_at {time}, failure_reason text NOT NULL, \
     retry_count bigint NOT NULL CHECK (retry_count BETWEEN 0 AND 3), last_retry_at {time}, \
     next_attempt_at {time} NOT NULL, waiting_for text NOT NULL, created_by {uuid} NOT NULL, \
     version bigint NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    // What jobs claim: only what can be due.
    "CREATE INDEX payout_schedules_due ON payout_schedules (next_attempt_at, id) \
     WHERE status IN ('pending', 'triggered')",
    // A payout is of one schedule.
    "CREATE UNIQUE INDEX payout_schedules_one_payout ON payout_schedules (payout_id)",
    // What a hold kept back is paid once.
    "CREATE UNIQUE INDEX payout_schedules_one_hold ON payout_schedules (hold_id)",
    // The list, the newest first.
    "CREATE INDEX payout_schedules_list ON payout_schedules (organization_id, id)",
    // By placement, and what a released hold kept back.
    "CREATE INDEX payout_schedules_of_placement \
     ON payout_schedules (organization_id, placement_id, id)",
];

const HOLDS: &[&str] = &[
    "CREATE TABLE escrow_holds (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     placement_id {uuid} NOT NULL, schedule_id {uuid} REFERENCES payout_schedules (id), payee_id {uuid} NOT NULL, \
     method text NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), currency text NOT NULL, \
     reason text NOT NULL, release_at {time}, \
     status text NOT NULL CHECK (status IN ('active', 'released', 'cancelled')), \
     parent_id {uuid} REFERENCES escrow_holds (id), ended_at {time}, ended_by {uuid}, \
     end_reason text NOT NULL, created_by {uuid} NOT NULL, version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT escrow_holds_ended CHECK ((status = 'active') = (ended_at IS NULL)))",
    // Timed releases that are due.
    "CREATE INDEX escrow_holds_due ON escrow_holds (release_at, id) \
     WHERE status = 'active' AND release_at IS NOT NULL",
    // What keeps a schedule back.
    "CREATE INDEX escrow_holds_active ON escrow_holds (organization_id, placement_id) \
     WHERE status = 'active'",
    // The list, the newest first.
    "CREATE INDEX escrow_holds_list ON escrow_holds (organization_id, id)",
    // By placement, with totals.
    "CREATE INDEX escrow_holds_of_placement ON escrow_holds (organization_id, placement_id, id)",
];
