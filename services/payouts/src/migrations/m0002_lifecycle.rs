//! What happened to payouts after they were made, and what payees owe because of it.

use quittance_chassis::db::statements;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_lifecycle"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, TABLES).await
    }
}

const TABLES: &[&str] = &[
    // What the payee owed and was kept back; the amount is the items' sum less this.
    "ALTER TABLE payouts ADD COLUMN netted_minor bigint NOT NULL DEFAULT 0 \
     CHECK (netted_minor >= 0 AND amount_minor + netted_minor > 0)",
    "CREATE TABLE payout_steps (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     payout_id {uuid} NOT NULL REFERENCES payouts (id), from_state text NOT NULL, \
     to_state text NOT NULL, reason text NOT NULL, actor_id {uuid} NOT NULL, \
     item_count bigint NOT NULL, amount_minor bigint NOT NULL, currency text NOT NULL, \
     created_at {time} NOT NULL)",
    // Read with their payout.
    "CREATE INDEX payout_steps_of_payout ON payout_steps (organization_id, payout_id, id)",
    // A payment is taken back at most once, however it is asked for.
    "CREATE TABLE reversals (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     payout_id {uuid} NOT NULL REFERENCES payouts (id), \
     payout_item_id {uuid} NOT NULL REFERENCES payout_items (id), \
     earning_id {uuid} NOT NULL REFERENCES earnings (id), \
     kind text NOT NULL CHECK (kind IN ('void', 'return')), \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), currency text NOT NULL, \
     created_at {time} NOT NULL, CONSTRAINT reversals_once UNIQUE (payout_item_id))",
    "CREATE TABLE receivables (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     payee_id {uuid} NOT NULL, payout_id {uuid} NOT NULL REFERENCES payouts (id), \
     earning_id {uuid} NOT NULL REFERENCES earnings (id), \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), open_minor bigint NOT NULL, \
     currency text NOT NULL, reason text NOT NULL, version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT receivables_once UNIQUE (earning_id), \
     CONSTRAINT receivables_open CHECK (open_minor BETWEEN 0 AND amount_minor))",
    // What payees owe, the oldest debts first, when they are paid next.
    "CREATE INDEX receivables_owed ON receivables (organization_id, payee_id, id) \
     WHERE open_minor > 0",
    "CREATE TABLE nettings (receivable_id {uuid} NOT NULL REFERENCES receivables (id), \
     payout_id {uuid} NOT NULL REFERENCES payouts (id), organization_id {uuid} NOT NULL, \
     amount_minor bigint NOT NULL CHECK (amount_minor > 0), live boolean NOT NULL, \
     created_at {time} NOT NULL, PRIMARY KEY (receivable_id, payout_id))",
    // What a payout has kept back, when its money comes back.
    "CREATE INDEX nettings_of_payout ON nettings (payout_id)",
];
