//! Killing whoever works off schedules, over and over, until nothing is due.

use std::path::Path;
use std::time::Duration;

use sea_orm::ConnectionTrait as _;

use super::Outcome;
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node};
use crate::world::{Bus, Store};

const LEFT: &str = "SELECT count(*) FROM payout_schedules WHERE status IN ('pending', 'triggered')";

/// A job of two workers that is killed with -9 again and again, and its runs, however they ended.
#[derive(Debug)]
pub struct Killed {
    pub outcome: Outcome,
    pub abandoned: i64,
    pub completed: i64,
}

/// Writes so many due schedules, and kills the job after `every` as long as one is left.
pub async fn kill_workers(
    binary: &Path,
    store: Store,
    bus: Bus,
    rows: usize,
    every: Duration,
) -> Killed {
    let cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
    let books = Books::open(&cluster.config).await;
    books.payouts.conn().execute_unprepared(&seed(store, rows)).await.unwrap();
    let (mut injected, mut patience) = (0, every);
    loop {
        let before = number(&books.payouts, LEFT).await;
        let words = ["job", "process-schedules", "--now", "--workers", "2"];
        let run = cluster.command(Node::Payouts, &words, None);
        match tokio::time::timeout(patience, run).await {
            // Dropped, and so killed.
            Err(_) => injected += 1,
            Ok((Some(0), ..)) if number(&books.payouts, LEFT).await == 0 => break,
            // The lock of the one before may stand for a moment.
            Ok(_) => {}
        }
        if number(&books.payouts, LEFT).await == before {
            patience += every / 4;
        }
        assert!(patience < Duration::from_mins(2), "nothing is worked off: {}", cluster.logs());
    }
    let count = async |sql: &str| number(&books.payouts, sql).await;
    let asked = i64::try_from(rows).unwrap_or(i64::MAX);
    let once = count(
        "SELECT count(*) FROM payout_schedules s WHERE s.status = 'processed' AND \
         (SELECT count(*) FROM payouts p JOIN payout_items i ON i.payout_id = p.id AND i.live \
          JOIN earnings e ON e.id = i.earning_id WHERE p.id = s.payout_id \
          AND e.source_id = s.id AND e.amount_minor = s.amount_minor) = 1",
    )
    .await;
    let payouts = count("SELECT count(*) FROM payouts WHERE source = 'schedule'").await;
    let told =
        count("SELECT count(*) FROM audit_log WHERE action = 'payout_schedule.processed'").await;
    assert_eq!(told, asked, "a schedule was processed more than once, or nobody was told");
    let outcome = Outcome {
        fault: format!("kill -9 of a job every {every:?}, {store:?}"),
        injected,
        asked: rows,
        paid: once,
        lost: (asked - once).max(0),
        double: (payouts - asked).max(0),
    };
    let abandoned = count("SELECT count(*) FROM job_runs WHERE state = 'abandoned'").await;
    let completed = count("SELECT count(*) FROM job_runs WHERE state = 'completed'").await;
    cluster.close().await;
    Killed { outcome, abandoned, completed }
}

/// Due schedules, in the words of each database.
fn seed(store: Store, rows: usize) -> String {
    let columns = "id, organization_id, placement_id, payee_id, amount_minor, currency, method, \
                   reference, notes, scheduled_at, status, failure_reason, retry_count, \
                   next_attempt_at, waiting_for, created_by, version, created_at, updated_at";
    let due = "'2026-01-01T00:00:00+00:00'";
    let rest = format!(
        "800000 + n % 1000, 'KZT', 'bank', 'PLACEMENT-' || n, '', {due}, 'pending', '', 0, {due}, ''"
    );
    match store {
        Store::Postgres => {
            let rest = rest.replace(due, &format!("timestamptz {due}"));
            format!(
                "INSERT INTO payout_schedules ({columns}) SELECT gen_random_uuid(), \
                 md5('organization' || n % 3)::uuid, md5('placement' || n / 3)::uuid, \
                 md5('payee' || n % 50)::uuid, {rest}, md5('admin')::uuid, 1, now(), now() \
                 FROM generate_series(1, {rows}) n"
            )
        }
        Store::Sqlite => format!(
            "INSERT INTO payout_schedules ({columns}) WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL \
             SELECT n + 1 FROM t WHERE n < {rows}) SELECT randomblob(16), \
             CAST(printf('organization%04d', n % 3) AS BLOB), randomblob(16), \
             CAST(printf('payee%011d', n % 50) AS BLOB), {rest}, \
             CAST('admin admin admi' AS BLOB), 1, {due}, {due} FROM t"
        ),
    }
}
