//! The double-entry ledger, and what was told of each line, so that a balance can be explained.

use quittance_chassis::db::{forbid_changes, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, &[LINE_EVENTS, LINE_EVENTS_OF, SOURCES, HEADS, ACCOUNTS]).await?;
        statements(manager, ENTRIES).await?;
        forbid_changes(manager, "ledger_entries").await
    }
}

/// Every version of an issue and of its earning that was heard of, whatever the order: the line at
/// any past instant is made of the newest of each that had been told by then.
const LINE_EVENTS: &str = "CREATE TABLE line_events (organization_id {uuid} NOT NULL, \
     issue_id {uuid} NOT NULL, part text NOT NULL CHECK (part IN ('issue', 'earning')), \
     version bigint NOT NULL, event_id {uuid} NOT NULL, kind text NOT NULL, at {time} NOT NULL, \
     member_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL, standing text NOT NULL, status text, \
     severity text, minor bigint NOT NULL, currency text, rule text, method text, reference text, \
     paid_at {time}, void_at {time}, receivable_minor bigint NOT NULL, \
     PRIMARY KEY (organization_id, issue_id, part, version))";

/// The issues of a member, page by page.
const LINE_EVENTS_OF: &str =
    "CREATE INDEX line_events_of ON line_events (organization_id, member_id, issue_id)";

/// Payouts and commissions, as last heard.
const SOURCES: &str = "CREATE TABLE ledger_sources (organization_id {uuid} NOT NULL, \
     source_id {uuid} NOT NULL, version bigint NOT NULL, stage text NOT NULL, payee_id {uuid}, \
     minor bigint NOT NULL, currency text, method text, \
     PRIMARY KEY (organization_id, source_id))";

/// The end of each organization's chain. Its row is what posters wait for each other at.
const HEADS: &str = "CREATE TABLE ledger_heads (organization_id {uuid} NOT NULL PRIMARY KEY, \
     ordinal bigint NOT NULL, hash text NOT NULL)";

const ACCOUNTS: &str = "CREATE TABLE ledger_accounts (organization_id {uuid} NOT NULL, \
     account text NOT NULL, kind text NOT NULL, owner text NOT NULL, currency text NOT NULL, \
     balance bigint NOT NULL CHECK (balance BETWEEN -9000000000000000000 AND 9000000000000000000), \
     entries bigint NOT NULL, PRIMARY KEY (organization_id, account))";

/// An entry has one debit and one credit of one amount: it sums to zero by its form.
const ENTRIES: &[&str] = &[
    "CREATE TABLE ledger_entries (organization_id {uuid} NOT NULL, \
     ordinal bigint NOT NULL CHECK (ordinal > 0), source_id {uuid} NOT NULL, \
     source_version bigint NOT NULL, part bigint NOT NULL, event_id {uuid} NOT NULL, \
     kind text NOT NULL, occurred_at {time} NOT NULL, posted_at {time} NOT NULL, \
     debit text NOT NULL, credit text NOT NULL, minor bigint NOT NULL CHECK (minor > 0), \
     debit_balance bigint NOT NULL, credit_balance bigint NOT NULL, \
     prev text NOT NULL, hash text NOT NULL, \
     CONSTRAINT ledger_entries_two_accounts CHECK (debit <> credit), \
     CONSTRAINT ledger_entries_one_currency \
     CHECK (substr(debit, length(debit) - 3) = substr(credit, length(credit) - 3)), \
     CONSTRAINT ledger_entries_once UNIQUE (organization_id, source_id, source_version, part), \
     CONSTRAINT ledger_entries_follow UNIQUE (organization_id, prev), \
     PRIMARY KEY (organization_id, ordinal))",
    // The entries of an account, the newest first: one read of each index, merged.
    "CREATE INDEX ledger_entries_debit ON ledger_entries (organization_id, debit, ordinal)",
    "CREATE INDEX ledger_entries_credit ON ledger_entries (organization_id, credit, ordinal)",
];
