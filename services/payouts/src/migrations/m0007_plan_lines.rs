//! Plans that are too large for memory: what their payees are paid, and drafts. Policies that wait
//! for a second admin.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_plan_lines"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // Read by plan, in the order of payees and currencies, when its payouts are made.
    "CREATE TABLE plan_payees (plan_id {uuid} NOT NULL, payee_id {uuid} NOT NULL, \
     currency text NOT NULL, organization_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), \
     item_count bigint NOT NULL CHECK (item_count > 0), \
     PRIMARY KEY (plan_id, payee_id, currency))",
    // Plans whose lines are still being written: a handful at most.
    "CREATE TABLE plan_drafts (plan_id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, created_at {time} NOT NULL)",
    // `based_on` is the version of the policy that it would replace.
    "CREATE TABLE policy_proposals (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, currency text NOT NULL, \
     above_minor bigint NOT NULL CHECK (above_minor >= 0), \
     approvers bigint NOT NULL CHECK (approvers >= 0), based_on bigint NOT NULL, \
     state text NOT NULL CHECK (state IN ('open', 'confirmed', 'replaced')), \
     proposed_by {uuid} NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL)",
    // One at a time waits in each currency; read with the policies.
    "CREATE UNIQUE INDEX policy_proposals_one_open ON policy_proposals \
     (organization_id, currency) WHERE state = 'open'",
];
