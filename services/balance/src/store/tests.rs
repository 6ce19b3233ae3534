//! The hot statements read indexes and nothing else, whatever the volume.

use quittance_chassis::db::{Db, migrate};
use quittance_chassis::testing::{postgres, sqlite};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::days::{DAYS, top_sql};
use super::ledger::entries_sql;
use super::lines::history_sql;
use super::payments::movements_sql;
use super::sums::CYCLES_OF;
use super::told::told_sql;
use super::totals::TOP_EARNER;

/// 100,000 lines of 1,000 members in 2,000 cycles of one organization, and their sums.
const SEED: &[&str] = &[
    "INSERT INTO lines (organization_id, issue_id, issue_version, reporter_id, issue_cycle_id, \
     title, severity, status, review, price_minor, filed_at, earning_version, payee_id, \
     earning_cycle_id, amount_minor, currency, earning_status, method, reference, paid_at) \
     SELECT md5('o')::uuid, md5('i' || n)::uuid, 1, md5('m' || n % 1000)::uuid, \
     md5('c' || n % 2000)::uuid, 'Title', 'high', 'open', 'approved', 1, \
     '2026-01-01'::timestamptz + n * interval '1 minute', 2, md5('m' || n % 1000)::uuid, \
     md5('c' || n % 2000)::uuid, 800000, 'KZT', 'paid', 'kaspi', 'K-1', \
     '2026-01-01'::timestamptz + n * interval '1 minute' FROM generate_series(1, 100000) AS n",
    "INSERT INTO cycles SELECT md5('o')::uuid, md5('c' || n)::uuid, 1, 'Cycle', 'KZT', 4, 3, 2, 1 \
     FROM generate_series(0, 1999) AS n",
    "INSERT INTO members SELECT md5('o')::uuid, md5('m' || n)::uuid, 1, 'Member' \
     FROM generate_series(0, 999) AS n",
    "INSERT INTO cycle_counts SELECT organization_id, reporter_id, issue_cycle_id, count(*), \
     count(*), count(*), count(*), 0, 0, 0, 0 FROM lines GROUP BY 1, 2, 3",
    "INSERT INTO cycle_money SELECT organization_id, payee_id, earning_cycle_id, currency, \
     sum(amount_minor), count(*), 0, 0, 0, 0, 0 FROM lines GROUP BY 1, 2, 3, 4",
    "INSERT INTO member_money SELECT organization_id, payee_id, currency, sum(amount_minor), \
     count(*), 0, 0, 0, 0, 0 FROM lines GROUP BY 1, 2, 3",
    "INSERT INTO line_events (organization_id, issue_id, part, version, event_id, kind, at, \
     member_id, cycle_id, standing, minor, receivable_minor) SELECT organization_id, issue_id, \
     'issue', 1, issue_id, 'issue.created', filed_at, reporter_id, issue_cycle_id, 'approved', 1, 0 \
     FROM lines",
    "INSERT INTO ledger_entries SELECT md5('o')::uuid, n, md5('i' || n)::uuid, 1, 0, \
     md5('e' || n)::uuid, 'earning.approved', now(), now(), 'payer_due:organization:KZT', \
     'payable:' || n % 1000 || ':KZT', 1, 0, 0, md5('p' || n), md5('h' || n) \
     FROM generate_series(1, 100000) AS n",
    "INSERT INTO day_money SELECT md5('o' || n % 100)::uuid, n, 'KZT', 1, 1, 0, 0 \
     FROM generate_series(1, 100000) AS n",
    "INSERT INTO generations SELECT md5('g' || n)::uuid, md5('h' || n)::uuid, NULL, 1, NULL \
     FROM generate_series(1, 20000) AS n",
    "ANALYZE",
];

