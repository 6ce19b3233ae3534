//! What was paid and taken back on each day, kept for charts.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_days"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, &[DAYS]).await
    }
}

/// `day` is the number of days since 1970-01-01 in UTC. The checks keep SQLite from turning a sum
/// that overflows into a fraction.
const DAYS: &str = "CREATE TABLE day_money (organization_id {uuid} NOT NULL, \
     day bigint NOT NULL, currency text NOT NULL, \
     paid bigint NOT NULL CHECK (paid BETWEEN -9000000000000000000 AND 9000000000000000000), \
     paid_count bigint NOT NULL, taken_back bigint NOT NULL \
     CHECK (taken_back BETWEEN -9000000000000000000 AND 9000000000000000000), \
     taken_back_count bigint NOT NULL, PRIMARY KEY (organization_id, day, currency))";
