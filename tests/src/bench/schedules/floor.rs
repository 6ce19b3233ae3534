//! The floor of `bench schedules`: a chunk in one hand-written statement.

use super::CHUNK;

/// What one schedule leaves behind.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) audits: i64,
    pub(super) events: i64,
    pub(super) body: i64,
    pub(super) note: i64,
}

/// Claims a chunk and settles it, with as many rows of the same length as ours leaves behind.
pub(super) fn floor_statement(like: &Shape) -> String {
    let Shape { audits, events, body, note } = like;
    format!(
        "WITH due AS MATERIALIZED (SELECT id, organization_id, payee_id, amount_minor, currency, \
         method, reference, created_by, gen_random_uuid() AS earning, gen_random_uuid() AS payout \
         FROM payout_schedules WHERE status IN ('pending', 'triggered') \
         AND next_attempt_at <= '{{at}}' ORDER BY next_attempt_at, id LIMIT {CHUNK} \
         FOR UPDATE SKIP LOCKED), \
         done AS (UPDATE payout_schedules s SET status = 'processed', payout_id = due.payout, \
         processed_at = now(), version = s.version + 1, updated_at = now() FROM due \
         WHERE s.id = due.id), \
         owed AS (INSERT INTO earnings (id, organization_id, source_kind, source_id, cycle_id, \
         payee_id, amount_minor, currency, status, version, source_version, payout_id, approved_at, \
         created_at, updated_at) SELECT earning, organization_id, 'schedule', id, \
         '00000000-0000-0000-0000-000000000000', payee_id, amount_minor, currency, 'approved', 1, \
         2, payout, now(), now(), now() FROM due), \
         paid AS (INSERT INTO payouts (id, organization_id, payee_id, amount_minor, currency, \
         method, reference, state, item_count, source, approved_by, approved_at, created_by, \
         version, created_at, updated_at) SELECT payout, organization_id, payee_id, amount_minor, \
         currency, method, reference, 'approved', 1, 'schedule', created_by, now(), created_by, 1, \
         now(), now() FROM due), \
         item AS (INSERT INTO payout_items (id, organization_id, payout_id, earning_id, issue_id, \
         amount_minor, currency, live) SELECT gen_random_uuid(), organization_id, payout, earning, \
         '00000000-0000-0000-0000-000000000000', amount_minor, currency, true FROM due), \
         noted AS (INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, \
         action, entity, entity_id, after, request_id) SELECT gen_random_uuid(), organization_id, \
         now(), created_by, 'service', 'payout_schedule.processed', 'payout_schedule', id, \
         repeat('x', {note}), 'bench' FROM due, generate_series(1, {audits})), \
         told AS (INSERT INTO outbox (id, organization_id, kind, subject, body, created_at) \
         SELECT gen_random_uuid(), organization_id, 'payout_schedule.processed', id, \
         repeat('x', {body}), now() FROM due, generate_series(1, {events})) \
         SELECT count(*) FROM due"
    )
}
