//! Keys by which programs of members call.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct ApiKeys;

impl MigrationName for ApiKeys {
    fn name(&self) -> &'static str {
        "m0006_api_keys"
    }
}

#[tonic::async_trait]
impl MigrationTrait for ApiKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

/// A secret is 256 random bits, so that its SHA-256 needs no salt and can be looked up by itself.
const TABLES: &[&str] = &[
    "CREATE TABLE api_keys (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     member_id {uuid} NOT NULL REFERENCES members (id), name text NOT NULL, \
     digest text NOT NULL, start text NOT NULL, roles text NOT NULL, \
     read_only bigint NOT NULL, created_at {time} NOT NULL, expires_at {time} NOT NULL, \
     revoked_at {time}, last_used_at {time}, version bigint NOT NULL, \
     CONSTRAINT api_keys_digest UNIQUE (digest), CHECK (length(digest) = 64))",
    // Those of a member, the newest first.
    "CREATE INDEX api_keys_member ON api_keys (organization_id, member_id, created_at)",
];
