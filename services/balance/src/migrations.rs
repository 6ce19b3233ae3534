//! The schema, step by step.

mod m0001_first;
mod m0002_ledger;
mod m0003_days;
mod m0004_partners;
mod m0005_generations;
mod m0006_reconciliations;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Migrates the database of this service.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_ledger::Migration),
            Box::new(m0003_days::Migration),
            Box::new(m0004_partners::Migration),
            Box::new(m0005_generations::Migration),
            Box::new(m0006_reconciliations::Migration),
        ]
    }

    fn migration_table_name() -> sea_orm::DynIden {
        sea_orm::sea_query::IntoIden::into_iden("balance_migrations")
    }
}
