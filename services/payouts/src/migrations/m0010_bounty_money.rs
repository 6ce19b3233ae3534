//! Quotes of bounties, and profits that were divided among points.

use quittance_chassis::db::{forbid_changes, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_bounty_money"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await?;
        for table in ["quotes", "profit_periods", "profit_allocations"] {
            forbid_changes(manager, table).await?;
        }
        Ok(())
    }
}

const TABLES: &[&str] = &[
    // What was shown is what is charged: a quote is never changed, other terms make another one.
    "CREATE TABLE quotes (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     issue_id {uuid} NOT NULL, version bigint NOT NULL, currency text NOT NULL, \
     value_minor bigint NOT NULL CHECK (value_minor > 0), \
     tip_minor bigint NOT NULL CHECK (tip_minor >= 0), fee_bps bigint NOT NULL, \
     platform_fee_minor bigint NOT NULL CHECK (platform_fee_minor >= 0), \
     processor_fee_minor bigint NOT NULL CHECK (processor_fee_minor >= 0), \
     rounding_minor bigint NOT NULL CHECK (rounding_minor BETWEEN 0 AND 1), \
     total_minor bigint NOT NULL, created_at {time} NOT NULL, \
     CONSTRAINT quotes_once UNIQUE \
     (organization_id, issue_id, version, currency, value_minor, tip_minor, fee_bps), \
     CONSTRAINT quotes_add_up CHECK (total_minor = value_minor + tip_minor + platform_fee_minor \
     + processor_fee_minor + rounding_minor))",
    "CREATE TABLE profit_periods (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, product_id {uuid} NOT NULL, period text NOT NULL, \
     currency text NOT NULL, profit_minor bigint NOT NULL, pool_bps bigint NOT NULL, \
     total_minor bigint NOT NULL, residual_minor bigint NOT NULL CHECK (residual_minor >= 0), \
     effective_points bigint NOT NULL, created_by {uuid} NOT NULL, created_at {time} NOT NULL, \
     CONSTRAINT profit_periods_once UNIQUE (organization_id, product_id, period))",
    "CREATE TABLE profit_allocations (profit_period_id {uuid} NOT NULL \
     REFERENCES profit_periods (id), member_id {uuid} NOT NULL, organization_id {uuid} NOT NULL, \
     points bigint NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor >= 0), \
     platform_fee_minor bigint NOT NULL CHECK (platform_fee_minor BETWEEN 0 AND amount_minor), \
     payout_id {uuid}, PRIMARY KEY (profit_period_id, member_id))",
];
