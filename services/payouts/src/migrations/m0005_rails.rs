//! Calls to providers, and the memory of the sandbox.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_rails"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    "ALTER TABLE batches ADD COLUMN version bigint NOT NULL DEFAULT 1",
    // Batches that are still being executed.
    "CREATE INDEX batches_processing ON batches (organization_id, id) WHERE state = 'processing'",
    "CREATE INDEX payouts_of_batch ON payouts (batch_id)",
    "CREATE TABLE attempts (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     payout_id {uuid} NOT NULL REFERENCES payouts (id), number bigint NOT NULL, \
     rail text NOT NULL, account_id text NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), currency text NOT NULL, \
     state text NOT NULL, asked bigint NOT NULL DEFAULT 0, reference text NOT NULL DEFAULT '', \
     code text NOT NULL DEFAULT '', next_at {time} NOT NULL, version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT attempts_numbered UNIQUE (payout_id, number))",
    // Never two calls that could both move money, and none after one that has: stricter than
    // `submitted` or `unknown` alone.
    "CREATE UNIQUE INDEX attempts_one_open ON attempts (payout_id) \
     WHERE state IN ('created', 'submitted', 'unknown', 'succeeded')",
    // What the worker looks at.
    "CREATE INDEX attempts_due ON attempts (next_at) \
     WHERE state IN ('created', 'submitted', 'unknown')",
    // The provider's own books: they know of no organization.
    "CREATE TABLE sandbox_transfers (attempt_id {uuid} NOT NULL PRIMARY KEY, \
     payout_id {uuid} NOT NULL, account_id text NOT NULL, amount_minor bigint NOT NULL, \
     currency text NOT NULL, moved boolean NOT NULL, retryable boolean NOT NULL, \
     code text NOT NULL, calls bigint NOT NULL, created_at {time} NOT NULL)",
    "CREATE INDEX sandbox_transfers_of_payout ON sandbox_transfers (payout_id)",
];
