//! Payments of fixed bounties, who pays for a product, and charges.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0012_approve_and_pay"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE payers (product_id {uuid} NOT NULL, organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, customer_id text NOT NULL, payment_method text NOT NULL, \
     version bigint NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     PRIMARY KEY (organization_id, product_id))",
    // One payment per submission, whoever hears of its approval first.
    "CREATE TABLE bounty_payments (issue_id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, product_id {uuid} NOT NULL, bounty_id {uuid} NOT NULL, \
     approved_by {uuid} NOT NULL, source_version bigint NOT NULL, \
     payout_id {uuid} REFERENCES payouts (id), progress text NOT NULL, \
     funding text NOT NULL, quote_id {uuid}, reasons text NOT NULL, next_at {time}, \
     tries bigint NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL)",
    "CREATE UNIQUE INDEX bounty_payments_of_payout ON bounty_payments (payout_id) \
     WHERE payout_id IS NOT NULL",
    // What the worker looks at.
    "CREATE INDEX bounty_payments_due ON bounty_payments (next_at) WHERE next_at IS NOT NULL",
    "CREATE TABLE charges (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     purpose text NOT NULL, subject_id {uuid} NOT NULL, product_id {uuid} NOT NULL, \
     payer_id {uuid} NOT NULL, number bigint NOT NULL, state text NOT NULL, \
     customer_id text NOT NULL, payment_method text NOT NULL, currency text NOT NULL, \
     value_minor bigint NOT NULL, tip_minor bigint NOT NULL, platform_fee_minor bigint NOT NULL, \
     processor_fee_minor bigint NOT NULL, rounding_minor bigint NOT NULL, \
     total_minor bigint NOT NULL CHECK (total_minor > 0), reference text NOT NULL, \
     code text NOT NULL, asked bigint NOT NULL, \
     refunded_minor bigint NOT NULL CHECK (refunded_minor BETWEEN 0 AND total_minor), \
     next_at {time} NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL, CONSTRAINT charges_numbered UNIQUE (subject_id, number), \
     CONSTRAINT charges_add_up CHECK (total_minor = value_minor + tip_minor + platform_fee_minor \
     + processor_fee_minor + rounding_minor))",
    // Never two charges for one purpose that could both take money, and none after one that has.
    "CREATE UNIQUE INDEX charges_one_live ON charges (subject_id) WHERE state IN \
     ('created', 'submitted', 'needs_action', 'unknown', 'succeeded', 'refunding')",
    "CREATE INDEX charges_due ON charges (next_at) WHERE state IN \
     ('created', 'submitted', 'needs_action', 'unknown', 'refunding')",
];
