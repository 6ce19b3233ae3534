//! Partners, their attributions and commissions, and what their payouts know besides.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_partners"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, PAYOUTS).await?;
        statements(manager, COMMISSIONS).await
    }
}

/// The version before writes none of these columns: what it pays are issues.
const PAYOUTS: &[&str] = &[
    "ALTER TABLE payouts ADD COLUMN source text NOT NULL DEFAULT 'issue'",
    "ALTER TABLE payouts ADD COLUMN period text NOT NULL DEFAULT ''",
    "ALTER TABLE payouts ADD COLUMN notes text NOT NULL DEFAULT ''",
    "ALTER TABLE payouts ADD COLUMN rejection text NOT NULL DEFAULT ''",
    "ALTER TABLE payouts ADD COLUMN approved_by {uuid}",
    "ALTER TABLE payouts ADD COLUMN approved_at {time}",
    "CREATE TABLE partners (organization_id {uuid} NOT NULL, partner_id {uuid} NOT NULL, \
     name text NOT NULL, created_at {time} NOT NULL, PRIMARY KEY (organization_id, partner_id))",
];

const COMMISSIONS: &[&str] = &[
    // Never changed: the newest rule of a scope holds. The nil UUID is any partner or product.
    "CREATE TABLE commission_rules (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, partner_id {uuid} NOT NULL, product_id {uuid} NOT NULL, \
     rate_kind text NOT NULL, rate_value bigint NOT NULL CHECK (rate_value > 0), \
     rate_currency text NOT NULL, holding_days bigint NOT NULL, created_by {uuid} NOT NULL, \
     created_at {time} NOT NULL)",
    // The rules of a sale, the newest of each scope.
    "CREATE INDEX commission_rules_scope \
     ON commission_rules (organization_id, partner_id, product_id, id)",
    "CREATE TABLE attributions (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     external_id text NOT NULL, partner_id {uuid} NOT NULL, product_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), currency text NOT NULL, \
     occurred_at {time} NOT NULL, payable_at {time} NOT NULL, rate_kind text NOT NULL, \
     rate_value bigint NOT NULL, rate_currency text NOT NULL, commission_minor bigint NOT NULL, \
     refunded_minor bigint NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor), \
     version bigint NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT attributions_one_sale UNIQUE (organization_id, external_id))",
    // A clawback is a negative commission. `part` is the version of the attribution that made it:
    // the sale is counted once, and so is each of its refunds.
    "CREATE TABLE commissions (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     attribution_id {uuid} NOT NULL REFERENCES attributions (id), part bigint NOT NULL, \
     partner_id {uuid} NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor <> 0), \
     currency text NOT NULL, occurred_at {time} NOT NULL, payable_at {time} NOT NULL, \
     payout_id {uuid}, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL, CONSTRAINT commissions_one_part UNIQUE (attribution_id, part))",
    // What no payout covers.
    "CREATE INDEX commissions_pending ON commissions (organization_id, partner_id, id) \
     WHERE payout_id IS NULL",
    "CREATE TABLE commission_items (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, payout_id {uuid} NOT NULL, \
     commission_id {uuid} NOT NULL REFERENCES commissions (id), amount_minor bigint NOT NULL, \
     live boolean NOT NULL)",
    // A commission is counted once (product.md, rule 12).
    "CREATE UNIQUE INDEX commission_items_one_live ON commission_items (commission_id) WHERE live",
    "CREATE INDEX commission_items_of_payout ON commission_items (payout_id)",
];
