//! What partners earn and are paid.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_partners"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

/// A commission or a payout each. Version 0 of a part means that nothing has been heard of it.
const TABLES: &[&str] = &[
    "CREATE TABLE partner_entries (organization_id {uuid} NOT NULL, entity_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL, currency text NOT NULL, version bigint NOT NULL, \
     kind text NOT NULL, amount_minor bigint NOT NULL, status text NOT NULL, \
     owed_version bigint NOT NULL, owed_minor bigint NOT NULL, \
     PRIMARY KEY (organization_id, entity_id))",
    // A partner's sums.
    "CREATE INDEX partner_entries_of_member ON partner_entries (organization_id, member_id)",
];
