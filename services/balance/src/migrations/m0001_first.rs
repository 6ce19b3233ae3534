//! Lines, the sums of what they contribute, and the names and rates to show them with.

use quittance_chassis::db::{chassis_tables, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        chassis_tables(manager).await?;
        statements(manager, LINES).await?;
        statements(manager, &[CYCLE_COUNTS, CYCLE_MONEY, MEMBER_MONEY, TOP_EARNERS]).await?;
        statements(manager, &[CYCLES, MEMBERS]).await
    }
}

/// Version 0 of a part means that nothing has been heard of it.
const LINES: &[&str] = &[
    "CREATE TABLE lines (organization_id {uuid} NOT NULL, issue_id {uuid} NOT NULL, \
     issue_version bigint NOT NULL, reporter_id {uuid}, issue_cycle_id {uuid}, title text, \
     severity text, status text, review text, price_minor bigint NOT NULL, price_currency text, \
     rule text, filed_at {time}, \
     earning_version bigint NOT NULL, payee_id {uuid}, earning_cycle_id {uuid}, \
     amount_minor bigint NOT NULL, currency text, earning_status text, method text, \
     reference text, paid_at {time}, void_at {time}, receivable_minor bigint NOT NULL DEFAULT 0, \
     PRIMARY KEY (organization_id, issue_id))",
    // A member's history, the newest first.
    "CREATE INDEX lines_history ON lines (organization_id, reporter_id, filed_at DESC, \
     issue_id DESC) WHERE status <> 'draft'",
    // A payee's payments and what was taken back, in the order of the export.
    "CREATE INDEX lines_paid ON lines (organization_id, payee_id, paid_at, issue_id) \
     WHERE paid_at IS NOT NULL",
    "CREATE INDEX lines_voided ON lines (organization_id, payee_id, void_at, issue_id) \
     WHERE void_at IS NOT NULL",
];

const CYCLE_COUNTS: &str = "CREATE TABLE cycle_counts (organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL, issues bigint NOT NULL, \
     approved bigint NOT NULL, paid bigint NOT NULL, decided bigint NOT NULL, \
     pending_critical bigint NOT NULL, pending_high bigint NOT NULL, \
     pending_medium bigint NOT NULL, pending_low bigint NOT NULL, \
     PRIMARY KEY (organization_id, member_id, cycle_id))";

/// The checks keep SQLite from turning a sum that overflows into a fraction.
const CYCLE_MONEY: &str = "CREATE TABLE cycle_money (organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL, currency text NOT NULL, \
     earned bigint NOT NULL CHECK (earned BETWEEN -9000000000000000000 AND 9000000000000000000), \
     earned_count bigint NOT NULL, \
     pending bigint NOT NULL CHECK (pending BETWEEN -9000000000000000000 AND 9000000000000000000), \
     pending_count bigint NOT NULL, \
     voided bigint NOT NULL CHECK (voided BETWEEN -9000000000000000000 AND 9000000000000000000), \
     voided_count bigint NOT NULL, receivable bigint NOT NULL \
     CHECK (receivable BETWEEN -9000000000000000000 AND 9000000000000000000), \
     PRIMARY KEY (organization_id, member_id, cycle_id, currency))";

const MEMBER_MONEY: &str = "CREATE TABLE member_money (organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, currency text NOT NULL, \
     earned bigint NOT NULL CHECK (earned BETWEEN -9000000000000000000 AND 9000000000000000000), \
     earned_count bigint NOT NULL, \
     pending bigint NOT NULL CHECK (pending BETWEEN -9000000000000000000 AND 9000000000000000000), \
     pending_count bigint NOT NULL, \
     voided bigint NOT NULL CHECK (voided BETWEEN -9000000000000000000 AND 9000000000000000000), \
     voided_count bigint NOT NULL, receivable bigint NOT NULL \
     CHECK (receivable BETWEEN -9000000000000000000 AND 9000000000000000000), \
     PRIMARY KEY (organization_id, member_id, currency))";

const TOP_EARNERS: &str = "CREATE INDEX member_money_top \
     ON member_money (organization_id, currency, earned DESC, member_id)";

const CYCLES: &str = "CREATE TABLE cycles (organization_id {uuid} NOT NULL, id {uuid} NOT NULL, \
     version bigint NOT NULL, name text, currency text NOT NULL, critical bigint NOT NULL, \
     high bigint NOT NULL, medium bigint NOT NULL, low bigint NOT NULL, \
     PRIMARY KEY (organization_id, id))";

const MEMBERS: &str = "CREATE TABLE members (organization_id {uuid} NOT NULL, id {uuid} NOT NULL, \
     version bigint NOT NULL, name text, PRIMARY KEY (organization_id, id))";
