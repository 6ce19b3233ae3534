//! Generations of the projections: which one is read, and which one is being built.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0005_generations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

/// A generation is a tenant of its own in the tables of the projections: its id stands where that of
/// the organization does. Without a row here it is the organization's own id.
const TABLES: &[&str] = &[
    "CREATE TABLE generations (organization_id {uuid} NOT NULL PRIMARY KEY, \
     current_id {uuid} NOT NULL, building_id {uuid}, version bigint NOT NULL, \
     switched_at {time})",
    // How far a rebuild is. Whoever goes on with it takes the next version, so that a process that
    // was thought dead finds out.
    "CREATE TABLE rebuilds (building_id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, step text NOT NULL, after_id {uuid} NOT NULL, \
     done bigint NOT NULL, corrected bigint NOT NULL, version bigint NOT NULL, \
     started_at {time} NOT NULL, updated_at {time} NOT NULL)",
    // What nobody reads any more and is removed in pieces.
    "CREATE TABLE discarded_generations (generation_id {uuid} NOT NULL PRIMARY KEY, \
     discarded_at {time} NOT NULL)",
];
