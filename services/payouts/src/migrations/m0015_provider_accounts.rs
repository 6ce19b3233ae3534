//! How the accounts of payees stand with their provider.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0015_provider_accounts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // `account_id` is what the provider calls it in its events; attempts have it too.
    "CREATE TABLE provider_accounts (id {uuid} NOT NULL PRIMARY KEY \
     REFERENCES payout_accounts (id), organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, rail text NOT NULL, account_id text NOT NULL, \
     standing text NOT NULL, reason text NOT NULL DEFAULT '', asked bigint NOT NULL DEFAULT 0, \
     next_at {time}, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL)",
    "CREATE INDEX provider_accounts_of ON provider_accounts (account_id)",
    // Whom the provider is asked about.
    "CREATE INDEX provider_accounts_due ON provider_accounts (next_at) WHERE next_at IS NOT NULL",
    // Money that went back is told by the name of what it was taken of.
    "CREATE INDEX attempts_of_reference ON attempts (reference) WHERE reference <> ''",
    "CREATE INDEX charges_of_reference ON charges (reference) WHERE reference <> ''",
];
