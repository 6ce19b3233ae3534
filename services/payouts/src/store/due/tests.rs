//! The plan of the claim, at a size where a wrong one would hurt.

use quittance_chassis::db::migrate;
use quittance_chassis::testing::postgres;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::*;

/// Mostly not due, and not to be looked at by a claim.
const SEED: &str = "INSERT INTO payout_schedules (id, organization_id, placement_id, payee_id, \
    amount_minor, currency, method, reference, notes, scheduled_at, status, failure_reason, \
    retry_count, next_attempt_at, waiting_for, created_by, version, created_at, updated_at) \
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 100, 'USD', \
    'bank', '', '', at, CASE WHEN n % 3 = 0 THEN 'processed' ELSE 'pending' END, '', 0, at, '', \
    gen_random_uuid(), 1, at, at FROM (SELECT n, now() + make_interval(mins => n - 500) AS at \
    FROM generate_series(1, 20000) AS n) AS numbered";

async fn plan(db: &quittance_chassis::db::Db, sql: Sql) -> String {
    let text = format!("EXPLAIN (COSTS OFF) {}", sql.skip_locked().text());
    let statement = Statement::from_string(DbBackend::Postgres, text);
    let rows = db.conn().query_all_raw(statement).await.unwrap();
    let lines = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_claim_reads_the_index_of_what_can_be_due_and_sorts_nothing() {
    let db = postgres("payouts").await;
    migrate::<crate::Migrator>(&db).await.unwrap();
    db.conn().execute_unprepared(SEED).await.unwrap();
    db.conn().execute_unprepared("ANALYZE payout_schedules").await.unwrap();
    let now = quittance_chassis::clock::now();
    let seen = plan(&db, claim_sql(DbBackend::Postgres, now, 100)).await;
    assert!(seen.contains("Index Scan using payout_schedules_due"), "{seen}");
    assert!(!seen.contains("Sort") && !seen.contains("Seq Scan"), "{seen}");
    // As often as a worker asks: the plan of a prepared statement may change after the fifth time.
    for _ in 0..8 {
        assert_eq!(claim(db.conn(), now, 100).await.unwrap().len(), 100);
    }
}
