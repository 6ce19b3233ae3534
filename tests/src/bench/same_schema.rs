//! The floor of `bench pay`: one hand-written statement, straight to the driver, over the tables
//! that production has, with the rows that production writes, and the payees' balances besides.

use quittance_chassis::clock;
use quittance_chassis::db::{Db, migrate};
use quittance_payouts::Migrator;
use sea_orm::sqlx::{self, PgPool};
use uuid::Uuid;

use super::floor::body;

/// Kept by another service in production, and by the statement here.
const BALANCES: &str = "
CREATE TABLE balances (organization_id uuid NOT NULL, payee_id uuid NOT NULL, currency text NOT NULL,
  pending bigint NOT NULL, earned bigint NOT NULL, PRIMARY KEY (organization_id, payee_id, currency))";

const PAY: &str = "
WITH inp AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[])
             AS t(earning_id, payout_id, line_id, audit_id, event_id, body)),
lk AS MATERIALIZED (SELECT e.id, inp.* FROM earnings e JOIN inp ON e.id = inp.earning_id
      WHERE e.organization_id = $7 AND e.status = 'approved' ORDER BY e.id FOR UPDATE OF e),
upd AS (UPDATE earnings e SET status = 'paid', version = e.version + 1, payout_id = lk.payout_id,
        updated_at = $9 FROM lk WHERE e.id = lk.id
        RETURNING e.payee_id, e.source_id, e.amount_minor, e.currency, lk.*),
bat AS (INSERT INTO batches SELECT $10, $7, $8, 'completed', count(*), $9 FROM upd),
pay AS (INSERT INTO payouts (id, organization_id, batch_id, payee_id, amount_minor, currency, method,
        reference, state, item_count, paid_at, created_by, version, created_at, updated_at)
        SELECT payout_id, $7, $10, payee_id, sum(amount_minor), currency, 'kaspi', 'KASPI-1', 'paid',
        count(*), $9, $8, 1, $9, $9 FROM upd GROUP BY payout_id, payee_id, currency),
itm AS (INSERT INTO payout_items (id, organization_id, payout_id, earning_id, issue_id, amount_minor,
        currency, live)
        SELECT line_id, $7, payout_id, earning_id, source_id, amount_minor, currency, true FROM upd),
aud AS (INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, request_id,
        action, entity, entity_id, before, after, event_id)
        SELECT audit_id, $7, $9, $8, 'admin', 'floor', 'payout.issue_paid', 'earning', earning_id,
        '{\"status\":\"approved\"}', '{\"status\":\"paid\",\"payoutId\":\"' || payout_id ||
        '\",\"amountMinor\":' || amount_minor || ',\"currency\":\"' || currency || '\"}', event_id FROM upd
        UNION ALL SELECT * FROM (SELECT gen_random_uuid(), $7, $9, $8, 'admin', 'floor', 'payout.paid',
        'payout', payout_id, NULL, '{\"status\":\"paid\",\"method\":\"kaspi\",\"reference\":\"KASPI-1\"}',
        gen_random_uuid() FROM upd GROUP BY payout_id) AS p),
obx AS (INSERT INTO outbox (id, organization_id, kind, subject, body, created_at)
        SELECT event_id, $7, 'quittance.payouts.payout.issue_paid.v1', earning_id, body, $9 FROM upd
        UNION ALL SELECT * FROM (SELECT gen_random_uuid(), $7, 'quittance.payouts.payout.paid.v1',
        payout_id, min(body), $9 FROM upd GROUP BY payout_id) AS p),
bal AS (INSERT INTO balances SELECT $7, payee_id, currency, -sum(amount_minor), sum(amount_minor)
        FROM upd GROUP BY payee_id, currency ORDER BY payee_id, currency
        ON CONFLICT (organization_id, payee_id, currency) DO UPDATE
        SET pending = balances.pending + excluded.pending, earned = balances.earned + excluded.earned)
SELECT count(*) FROM upd";

