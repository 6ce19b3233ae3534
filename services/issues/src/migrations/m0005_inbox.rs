//! How many issues of a cycle wait for a decision, kept beside the issues.
//!
//! Counting them takes longer the more there are, and the inbox shows the count on every page. The
//! database keeps it, so that no way of writing an issue can forget it. Submissions for bounties
//! are decided with their bounty, and do not wait there.

use quittance_chassis::db::statements;
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Inbox;

impl MigrationName for Inbox {
    fn name(&self) -> &'static str {
        "m0005_inbox"
    }
}

#[tonic::async_trait]
impl MigrationTrait for Inbox {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await?;
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        statements(manager, if postgres { POSTGRES } else { SQLITE }).await
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE cycle_inbox (organization_id {uuid} NOT NULL, \
     cycle_id {uuid} NOT NULL REFERENCES cycles (id), undecided bigint NOT NULL, \
     PRIMARY KEY (organization_id, cycle_id))",
    "INSERT INTO cycle_inbox SELECT organization_id, cycle_id, count(*) FROM issues \
     WHERE status = 'open' AND review = 'pending' AND bounty_id IS NULL AND cycle_id IS NOT NULL \
     GROUP BY organization_id, cycle_id",
];

/// Once per statement, whatever the number of its rows; in the order of the cycles, as all locks
/// are taken.
const POSTGRES: &[&str] = &[
    "CREATE FUNCTION cycle_inbox_filed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     INSERT INTO cycle_inbox AS t SELECT organization_id, cycle_id, count(*) FROM new_rows \
     WHERE status = 'open' AND review = 'pending' AND bounty_id IS NULL AND cycle_id IS NOT NULL \
     GROUP BY 1, 2 ORDER BY 1, 2 \
     ON CONFLICT (organization_id, cycle_id) DO UPDATE SET undecided = t.undecided + excluded.undecided; \
     RETURN NULL; END $$",
    "CREATE TRIGGER cycle_inbox_filed AFTER INSERT ON issues REFERENCING NEW TABLE AS new_rows \
     FOR EACH STATEMENT EXECUTE FUNCTION cycle_inbox_filed()",
    "CREATE FUNCTION cycle_inbox_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     INSERT INTO cycle_inbox AS t SELECT organization_id, cycle_id, sum(n) FROM ( \
     SELECT organization_id, cycle_id, 1 AS n FROM new_rows \
     WHERE status = 'open' AND review = 'pending' AND bounty_id IS NULL AND cycle_id IS NOT NULL UNION ALL \
     SELECT organization_id, cycle_id, -1 FROM old_rows \
     WHERE status = 'open' AND review = 'pending' AND bounty_id IS NULL AND cycle_id IS NOT NULL) d \
     GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2 \
     ON CONFLICT (organization_id, cycle_id) DO UPDATE SET undecided = t.undecided + excluded.undecided; \
     RETURN NULL; END $$",
    "CREATE TRIGGER cycle_inbox_moved AFTER UPDATE ON issues \
     REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows \
     FOR EACH STATEMENT EXECUTE FUNCTION cycle_inbox_moved()",
];

const SQLITE: &[&str] = &[
    "CREATE TRIGGER cycle_inbox_filed AFTER INSERT ON issues \
     WHEN new.status = 'open' AND new.review = 'pending' AND new.bounty_id IS NULL \
     AND new.cycle_id IS NOT NULL BEGIN \
     INSERT INTO cycle_inbox VALUES (new.organization_id, new.cycle_id, 1) \
     ON CONFLICT (organization_id, cycle_id) DO UPDATE SET undecided = undecided + 1; END",
    "CREATE TRIGGER cycle_inbox_moved AFTER UPDATE OF status, review ON issues \
     WHEN new.cycle_id IS NOT NULL AND new.bounty_id IS NULL AND (new.status = 'open' AND new.review = 'pending') \
     <> (old.status = 'open' AND old.review = 'pending') BEGIN \
     INSERT INTO cycle_inbox VALUES (new.organization_id, new.cycle_id, \
     CASE WHEN new.status = 'open' AND new.review = 'pending' THEN 1 ELSE -1 END) \
     ON CONFLICT (organization_id, cycle_id) \
     DO UPDATE SET undecided = undecided + excluded.undecided; END",
];
