//! Organizations, members, products, cycles and issues.

use quittance_chassis::db::{chassis_tables, forbid_changes, statements};
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[tonic::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        chassis_tables(manager).await?;
        statements(manager, TABLES).await?;
        statements(manager, INDEXES).await?;
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        statements(manager, if postgres { SEARCH_POSTGRES } else { SEARCH_SQLITE }).await?;
        forbid_changes(manager, "cycle_rate_changes").await
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE organizations (id {uuid} NOT NULL PRIMARY KEY, name text NOT NULL UNIQUE, \
     created_at {time} NOT NULL)",
    "CREATE TABLE members (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL REFERENCES organizations (id), name text NOT NULL, \
     email text NOT NULL, roles text NOT NULL, version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT members_email UNIQUE (organization_id, email))",
    "CREATE TABLE products (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     name text NOT NULL, key text NOT NULL, requires_verification boolean, \
     platform_fee_bps bigint NOT NULL CHECK (platform_fee_bps BETWEEN 0 AND 10000), \
     next_number bigint NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL, CONSTRAINT products_key UNIQUE (organization_id, key))",
    "CREATE TABLE cycles (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL REFERENCES products (id), name text NOT NULL, \
     status text NOT NULL CHECK (status IN ('open', 'closed')), requires_verification boolean, \
     rate_currency text, rate_critical bigint CHECK (rate_critical > 0), \
     rate_high bigint CHECK (rate_high > 0), rate_medium bigint CHECK (rate_medium > 0), \
     rate_low bigint CHECK (rate_low > 0), version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL)",
    "CREATE TABLE cycle_rate_changes (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, cycle_id {uuid} NOT NULL REFERENCES cycles (id), \
     changed_by {uuid} NOT NULL, changed_at {time} NOT NULL, \
     before_currency text, before_critical bigint, before_high bigint, before_medium bigint, \
     before_low bigint, after_currency text, after_critical bigint, after_high bigint, \
     after_medium bigint, after_low bigint)",
    "CREATE TABLE cycle_members (organization_id {uuid} NOT NULL, \
     cycle_id {uuid} NOT NULL REFERENCES cycles (id), \
     member_id {uuid} NOT NULL REFERENCES members (id), lead boolean NOT NULL, \
     PRIMARY KEY (cycle_id, member_id))",
    "CREATE TABLE issues (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL REFERENCES products (id), \
     cycle_id {uuid} NOT NULL REFERENCES cycles (id), reporter_id {uuid} NOT NULL, \
     number bigint NOT NULL, title text NOT NULL, body text NOT NULL, \
     words text NOT NULL DEFAULT '', duplicate_of {uuid}, \
     severity bigint NOT NULL CHECK (severity BETWEEN 1 AND 4), status text NOT NULL, \
     review text NOT NULL CHECK (review IN ('pending', 'approved', 'rejected')), \
     amount_minor bigint CHECK (amount_minor > 0), currency text, rule text, \
     points bigint CHECK (points > 0), \
     decided_by {uuid}, decided_at {time}, reason text, verified_by {uuid}, resolved_at {time}, \
     pay_status text CHECK (pay_status IN ('paid', 'void')), pay_version bigint NOT NULL, \
     payout_id {uuid}, paid_at {time}, paid_minor bigint, paid_currency text, \
     version bigint NOT NULL, created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT issues_number UNIQUE (product_id, number), \
     CONSTRAINT issues_priced CHECK ((review = 'approved') = (amount_minor IS NOT NULL OR points IS NOT NULL) \
     AND (amount_minor IS NULL OR points IS NULL) AND (amount_minor IS NULL) = (currency IS NULL)))",
    // One event tells a member one thing, however often it comes.
    "CREATE TABLE notifications (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, member_id {uuid} NOT NULL, kind text NOT NULL, \
     issue_id {uuid} REFERENCES issues (id), title text NOT NULL, data text NOT NULL, \
     event_id {uuid} NOT NULL, created_at {time} NOT NULL, read_at {time}, \
     mailed_at {time}, mail_after {time}, mail_tries bigint NOT NULL, mail_error text, \
     CONSTRAINT notifications_event UNIQUE (event_id, kind))",
];

