//! The floor of `bench batch`: the same steps as hand-written statements, straight to the driver, over
//! the tables that production has.
//!
//! A batch that a provider pays cannot be one statement: it is accepted, then chunk by chunk written
//! down, called and concluded, since a call must never fall into an open transaction.

use anyhow::ensure;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quittance_chassis::clock;
use sea_orm::sqlx::{self, PgPool};
use uuid::Uuid;

use super::super::floor::body;
use super::super::same_schema::SameSchema;

/// As many as ours calls in one round, and as many at once.
const CHUNK: usize = 64;
const AT_ONCE: usize = 8;

const ACCEPT: &str = "
WITH inp AS (SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t(earning_id, payout_id, line_id)),
lk AS MATERIALIZED (SELECT e.id, inp.* FROM earnings e JOIN inp ON e.id = inp.earning_id
      WHERE e.organization_id = $4 AND e.status = 'approved' ORDER BY e.id FOR UPDATE OF e),
upd AS (UPDATE earnings e SET version = e.version + 1, payout_id = lk.payout_id, updated_at = $6
        FROM lk WHERE e.id = lk.id
        RETURNING e.payee_id, e.source_id, e.amount_minor, e.currency, lk.*),
bat AS (INSERT INTO batches SELECT $7, $4, $5, 'processing', count(*), $6 FROM upd),
pay AS (INSERT INTO payouts (id, organization_id, batch_id, payee_id, amount_minor, currency, method,
        reference, state, item_count, created_by, version, created_at, updated_at)
        SELECT payout_id, $4, $7, payee_id, sum(amount_minor), currency, 'stripe', '', 'processing',
        count(*), $5, 1, $6, $6 FROM upd GROUP BY payout_id, payee_id, currency),
itm AS (INSERT INTO payout_items (id, organization_id, payout_id, earning_id, issue_id, amount_minor,
        currency, live)
        SELECT line_id, $4, payout_id, earning_id, source_id, amount_minor, currency, true FROM upd),
att AS (INSERT INTO attempts (id, organization_id, payout_id, number, rail, account_id, amount_minor,
        currency, state, next_at, version, created_at, updated_at)
        SELECT gen_random_uuid(), $4, payout_id, 1, 'stripe', 'acct_ok_1', sum(amount_minor), currency,
        'created', $6, 1, $6, $6 FROM upd GROUP BY payout_id, currency),
aud AS (INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, request_id,
        action, entity, entity_id, before, after, event_id)
        SELECT gen_random_uuid(), $4, $6, $5, 'admin', 'floor', 'payout.processing', 'payout', payout_id,
        NULL, '{\"status\":\"processing\",\"method\":\"stripe\"}', gen_random_uuid() FROM upd GROUP BY payout_id),
obx AS (INSERT INTO outbox (id, organization_id, kind, subject, body, created_at)
        SELECT gen_random_uuid(), $4, 'quittance.payouts.payout.processing.v1', payout_id, $8, $6
        FROM upd GROUP BY payout_id)
SELECT count(*) FROM upd";

const SUBMIT: &str = "
WITH upd AS (UPDATE attempts SET state = 'submitted', version = version + 1, updated_at = $3
     WHERE payout_id = ANY($1) AND state = 'created' RETURNING id, payout_id, amount_minor),
aud AS (INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, request_id,
        action, entity, entity_id, before, after)
        SELECT gen_random_uuid(), $2, $3, $4, 'service', 'floor', 'attempt.submitted', 'attempt', id,
        '{\"status\":\"created\"}', '{\"status\":\"submitted\",\"payoutId\":\"' || payout_id || '\"}' FROM upd)
SELECT id, payout_id, amount_minor FROM upd";

/// What the sandbox remembers of a call.
const CALL: &str = "INSERT INTO sandbox_transfers (attempt_id, payout_id, account_id, amount_minor, \
    currency, moved, retryable, code, calls, created_at) \
    VALUES ($1, $2, 'acct_ok_1', $3, 'KZT', true, false, '', 1, $4) \
    ON CONFLICT (attempt_id) DO UPDATE SET calls = sandbox_transfers.calls + 1";

const CONCLUDE: &str = "
WITH att AS (UPDATE attempts SET state = 'succeeded', reference = 'tr_' || id, asked = asked + 1,
     version = version + 1, updated_at = $3 WHERE payout_id = ANY($1) AND state = 'submitted'
     RETURNING id, payout_id),
