//! What comparisons with issues and payouts have found, and statements of banks and providers.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_reconciliations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE reconciliations (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, finished_at {time} NOT NULL, drift bigint NOT NULL, \
     report text NOT NULL)",
    // The last ones of an organization.
    "CREATE INDEX reconciliations_recent ON reconciliations (organization_id, id)",
    // A file is one statement, however often it is sent.
    "CREATE TABLE bank_statements (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, format text NOT NULL, digest text NOT NULL, \
     account text, first_day text NOT NULL, last_day text NOT NULL, line_count bigint NOT NULL, \
     matched_count bigint NOT NULL, unmatched_payouts text NOT NULL, imported_by {uuid} NOT NULL, \
     imported_at {time} NOT NULL, \
     CONSTRAINT bank_statements_once UNIQUE (organization_id, digest))",
    // The list, the newest first.
    "CREATE INDEX bank_statements_recent ON bank_statements (organization_id, id)",
    "CREATE TABLE bank_lines (statement_id {uuid} NOT NULL REFERENCES bank_statements (id), \
     number bigint NOT NULL, organization_id {uuid} NOT NULL, booked_on text NOT NULL, \
     amount_minor bigint NOT NULL, currency text NOT NULL, reference text, counterparty text, \
     matched_by text, PRIMARY KEY (statement_id, number))",
    // A payment is seen once on its way out, and once when it comes back.
    "CREATE TABLE bank_matches (organization_id {uuid} NOT NULL, payout_id {uuid} NOT NULL, \
     direction text NOT NULL CHECK (direction IN ('out', 'back')), statement_id {uuid} NOT NULL, \
     number bigint NOT NULL, PRIMARY KEY (organization_id, payout_id, direction))",
    // The matches of a statement's lines.
    "CREATE INDEX bank_matches_of_statement ON bank_matches (statement_id, number)",
];
