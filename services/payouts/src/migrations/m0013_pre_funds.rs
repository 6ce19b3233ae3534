//! What products have paid in advance.

use quittance_chassis::db::{forbid_changes, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0013_pre_funds"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await?;
        forbid_changes(manager, "pre_fund_moves").await
    }
}

const TABLES: &[&str] = &[
    // Never below zero, whoever draws at once.
    "CREATE TABLE pre_funds (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL, currency text NOT NULL, \
     balance_minor bigint NOT NULL CHECK (balance_minor >= 0), \
     low_minor bigint NOT NULL CHECK (low_minor >= 0), version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT pre_funds_one UNIQUE (organization_id, product_id, currency))",
    // One charge fills it once, and one payout draws once and is given back once.
    "CREATE TABLE pre_fund_moves (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL, currency text NOT NULL, \
     kind text NOT NULL CHECK (kind IN ('top_up', 'drawn', 'returned')), \
     subject_id {uuid} NOT NULL, amount_minor bigint NOT NULL, created_at {time} NOT NULL, \
     CONSTRAINT pre_fund_moves_once UNIQUE (kind, subject_id))",
];
