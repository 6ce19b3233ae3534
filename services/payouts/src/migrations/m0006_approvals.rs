//! Approvals of plans and the policies that ask for them; what plans are narrowed to and keep back.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_approvals"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // Read whole before every payment: an organization has a handful of currencies.
    "CREATE TABLE payout_policies (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, currency text NOT NULL, \
     above_minor bigint NOT NULL CHECK (above_minor >= 0), \
     approvers bigint NOT NULL CHECK (approvers >= 0), version bigint NOT NULL, \
     updated_by {uuid} NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT payout_policies_one UNIQUE (organization_id, currency))",
    // Nobody counts twice: each member approves a plan once.
    "CREATE TABLE plan_approvals (plan_id {uuid} NOT NULL REFERENCES plans (id), \
     member_id {uuid} NOT NULL, organization_id {uuid} NOT NULL, digest text NOT NULL, \
     created_at {time} NOT NULL, PRIMARY KEY (plan_id, member_id))",
    // How many it needed when it was committed.
    "ALTER TABLE plans ADD COLUMN approvals_needed bigint NOT NULL DEFAULT 0",
    "ALTER TABLE plans ADD COLUMN net_receivables boolean NOT NULL DEFAULT false",
    // What is kept back of whom, as it was shown.
    "ALTER TABLE plans ADD COLUMN nettings text NOT NULL DEFAULT '[]'",
    // Runs are narrowed to a product by the cycles of its earnings; a cycle stays with its product.
    "CREATE TABLE known_cycles (organization_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL, PRIMARY KEY (organization_id, cycle_id))",
];
