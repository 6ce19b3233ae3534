//! Identities of external providers, and who viewed as whom.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Identity;

impl MigrationName for Identity {
    fn name(&self) -> &'static str {
        "m0002_identity"
    }
}

#[tonic::async_trait]
impl MigrationTrait for Identity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

/// The two unique constraints are what makes a link happen once, whoever races.
const TABLES: &[&str] = &[
    "CREATE TABLE member_identities (organization_id {uuid} NOT NULL, issuer text NOT NULL, \
     subject text NOT NULL, member_id {uuid} NOT NULL REFERENCES members (id), \
     email text NOT NULL, linked_at {time} NOT NULL, \
     CONSTRAINT member_identities_pkey PRIMARY KEY (organization_id, issuer, subject), \
     CONSTRAINT member_identities_member UNIQUE (organization_id, member_id))",
    "CREATE TABLE impersonations (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, admin_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL REFERENCES members (id), reason text NOT NULL, \
     started_at {time} NOT NULL, expires_at {time} NOT NULL, ended_at {time}, \
     version bigint NOT NULL, CHECK (admin_id <> member_id))",
    // The list of an organization, the newest first.
    "CREATE INDEX impersonations_started ON impersonations (organization_id, started_at, id)",
    // Those that an admin has not ended.
    "CREATE INDEX impersonations_open ON impersonations (organization_id, admin_id) \
     WHERE ended_at IS NULL",
];
