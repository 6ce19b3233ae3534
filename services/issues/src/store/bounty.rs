//! Bounties.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_events::{BountyState, kind};
use quittance_kernel::{BountyId, Money, OrganizationId, ProductId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::bounty::{Bounty, BountyStatus, ClaimMode, Reward};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    product_id: Uuid,
    product_key: String,
    number: i64,
    title: String,
    description: String,
    status: String,
    reward_type: String,
    points: Option<i64>,
    value_minor: Option<i64>,
    currency: Option<String>,
    claim_mode: String,
    max_claims: Option<i64>,
    claim_expiry_days: i64,
    evidence_description: String,
    claims: i64,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Turn {
    #[expect(dead_code, reason = "the lock is what is wanted")]
    n: i64,
}

impl Row {
    fn read(self, organization: OrganizationId) -> Result<Bounty, StoreError> {
        let corrupt = |column| StoreError::Corrupt { table: "bounties", id: self.id, column };
        let reward = match (self.reward_type.as_str(), self.value_minor, self.currency.as_deref()) {
            ("PROFIT_SHARE", None, None) => Reward::Points(self.points),
            ("FIXED_PAYMENT", Some(minor), Some(code)) => {
                let currency = code.parse().map_err(|_| corrupt("currency"))?;
                Reward::Fixed(Money::signed(minor, currency))
            }
            _ => return Err(corrupt("reward_type")),
        };
        Ok(Bounty {
            organization,
            product: ProductId(self.product_id),
            status: BountyStatus::parse(&self.status).ok_or_else(|| corrupt("status"))?,
            reward,
            mode: ClaimMode::parse(&self.claim_mode).ok_or_else(|| corrupt("claim_mode"))?,
            id: BountyId(self.id),
            number: self.number,
            product_key: self.product_key,
            title: self.title,
            description: self.description,
            max_claims: self.max_claims,
            expiry_days: self.claim_expiry_days,
            evidence: self.evidence_description,
            claims: self.claims,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// The claims that hold a place at an instant are counted with each bounty.
fn begin(backend: DbBackend, organization: OrganizationId, now: Timestamp) -> Sql {
    let mut sql = Sql::new(backend, "");
    sql.bind(
        "SELECT b.id, b.product_id, p.key AS product_key, b.number, b.title, b.description, \
         b.status, b.reward_type, b.points, b.value_minor, b.currency, b.claim_mode, \
         b.max_claims, b.claim_expiry_days, b.evidence_description, \
         (SELECT count(*) FROM claims k WHERE k.bounty_id = b.id AND (k.state IN ('submitted', \
         'accepted') OR (k.state = 'active' AND k.expires_at > ",
        now,
    )
    .push(
        "))) AS claims, b.version, b.created_at, b.updated_at \
         FROM bounties b JOIN products p ON p.id = b.product_id",
    )
    .bind(" WHERE b.organization_id = ", organization.0);
    sql
}

/// Finds a bounty.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: BountyId,
    now: Timestamp,
) -> Result<Option<Bounty>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization, now);
    sql.bind(" AND b.id = ", id.0);
    sql.one::<Row, C>(conn).await?.map(|row| row.read(organization)).transpose()
}

/// Reads a bounty to change it or to claim it: nobody else does until the transaction ends.
pub(crate) async fn load(tx: &Tx, id: BountyId) -> Result<Option<Bounty>, StoreError> {
    let conn = tx.conn();
    let organization = tx.ctx().organization();
    // First the turn and then the look, so that the claims that are counted are all there.
    let text = "SELECT count(*) AS n FROM (SELECT b.id FROM bounties b WHERE b.organization_id = ";
    let mut turn = Sql::new(conn.get_database_backend(), "");
    turn.bind(text, organization.0).bind(" AND b.id = ", id.0).lock("UPDATE", "b").push(") locked");
    turn.one::<Turn, _>(conn).await?;
    find(conn, organization, id, tx.ctx().now).await
}

/// Lists the bounties of a product, the newest first; drafts only for who may see them.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    (organization, now): (OrganizationId, Timestamp),
    product: ProductId,
    (status, drafts): (Option<BountyStatus>, bool),
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<Bounty>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization, now);
    sql.bind(" AND b.product_id = ", product.0);
    if let Some(status) = status {
        sql.bind(" AND b.status = ", status.as_str());
    }
    if !drafts {
        sql.push(" AND b.status <> 'draft'");
    }
    if let Some(After { key, id }) = after {
        sql.bind(" AND (b.created_at, b.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY b.created_at DESC, b.id DESC LIMIT ", i64::from(limit));
    let rows = sql.all::<Row, C>(conn).await?;
    rows.into_iter().map(|row| row.read(organization)).collect()
}

/// Saves a bounty that is new (`before` is none) or changed.
pub(crate) async fn save(
    tx: &mut Tx,
    before: Option<&Bounty>,
    bounty: Bounty,
) -> Result<Bounty, StoreError> {
    let version = before.map_or(0, |before| before.version);
    let saved = Bounty { version: version + 1, updated_at: tx.ctx().now, ..bounty };
    let mut set = WriteSet::new();
    if before.is_some() {
        let update = Update::of("bounties", "id", vec![saved.id.0], vec![version]);
        set.update(changing(&saved).into_iter().fold(update, |u, (name, v)| u.set(name, v)));
    } else {
        let insert = Insert::into("bounties")
            .column("id", Column::same_uuid(Some(saved.id.0)))
            .column("organization_id", Column::same_uuid(Some(saved.organization.0)))
            .column("product_id", Column::same_uuid(Some(saved.product.0)))
            .column("number", Column::same_i64(Some(saved.number)))
            .column("claim_mode", Column::same_text(Some(saved.mode.as_str())))
            .column("version", Column::same_i64(Some(saved.version)))
            .column("created_at", Column::same_time(Some(saved.created_at)));
        set.insert(changing(&saved).into_iter().fold(insert, |i, (name, v)| i.column(name, v)));
    }
    tx.write(set).await?;
    let ended = matches!(saved.status, BountyStatus::Closed | BountyStatus::Cancelled);
    let kind = match before {
        None => kind::BOUNTY_CREATED,
        Some(before) if before.status != saved.status && ended => kind::BOUNTY_CLOSED,
        Some(_) => kind::BOUNTY_UPDATED,
    };
    let entry = Entry::new(kind, "bounty", saved.id.0);
    let entry = match before {
        Some(before) => entry.change(audited(before), audited(&saved)),
        None => entry.after(audited(&saved)),
    };
    tx.record(entry, kind, state(&saved));
    Ok(saved)
}

fn changing(bounty: &Bounty) -> Vec<(&'static str, Column)> {
    let value = bounty.reward.value();
    vec![
        ("title", Column::same_text(Some(&bounty.title))),
        ("description", Column::same_text(Some(&bounty.description))),
        ("status", Column::same_text(Some(bounty.status.as_str()))),
        ("reward_type", Column::same_text(Some(bounty.reward.kind().as_str()))),
        ("points", Column::same_i64(bounty.reward.points())),
        ("value_minor", Column::same_i64(value.map(Money::minor))),
        ("currency", Column::same_text(value.map(|value| value.currency().code()))),
        ("max_claims", Column::same_i64(bounty.max_claims)),
        ("claim_expiry_days", Column::same_i64(Some(bounty.expiry_days))),
        ("evidence_description", Column::same_text(Some(&bounty.evidence))),
        ("updated_at", Column::same_time(Some(bounty.updated_at))),
    ]
}

fn audited(bounty: &Bounty) -> String {
    let value = bounty.reward.value();
    serde_json::json!({
        "title": bounty.title,
        "status": bounty.status.as_str(),
        "rewardType": bounty.reward.kind().as_str(),
        "points": bounty.reward.points(),
        "valueMinor": value.map(Money::minor),
        "currency": value.map(|value| value.currency().code()),
        "maxClaims": bounty.max_claims,
        "claimExpiryDays": bounty.expiry_days,
        "version": bounty.version,
    })
    .to_string()
}

fn state(bounty: &Bounty) -> BountyState {
    let value = bounty.reward.value();
    BountyState {
        bounty_id: bounty.id.0,
        version: bounty.version,
        number: bounty.spoken(),
        product_id: bounty.product.0,
        title: bounty.title.clone(),
        status: bounty.status.as_str().to_owned(),
        reward_type: bounty.reward.kind().as_str().to_owned(),
        points: bounty.reward.points(),
        value_minor: value.map(Money::minor),
        currency: value.map(|value| value.currency().code().to_owned()),
        claim_mode: bounty.mode.as_str().to_owned(),
        max_claims: bounty.max_claims,
        claim_expiry_days: bounty.expiry_days,
    }
}
