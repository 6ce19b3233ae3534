//! The schema of the issues service.

mod m0001_first;
mod m0002_identity;
mod m0003_attachments;
mod m0004_bounties;
mod m0005_inbox;
mod m0006_api_keys;
mod m0007_webhooks;

use sea_orm::DynIden;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings the database to the schema of this version.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::First),
            Box::new(m0002_identity::Identity),
            Box::new(m0003_attachments::Attachments),
            Box::new(m0004_bounties::Bounties),
            Box::new(m0005_inbox::Inbox),
            Box::new(m0006_api_keys::ApiKeys),
            Box::new(m0007_webhooks::Webhooks),
        ]
    }

    fn migration_table_name() -> DynIden {
        // Of its own, so that several services can share one database.
        DynIden::from("issues_migrations")
    }
}
