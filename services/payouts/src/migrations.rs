//! The schema, step by step.

mod m0001_first;
mod m0002_lifecycle;
mod m0003_partners;
mod m0004_accounts;
mod m0005_rails;
mod m0006_approvals;
mod m0007_plan_lines;
mod m0008_schedules;
mod m0009_jobs;
mod m0010_bounty_money;
mod m0011_sandbox_charges;
mod m0012_approve_and_pay;
mod m0013_pre_funds;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Migrates the database of this service.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_lifecycle::Migration),
            Box::new(m0003_partners::Migration),
            Box::new(m0004_accounts::Migration),
            Box::new(m0005_rails::Migration),
            Box::new(m0006_approvals::Migration),
            Box::new(m0007_plan_lines::Migration),
            Box::new(m0008_schedules::Migration),
            Box::new(m0009_jobs::Migration),
            Box::new(m0010_bounty_money::Migration),
            Box::new(m0011_sandbox_charges::Migration),
            Box::new(m0012_approve_and_pay::Migration),
            Box::new(m0013_pre_funds::Migration),
        ]
    }

    fn migration_table_name() -> sea_orm::DynIden {
        sea_orm::sea_query::IntoIden::into_iden("payouts_migrations")
    }
}
