//! Commissions in the order of their ids, for those who keep projections of them.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0014_commissions_list"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Pages of snapshots.
        let index = "CREATE INDEX commissions_list ON commissions (organization_id, id)";
        statements(manager, &[index]).await
    }
}
