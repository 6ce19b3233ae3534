//! Attachments of issues, and what the sweep of old notifications reads.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Attachments;

impl MigrationName for Attachments {
    fn name(&self) -> &'static str {
        "m0003_attachments"
    }
}

#[tonic::async_trait]
impl MigrationTrait for Attachments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // A link has an address, a file a digest; the same bytes belong to an issue once.
    "CREATE TABLE attachments (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     issue_id {uuid} NOT NULL REFERENCES issues (id), name text NOT NULL, url text, \
     content_type text, size_bytes bigint NOT NULL CHECK (size_bytes >= 0), sha256 text, \
     added_by {uuid} NOT NULL, created_at {time} NOT NULL, \
     CONSTRAINT attachments_once UNIQUE (issue_id, sha256), \
     CONSTRAINT attachments_kind CHECK ((url IS NULL) = (sha256 IS NOT NULL) \
     AND (sha256 IS NULL) = (content_type IS NULL)))",
    // What belongs to one issue.
    "CREATE INDEX attachments_issue ON attachments (organization_id, issue_id, id)",
    // What the sweep of old notifications removes.
    "CREATE INDEX notifications_old ON notifications (created_at) WHERE read_at IS NOT NULL",
];