/// Prepares the statement and explains it as it is planned for all parameters alike.
async fn plan(db: &Db, types: &str, sql: &str, values: &str) -> String {
    let script =
        format!("SET plan_cache_mode = force_generic_plan; PREPARE hot({types}) AS {sql};");
    db.conn().execute_unprepared(&script).await.unwrap();
    let explain =
        Statement::from_string(DbBackend::Postgres, format!("EXPLAIN EXECUTE hot({values})"));
    let rows = db.conn().query_all_raw(explain).await.unwrap();
    db.conn().execute_unprepared("DEALLOCATE hot").await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn no_hot_statement_scans_a_table() {
    let server = postgres("balance").await;
    // One connection: what is prepared is prepared there.
    let db = Db::connect("balance", server.url(), 1).await.unwrap();
    migrate::<crate::Migrator>(&db).await.unwrap();
    for statement in SEED {
        db.conn().execute_unprepared(statement).await.unwrap();
    }
    let me = "md5('o')::uuid, md5('m1')::uuid";
    let history = format!("{me}, '9999-12-31', md5('x')::uuid");
    let payments =
        format!("{me}, '9999-12-31', '2026-01-01', md5('x')::uuid, '2026-01-01', md5('x')::uuid");
    let at = "timestamptz";
    let hot = [
        ("uuid, uuid".to_owned(), CYCLES_OF.to_owned(), me.to_owned()),
        (format!("uuid, uuid, {at}, uuid"), history_sql(false, 51), history),
        (format!("uuid, uuid, {at}, {at}, uuid, {at}, uuid"), movements_sql(5_000), payments),
        (
            "uuid, text, bigint".to_owned(),
            entries_sql(51),
            "md5('o')::uuid, 'payable:1:KZT', 100000".to_owned(),
        ),
        ("uuid, uuid, uuid".to_owned(), told_sql(500), format!("{me}, md5('x')::uuid")),
        (
            "uuid, bigint, bigint".to_owned(),
            DAYS.to_owned(),
            "md5('o1')::uuid, 20000, 20090".to_owned(),
        ),
        ("uuid, text".to_owned(), top_sql(10), "md5('o')::uuid, 'KZT'".to_owned()),
        ("uuid, text".to_owned(), TOP_EARNER.to_owned(), "md5('o')::uuid, 'KZT'".to_owned()),
    ];
    for (types, sql, values) in hot {
        let plan = plan(&db, &types, &sql, &values).await;
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        assert!(plan.contains("Index"), "{sql}\n{plan}");
    }
}

#[tokio::test]
async fn no_hot_statement_scans_a_table_on_sqlite_either() {
    let db = sqlite("balance").await;
    migrate::<crate::Migrator>(&db).await.unwrap();
    let hot = [
        CYCLES_OF.to_owned(),
        history_sql(true, 51),
        history_sql(false, 51),
        movements_sql(5_000),
        TOP_EARNER.to_owned(),
        entries_sql(51),
        told_sql(500),
        DAYS.to_owned(),
        top_sql(10),
    ];
    for sql in hot {
        let explain =
            Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {sql}"));
        let rows = db.conn().query_all_raw(explain).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.try_get_by_index(3).unwrap()).collect();
        let tables = [
            "day_money",
            "ledger_entries",
            "line_events",
            "e",
            "lines",
            "cycle_counts",
            "cycle_money",
            "member_money",
            "n",
            "l",
            "m",
            "c",
        ];
        for table in tables {
            let scan = format!("SCAN {table}");
            assert!(!steps.contains(&scan), "{sql}\n{steps:#?}");
        }
        assert!(steps.iter().any(|step| step.contains("USING")), "{sql}\n{steps:#?}");
    }
}

/// The blocks that a statement looks at.
async fn blocks(db: &Db, sql: &str, binds: &str) -> i64 {
    let sql = binds
        .split(", ")
        .enumerate()
        .fold(sql.to_owned(), |sql, (place, value)| sql.replace(&format!("${}", place + 1), value));
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}");
    let statement = || Statement::from_string(DbBackend::Postgres, explain.clone());
    // The first one also reads the catalogue.
    db.conn().query_one_raw(statement()).await.unwrap();
    let row = db.conn().query_one_raw(statement()).await.unwrap().unwrap();
    let found: serde_json::Value = row.try_get_by_index(0).unwrap();
    let plan = &found[0]["Plan"];
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

#[tokio::test]
async fn a_balance_costs_the_same_whatever_has_happened() {
    let server = postgres("balance").await;
    let db = Db::connect("balance", server.url(), 1).await.unwrap();
    migrate::<crate::Migrator>(&db).await.unwrap();
    let me = "md5('o')::uuid, md5('m')::uuid";
    let first_page = format!("{me}, '9999-12-31', md5('x')::uuid");
    let mut costs = Vec::new();
    for (from, to) in [(1, 1_000), (1_001, 100_000)] {
        let lines = format!(
            "INSERT INTO lines (organization_id, issue_id, issue_version, reporter_id, \
             issue_cycle_id, title, severity, status, review, price_minor, filed_at, \
             earning_version, amount_minor) SELECT md5('o')::uuid, md5('i' || n)::uuid, 1, \
             md5('m')::uuid, md5('c' || n % 10)::uuid, 'Title', 'high', 'open', 'pending', 0, \
             '2026-01-01'::timestamptz + n * interval '1 minute', 0, 0 \
             FROM generate_series({from}, {to}) AS n"
        );
        let counts = "INSERT INTO cycle_counts SELECT organization_id, reporter_id, \
                      issue_cycle_id, count(*), 0, 0, 0, 0, count(*), 0, 0 FROM lines \
                      GROUP BY 1, 2, 3 ON CONFLICT (organization_id, member_id, cycle_id) \
                      DO UPDATE SET issues = excluded.issues";
        for statement in [lines.as_str(), counts, "VACUUM ANALYZE"] {
            db.conn().execute_unprepared(statement).await.unwrap();
        }
        let balance = blocks(&db, CYCLES_OF, me).await;
        let history = blocks(&db, &history_sql(false, 51), &first_page).await;
        costs.push((balance, history));
    }
    let (few, many) = (costs[0], costs[1]);
    // A deeper index is one block more for each row that is looked up.
    assert!(many.0 <= few.0 + 2, "a balance: {costs:?}");
    assert!(many.1 <= few.1 + 60, "a page of history: {costs:?}");
}
