//! Payout accounts with what they were before, and minimum amounts.

use quittance_chassis::db::{forbid_changes, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await?;
        forbid_changes(manager, "payout_account_history").await
    }
}

const TABLES: &[&str] = &[
    // `sealed` is the number, encrypted by the key `key_id`. `changed_at` is empty for a first number.
    "CREATE TABLE payout_accounts (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, member_id {uuid} NOT NULL, method text NOT NULL, \
     sealed text NOT NULL, key_id text NOT NULL, masked text NOT NULL, version bigint NOT NULL, \
     changed_at {time}, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT payout_accounts_one UNIQUE (organization_id, member_id, method))",
    // Whose account was changed lately, whenever somebody pays.
    "CREATE INDEX payout_accounts_changed ON payout_accounts (organization_id, changed_at) \
     WHERE changed_at IS NOT NULL",
    // What an account was, masked: a number that is no longer used is not kept.
    "CREATE TABLE payout_account_history (account_id {uuid} NOT NULL, version bigint NOT NULL, \
     organization_id {uuid} NOT NULL, member_id {uuid} NOT NULL, method text NOT NULL, \
     masked text NOT NULL, actor_id {uuid} NOT NULL, created_at {time} NOT NULL, \
     PRIMARY KEY (account_id, version))",
    "CREATE TABLE minimum_amounts (organization_id {uuid} NOT NULL, currency text NOT NULL, \
     method text NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor >= 0), \
     updated_by {uuid} NOT NULL, updated_at {time} NOT NULL, \
     PRIMARY KEY (organization_id, currency, method))",
];