pay AS (UPDATE payouts p SET state = 'paid', reference = 'tr_' || att.id, paid_at = $3,
        version = p.version + 1, updated_at = $3 FROM att WHERE p.id = att.payout_id
        AND p.state = 'processing' RETURNING p.id),
ern AS (UPDATE earnings e SET status = 'paid', version = e.version + 1, updated_at = $3
        FROM payout_items i JOIN pay ON pay.id = i.payout_id
        WHERE e.id = i.earning_id AND i.live AND e.status = 'approved'
        RETURNING e.id, e.amount_minor, e.currency, e.payout_id, gen_random_uuid() AS event_id),
aud AS (INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, request_id,
        action, entity, entity_id, before, after, event_id)
        SELECT gen_random_uuid(), $2, $3, $4, 'service', 'floor', 'payout.issue_paid', 'earning', id,
        '{\"status\":\"approved\"}', '{\"status\":\"paid\",\"payoutId\":\"' || payout_id ||
        '\",\"amountMinor\":' || amount_minor || ',\"currency\":\"' || currency || '\"}', event_id FROM ern
        UNION ALL SELECT gen_random_uuid(), $2, $3, $4, 'service', 'floor', 'payout.paid', 'payout', id,
        '{\"status\":\"processing\"}', '{\"status\":\"paid\"}', gen_random_uuid() FROM pay
        UNION ALL SELECT gen_random_uuid(), $2, $3, $4, 'service', 'floor', 'attempt.succeeded', 'attempt',
        id, '{\"status\":\"submitted\"}', '{\"status\":\"succeeded\"}', NULL FROM att),
obx AS (INSERT INTO outbox (id, organization_id, kind, subject, body, created_at)
        SELECT event_id, $2, 'quittance.payouts.payout.issue_paid.v1', id, $5, $3 FROM ern
        UNION ALL SELECT gen_random_uuid(), $2, 'quittance.payouts.payout.paid.v1', id, $5, $3 FROM pay)
SELECT count(*) FROM ern";

/// Pays the next so many earnings as ours does, without anything around the statements.
pub(super) async fn execute(floor: &mut SameSchema, count: usize) -> anyhow::Result<()> {
    let mut some = floor.take(count);
    some.sort_unstable();
    let (pool, organization) = (floor.pool.clone(), floor.organization);
    let mut payouts = std::collections::BTreeMap::new();
    for (_, payee) in &some {
        payouts.entry(*payee).or_insert_with(Uuid::now_v7);
    }
    let batch = Uuid::now_v7();
    let text = body(&batch);
    let accepted: i64 = sqlx::query_scalar(ACCEPT)
        .bind(some.iter().map(|(earning, _)| *earning).collect::<Vec<_>>())
        .bind(some.iter().map(|(_, payee)| payouts[payee]).collect::<Vec<_>>())
        .bind((0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>())
        .bind(organization)
        .bind(Uuid::nil())
        .bind(clock::now())
        .bind(batch)
        .bind(&text)
        .fetch_one(&pool)
        .await?;
    let ids: Vec<Uuid> = payouts.into_values().collect();
    let mut paid = 0;
    for chunk in ids.chunks(CHUNK) {
        paid += call(&pool, organization, chunk, &text).await?;
    }
    sqlx::query("UPDATE batches SET state = 'completed', version = version + 1 WHERE id = $1")
        .bind(batch)
        .execute(&pool)
        .await?;
    ensure!(accepted == paid, "the floor paid {paid} of {accepted}");
    ensure!(usize::try_from(paid)? == count, "the floor paid {paid} of {count}");
    Ok(())
}

async fn call(
    pool: &PgPool,
    organization: Uuid,
    payouts: &[Uuid],
    text: &str,
) -> anyhow::Result<i64> {
    let submitted: Vec<(Uuid, Uuid, i64)> = sqlx::query_as(SUBMIT)
        .bind(payouts)
        .bind(organization)
        .bind(clock::now())
        .bind(Uuid::nil())
        .fetch_all(pool)
        .await?;
    stream::iter(submitted)
        .map(|(attempt, payout, minor)| {
            let query = sqlx::query(CALL).bind(attempt).bind(payout).bind(minor);
            query.bind(clock::now()).execute(pool)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let paid = sqlx::query_scalar(CONCLUDE)
        .bind(payouts)
        .bind(organization)
        .bind(clock::now())
        .bind(Uuid::nil())
        .bind(text)
        .fetch_one(pool)
        .await?;
    Ok(paid)
}