const INDEXES: &[&str] = &[
    "CREATE INDEX members_name ON members (organization_id, name, id)",
    "CREATE INDEX products_name ON products (organization_id, name, id)",
    "CREATE INDEX cycles_recent ON cycles (organization_id, created_at, id)",
    "CREATE INDEX cycles_product ON cycles (organization_id, product_id, created_at, id)",
    "CREATE INDEX cycle_members_member ON cycle_members (organization_id, member_id, cycle_id)",
    // The rates' history of one cycle, the newest first.
    "CREATE INDEX cycle_rate_changes_recent \
     ON cycle_rate_changes (organization_id, cycle_id, changed_at, id)",
    "CREATE INDEX issues_recent ON issues (organization_id, created_at, id)",
    "CREATE INDEX issues_snapshot ON issues (organization_id, id)",
    "CREATE INDEX issues_cycle ON issues (organization_id, cycle_id, created_at, id)",
    "CREATE INDEX issues_reporter ON issues (organization_id, reporter_id, created_at, id)",
    // The list of all issues, narrowed to one of these: a walk along `issues_recent` would read
    // everything newer than what few issues are.
    "CREATE INDEX issues_product ON issues (organization_id, product_id, created_at, id)",
    "CREATE INDEX issues_severity ON issues (organization_id, severity, created_at, id)",
    "CREATE INDEX issues_status ON issues (organization_id, status, created_at, id)",
    // The payout status, as `issue_list` asks for it.
    "CREATE INDEX issues_payout \
     ON issues (organization_id, COALESCE(pay_status, review), created_at, id)",
    "CREATE INDEX issues_triage ON issues (organization_id, severity, created_at DESC, id DESC) \
     WHERE status = 'open' AND review = 'pending'",
    "CREATE INDEX issues_undecided ON issues (organization_id, created_at, id) \
     WHERE review = 'pending' AND status <> 'draft'",
    // The inbox, and what a stream reads on.
    "CREATE INDEX notifications_inbox ON notifications (organization_id, member_id, id)",
    // The unread count.
    "CREATE INDEX notifications_unread ON notifications (organization_id, member_id, id) \
     WHERE read_at IS NULL",
    // What the mailer claims.
    "CREATE INDEX notifications_unmailed ON notifications (created_at, id) \
     WHERE mailed_at IS NULL AND mail_error IS NULL",
];

/// `words` holds the words that the service itself has found, so that both databases index the
/// same; they become lexemes as they are.
const SEARCH_POSTGRES: &[&str] = &[
    "ALTER TABLE issues ADD COLUMN search tsvector \
     GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED",
    // Lists narrowed by words, and issues like another one.
    "CREATE INDEX issues_search ON issues USING gin (search)",
];

/// Keyed by the id and not by the hidden row number, which VACUUM may change. Every sign but a space
/// belongs to a word. The texts of issues do not change, nor are issues deleted; the triggers
/// say what would have to happen.
const SEARCH_SQLITE: &[&str] = &[
    "CREATE VIRTUAL TABLE issues_search USING fts5 (issue_id UNINDEXED, words, \
     tokenize = \"unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'\")",
    "CREATE TRIGGER issues_search_insert AFTER INSERT ON issues BEGIN \
     INSERT INTO issues_search (issue_id, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER issues_search_update AFTER UPDATE OF words ON issues BEGIN \
     UPDATE issues_search SET words = new.words WHERE issue_id = old.id; END",
    "CREATE TRIGGER issues_search_delete AFTER DELETE ON issues BEGIN \
     DELETE FROM issues_search WHERE issue_id = old.id; END",
];
