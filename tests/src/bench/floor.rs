//! The lean floor of `bench pay`: the same work in one hand-written statement, straight to the
//! driver, over tables made for this statement alone.
//!
//! Paying N approved items means for the database: N items change state, N payments, N audit rows
//! and N outbox rows are written, the payees' balances move. Narrow tables, the indexes that the
//! work needs and no others, rows locked in the order of their ids.

use sea_orm::sqlx::{self, PgPool};
use uuid::Uuid;

const SCHEMA: &str = "
CREATE TABLE items (id uuid PRIMARY KEY, organization_id uuid NOT NULL, payee_id uuid NOT NULL,
  cycle_id uuid NOT NULL, amount_minor bigint NOT NULL, currency text NOT NULL,
  status text NOT NULL, version bigint NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX items_queue ON items (organization_id, payee_id, id) WHERE status = 'approved';
CREATE TABLE payments (id uuid PRIMARY KEY, organization_id uuid NOT NULL, item_id uuid NOT NULL,
  payee_id uuid NOT NULL, amount_minor bigint NOT NULL, currency text NOT NULL,
  method text NOT NULL, reference text NOT NULL, paid_at timestamptz NOT NULL, live boolean NOT NULL);
CREATE UNIQUE INDEX payments_live ON payments (item_id) WHERE live;
CREATE INDEX payments_history ON payments (organization_id, payee_id, id);
CREATE TABLE audit (id uuid PRIMARY KEY, organization_id uuid NOT NULL, at timestamptz NOT NULL,
  actor_id uuid NOT NULL, action text NOT NULL, entity_id uuid NOT NULL, before text, after text);
CREATE INDEX audit_entity ON audit (entity_id, id);
CREATE TABLE outbox (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL,
  organization_id uuid NOT NULL, kind text NOT NULL, subject uuid NOT NULL, body text NOT NULL);
CREATE TABLE balances (organization_id uuid NOT NULL, payee_id uuid NOT NULL, currency text NOT NULL,
  pending bigint NOT NULL, earned bigint NOT NULL, PRIMARY KEY (organization_id, payee_id, currency));
";

const PAY: &str = "
WITH inp AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
             AS t(item_id, payment_id, audit_id, event_id, body)),
lk AS MATERIALIZED (SELECT i.id FROM items i JOIN inp ON i.id = inp.item_id
      WHERE i.organization_id = $6 AND i.status = 'approved' ORDER BY i.id FOR UPDATE OF i),
upd AS (UPDATE items i SET status = 'paid', version = i.version + 1, updated_at = $8
        FROM inp JOIN lk ON lk.id = inp.item_id WHERE i.id = inp.item_id
        RETURNING i.payee_id, i.amount_minor, i.currency, inp.*),
pay AS (INSERT INTO payments SELECT payment_id, $6, item_id, payee_id, amount_minor, currency,
        'kaspi', $9, $8, true FROM upd),
aud AS (INSERT INTO audit SELECT audit_id, $6, $8, $7, 'paid', item_id,
        '{\"status\":\"approved\"}', '{\"status\":\"paid\"}' FROM upd),
obx AS (INSERT INTO outbox (id, organization_id, kind, subject, body)
        SELECT event_id, $6, 'payout.issue_paid', item_id, body FROM upd),
bal AS (INSERT INTO balances SELECT $6, payee_id, currency, -sum(amount_minor), sum(amount_minor)
        FROM upd GROUP BY payee_id, currency ORDER BY payee_id, currency
        ON CONFLICT (organization_id, payee_id, currency) DO UPDATE
        SET pending = balances.pending + excluded.pending, earned = balances.earned + excluded.earned)
SELECT count(*) FROM upd";

/// The floor's own database.
pub struct Floor {
    pool: PgPool,
    organization: Uuid,
    next: usize,
    items: Vec<Uuid>,
}

impl Floor {
    /// Makes the tables and so many approved items, 25 to a payee.
    pub async fn seed(url: &str, rows: usize) -> anyhow::Result<Self> {
        let pool = PgPool::connect(url).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        let organization = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO items SELECT gen_random_uuid(), $1, \
             md5('payee' || n / 25)::uuid, md5('cycle' || n % 50)::uuid, 800000, 'KZT', \
             'approved', 1, now() FROM generate_series(1, $2) AS n",
        )
        .bind(organization)
        .bind(i64::try_from(rows)?)
        .execute(&pool)
        .await?;
        let items =
            sqlx::query_scalar("SELECT id FROM items ORDER BY payee_id").fetch_all(&pool).await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        Ok(Self { pool, organization, next: 0, items })
    }

    /// Pays the next so many items in one statement.
    pub async fn pay(&mut self, count: usize) -> anyhow::Result<()> {
        let mut items = self.items[self.next..self.next + count].to_vec();
        self.next += count;
        items.sort_unstable();
        let fresh = || (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>();
        let bodies: Vec<String> = items.iter().map(body).collect();
        let paid: i64 = sqlx::query_scalar(PAY)
            .bind(&items)
            .bind(fresh())
            .bind(fresh())
            .bind(fresh())
            .bind(bodies)
            .bind(self.organization)
            .bind(Uuid::nil())
            .bind(quittance_chassis::clock::now())
            .bind("KASPI-1")
            .fetch_one(&self.pool)
            .await?;
        anyhow::ensure!(usize::try_from(paid)? == count, "the floor paid {paid} of {count}");
        Ok(())
    }

    /// The next so many items, for somebody else to pay.
    pub fn take(&mut self, count: usize) -> &[Uuid] {
        self.next += count;
        &self.items[self.next - count..self.next]
    }

    /// Empties the outbox, as the relay does for ours, outside of what is timed.
    pub async fn drain(&self) -> anyhow::Result<()> {
        sqlx::query("DELETE FROM outbox").execute(&self.pool).await?;
        Ok(())
    }
}

/// An event body as long as ours.
pub(super) fn body(item: &Uuid) -> String {
    format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{item}\",\"source\":\"/quittance/payouts\",\"type\":\"payout.issue_paid\",\
         \"subject\":\"{item}\",\"time\":\"2026-05-08T10:00:00.123456Z\",\"datacontenttype\":\"application/json\",\
         \"dataschema\":\"urn:quittance:schema:earning:v1\",\"organizationid\":\"{item}\",\"data\":{{\"earning_id\":\"{item}\",\
         \"version\":2,\"issue_id\":\"{item}\",\"cycle_id\":\"{item}\",\"payee_id\":\"{item}\",\"amount_minor\":800000,\
         \"currency\":\"KZT\",\"status\":\"paid\",\"payout_id\":\"{item}\",\"method\":\"kaspi\",\"reference\":\"KASPI-1\",\
         \"paid_at\":\"2026-05-08T10:00:00.123456Z\"}}}}"
    )
}
