//! Outgoing webhooks: addresses, and the durable queue that is their log too.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Webhooks;

impl MigrationName for Webhooks {
    fn name(&self) -> &'static str {
        "m0007_webhooks"
    }
}

#[tonic::async_trait]
impl MigrationTrait for Webhooks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

/// One delivery per endpoint and event, however often the event is heard.
const TABLES: &[&str] = &[
    "CREATE TABLE webhook_endpoints (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, url text NOT NULL, description text NOT NULL, \
     secret text NOT NULL, kinds text NOT NULL, enabled bigint NOT NULL, \
     disabled_reason text NOT NULL, failing_since {time}, failures bigint NOT NULL, \
     rests_until {time}, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     deleted_at {time}, version bigint NOT NULL)",
    // Those of an organization that are there.
    "CREATE INDEX webhook_endpoints_organization ON webhook_endpoints (organization_id) \
     WHERE deleted_at IS NULL",
    "CREATE TABLE webhook_deliveries (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, \
     endpoint_id {uuid} NOT NULL REFERENCES webhook_endpoints (id), \
     event_id {uuid} NOT NULL, kind text NOT NULL, body text NOT NULL, state text NOT NULL, \
     tries bigint NOT NULL, next_at {time} NOT NULL, created_at {time} NOT NULL, \
     delivered_at {time}, last_status bigint NOT NULL, last_error text NOT NULL, \
     CONSTRAINT webhook_deliveries_once UNIQUE (endpoint_id, event_id))",
    // What is to be sent next to an endpoint.
    "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_at, id) \
     WHERE state = 'pending'",
    // The log of an endpoint, the newest first.
    "CREATE INDEX webhook_deliveries_log ON webhook_deliveries (endpoint_id, created_at, id)",
    // What is forgotten.
    "CREATE INDEX webhook_deliveries_age ON webhook_deliveries (created_at)",
];
