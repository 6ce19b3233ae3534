//! Bounties, claims to them, and the reward pool.

use quittance_chassis::db::{forbid_changes, statements};
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(super) struct Bounties;

impl MigrationName for Bounties {
    fn name(&self) -> &'static str {
        "m0004_bounties"
    }
}

#[tonic::async_trait]
impl MigrationTrait for Bounties {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        statements(manager, STATEMENTS).await?;
        forbid_changes(manager, "pool_expansions").await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE products ADD COLUMN capacity_points bigint NOT NULL DEFAULT 1000 \
     CHECK (capacity_points > 0)",
    // Exactly one reward: points, which may be missing (the backlog), or an amount.
    "CREATE TABLE bounties (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL REFERENCES products (id), number bigint NOT NULL, \
     title text NOT NULL, description text NOT NULL, \
     status text NOT NULL CHECK (status IN ('draft', 'open', 'closed', 'cancelled')), \
     reward_type text NOT NULL DEFAULT 'PROFIT_SHARE' \
     CHECK (reward_type IN ('PROFIT_SHARE', 'FIXED_PAYMENT')), \
     points bigint CHECK (points > 0), value_minor bigint CHECK (value_minor > 0), currency text, \
     claim_mode text NOT NULL DEFAULT 'SINGLE' CHECK (claim_mode IN ('SINGLE', 'MULTIPLE')), \
     max_claims bigint CHECK (max_claims > 0), \
     claim_expiry_days bigint NOT NULL DEFAULT 14 CHECK (claim_expiry_days > 0), \
     evidence_description text NOT NULL, version bigint NOT NULL, created_at {time} NOT NULL, \
     updated_at {time} NOT NULL, CONSTRAINT bounties_number UNIQUE (product_id, number), \
     CONSTRAINT bounties_one_reward CHECK ((reward_type = 'FIXED_PAYMENT') = (value_minor IS NOT NULL) \
     AND (value_minor IS NULL) = (currency IS NULL) \
     AND (reward_type = 'PROFIT_SHARE' OR points IS NULL)))",
    // The bounties of a product, the newest first.
    "CREATE INDEX bounties_product ON bounties (organization_id, product_id, created_at, id)",
    "ALTER TABLE issues ADD COLUMN bounty_id {uuid} REFERENCES bounties (id)",
    "CREATE TABLE claims (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     bounty_id {uuid} NOT NULL REFERENCES bounties (id), member_id {uuid} NOT NULL, \
     state text NOT NULL CHECK (state IN ('active', 'submitted', 'accepted', 'rejected', \
     'expired', 'abandoned')), single boolean NOT NULL, expires_at {time} NOT NULL, \
     issue_id {uuid} REFERENCES issues (id), version bigint NOT NULL, \
     created_at {time} NOT NULL, updated_at {time} NOT NULL, \
     CONSTRAINT claims_issue UNIQUE (issue_id))",
    // Whoever comes second to a bounty for one is refused here, whatever they have read.
    "CREATE UNIQUE INDEX claims_one_single ON claims (bounty_id) \
     WHERE single AND state IN ('active', 'submitted', 'accepted')",
    "CREATE UNIQUE INDEX claims_one_active ON claims (bounty_id, member_id) WHERE state = 'active'",
    // The claims of one bounty.
    "CREATE INDEX claims_bounty ON claims (organization_id, bounty_id, created_at, id)",
    // What the sweep expires.
    "CREATE INDEX claims_due ON claims (expires_at) WHERE state = 'active'",
    "CREATE TABLE points_grants (id {uuid} NOT NULL PRIMARY KEY, organization_id {uuid} NOT NULL, \
     product_id {uuid} NOT NULL REFERENCES products (id), \
     bounty_id {uuid} NOT NULL REFERENCES bounties (id), \
     issue_id {uuid} NOT NULL REFERENCES issues (id), member_id {uuid} NOT NULL, \
     points bigint NOT NULL CHECK (points > 0), granted_by {uuid} NOT NULL, \
     version bigint NOT NULL, created_at {time} NOT NULL, revoked_at {time})",
    // A submission earns its points once.
    "CREATE UNIQUE INDEX points_grants_once ON points_grants (issue_id) WHERE revoked_at IS NULL",
    // The standings of a product.
    "CREATE INDEX points_grants_product ON points_grants (organization_id, product_id, member_id) \
     WHERE revoked_at IS NULL",
    "CREATE TABLE pool_expansions (id {uuid} NOT NULL PRIMARY KEY, \
     organization_id {uuid} NOT NULL, product_id {uuid} NOT NULL REFERENCES products (id), \
     issue_id {uuid} NOT NULL, before_points bigint NOT NULL, after_points bigint NOT NULL, \
     created_at {time} NOT NULL, CHECK (before_points < after_points))",
    "CREATE INDEX pool_expansions_recent \
     ON pool_expansions (organization_id, product_id, created_at, id)",
];
