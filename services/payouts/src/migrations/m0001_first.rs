//! Earnings, payouts and their items, batches, plans.

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
        statements(manager, EARNINGS).await?;
        statements(manager, PAYOUTS).await?;
        statements(manager, PLANS).await
    }
}

/// Narrow on purpose: these rows are rewritten with every payment.
const EARNINGS: &[&str] = &[
    "CREATE TABLE earnings (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     source_kind text NOT NULL, source_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL, \
     payee_id {uuid} NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor > 0), \
     currency text NOT NULL, status text NOT NULL, version bigint NOT NULL, \
     source_version bigint NOT NULL, payout_id {uuid}, approved_at {time}, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL, \
     CONSTRAINT earnings_one_source UNIQUE (organization_id, source_kind, source_id))",
    // The pay queue.
    "CREATE INDEX earnings_pay_queue ON earnings (organization_id, payee_id, id) \
     WHERE status = 'approved'",
    // Rejections of issues that never were owed; see `domain::review`.
    "CREATE TABLE rejections (organization_id {uuid} NOT NULL, issue_id {uuid} NOT NULL, \
     version bigint NOT NULL, PRIMARY KEY (organization_id, issue_id))",
];

const PAYOUTS: &[&str] = &[
    "CREATE TABLE batches (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     created_by {uuid} NOT NULL, state text NOT NULL, item_count bigint NOT NULL, \
     created_at {time} NOT NULL)",
    "CREATE TABLE payouts (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     batch_id {uuid}, payee_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor >= 0), currency text NOT NULL, \
     method text NOT NULL, reference text NOT NULL, state text NOT NULL, \
     item_count bigint NOT NULL, paid_at {time}, created_by {uuid} NOT NULL, \
     version bigint NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    "CREATE INDEX payouts_list ON payouts (organization_id, id)",
    "CREATE INDEX payouts_of_payee ON payouts (organization_id, payee_id, id)",
    "CREATE TABLE payout_items (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     payout_id {uuid} NOT NULL, earning_id {uuid} NOT NULL REFERENCES earnings (id), \
     issue_id {uuid} NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor > 0), \
     currency text NOT NULL, live boolean NOT NULL)",
    // Never pay twice: at most one live payment per earning (product.md, rule 7).
    "CREATE UNIQUE INDEX payout_items_one_live ON payout_items (earning_id) WHERE live",
    "CREATE INDEX payout_items_of_payout ON payout_items (payout_id)",
];

const PLANS: &[&str] = &[
    "CREATE TABLE plans (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     created_by {uuid} NOT NULL, filters text NOT NULL, method text NOT NULL, \
     reference text NOT NULL, digest text NOT NULL, state text NOT NULL, totals text NOT NULL, \
     item_count bigint NOT NULL, excluded_count bigint NOT NULL, batch_id {uuid}, \
     expires_at {time} NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL)",
    // The list of plans, the newest first.
    "CREATE INDEX plans_list ON plans (organization_id, id)",
    // Read by plan, in the order of the earnings: what is included, and what is not and why.
    "CREATE TABLE plan_items (plan_id {uuid} NOT NULL, earning_id {uuid} NOT NULL, \
     organization_id {uuid} NOT NULL, issue_id {uuid} NOT NULL, payee_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL, currency text NOT NULL, earning_version bigint NOT NULL, \
     source_version bigint NOT NULL, reasons text, PRIMARY KEY (plan_id, earning_id))",
];
