//! What the sandbox remembers of charges, and of money that it gave back.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0011_sandbox_charges"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // The provider's own books: they know of no organization.
    "CREATE TABLE sandbox_charges (attempt_id {uuid} NOT NULL PRIMARY KEY, \
     transfer_group text NOT NULL, customer_id text NOT NULL, payment_method text NOT NULL, \
     amount_minor bigint NOT NULL, currency text NOT NULL, state text NOT NULL, \
     code text NOT NULL, calls bigint NOT NULL, asked bigint NOT NULL, created_at {time} NOT NULL)",
    "CREATE INDEX sandbox_charges_of_group ON sandbox_charges (transfer_group)",
    "CREATE TABLE sandbox_returns (attempt_id {uuid} NOT NULL PRIMARY KEY, \
     reference text NOT NULL CONSTRAINT sandbox_returns_once UNIQUE, amount_minor bigint NOT NULL, \
     currency text NOT NULL, calls bigint NOT NULL, created_at {time} NOT NULL)",
];