/// The floor's own database.
pub struct SameSchema {
    pub(super) pool: PgPool,
    pub(super) organization: Uuid,
    next: usize,
    /// Approved earnings and their payees, payee by payee.
    earnings: Vec<(Uuid, Uuid)>,
}

impl SameSchema {
    /// Makes production's tables and so many approved earnings, 25 to a payee.
    pub async fn seed(url: &str, rows: usize) -> anyhow::Result<Self> {
        let db = Db::connect("floor", url, 4).await?;
        migrate::<Migrator>(&db).await?;
        let pool = db.conn().get_postgres_connection_pool().clone();
        sqlx::raw_sql(BALANCES).execute(&pool).await?;
        let organization = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO earnings (id, organization_id, source_kind, source_id, cycle_id, payee_id, \
             amount_minor, currency, status, version, source_version, created_at, updated_at) \
             SELECT gen_random_uuid(), $1, 'issue', gen_random_uuid(), md5('cycle')::uuid, \
             md5('payee' || n / 25)::uuid, 800000, 'KZT', 'approved', 1, 1, now(), now() \
             FROM generate_series(1, $2) AS n",
        )
        .bind(organization)
        .bind(i64::try_from(rows)?)
        .execute(&pool)
        .await?;
        let earnings = sqlx::query_as("SELECT id, payee_id FROM earnings ORDER BY payee_id")
            .fetch_all(&pool)
            .await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        Ok(Self { pool, organization, next: 0, earnings })
    }

    /// The next so many earnings, which nobody else is given.
    pub(super) fn take(&mut self, count: usize) -> Vec<(Uuid, Uuid)> {
        let some = self.earnings[self.next..self.next + count].to_vec();
        self.next += count;
        some
    }

    /// Pays the next so many earnings in one statement.
    pub async fn pay(&mut self, count: usize) -> anyhow::Result<()> {
        let mut some = self.take(count);
        let mut payouts = std::collections::HashMap::new();
        for (_, payee) in &some {
            payouts.entry(*payee).or_insert_with(Uuid::now_v7);
        }
        some.sort_unstable();
        let fresh = || (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>();
        let ids: Vec<Uuid> = some.iter().map(|(earning, _)| *earning).collect();
        let bodies: Vec<String> = ids.iter().map(body).collect();
        let paid: i64 = sqlx::query_scalar(PAY)
            .bind(&ids)
            .bind(some.iter().map(|(_, payee)| payouts[payee]).collect::<Vec<_>>())
            .bind(fresh())
            .bind(fresh())
            .bind(fresh())
            .bind(bodies)
            .bind(self.organization)
            .bind(Uuid::nil())
            .bind(clock::now())
            .bind(Uuid::now_v7())
            .fetch_one(&self.pool)
            .await?;
        anyhow::ensure!(usize::try_from(paid)? == count, "the floor paid {paid} of {count}");
        Ok(())
    }

    /// Writes a plan of the next so many earnings in one statement.
    pub async fn plan(&mut self, count: usize) -> anyhow::Result<()> {
        let done = sqlx::query(
            "INSERT INTO plan_items (plan_id, earning_id, organization_id, issue_id, payee_id, \
             amount_minor, currency, earning_version, source_version) \
             SELECT $1, id, organization_id, source_id, payee_id, amount_minor, currency, version, \
             source_version FROM earnings WHERE organization_id = $2 AND status = 'approved' \
             ORDER BY id LIMIT $3",
        )
        .bind(Uuid::now_v7())
        .bind(self.organization)
        .bind(i64::try_from(count)?)
        .execute(&self.pool)
        .await?;
        anyhow::ensure!(usize::try_from(done.rows_affected())? == count, "the floor plans less");
        Ok(())
    }

    /// Empties the outbox, as the relay does for ours, outside of what is timed.
    pub async fn drain(&self) -> anyhow::Result<()> {
        sqlx::query("DELETE FROM outbox").execute(&self.pool).await?;
        Ok(())
    }
}
