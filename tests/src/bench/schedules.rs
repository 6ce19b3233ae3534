//! `bench schedules`: what is due among very many, drained by several workers, beside one
//! hand-written statement per chunk on the same tables.

mod floor;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;
use quittance_chassis::clock;
use quittance_chassis::db::{Db, migrate};
use quittance_chassis::grpc::{Caller, client};
use quittance_chassis::testing::{create_database, drop_database};
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use quittance_payouts::{Migrator, Payouts, Policy};
use sea_orm::sqlx::{self, AssertSqlSafe, PgPool};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use self::floor::{Shape, floor_statement};
use super::report::{Times, per_second};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench schedules`: due schedules of ten organizations among very many that are \
not, on a manual rail. Ours is `process_due_schedules` in chunks of 500 by 1, 2 and 4 workers: claim, holds, limits, \
accounts, decision, payouts, items, earnings, audit rows and events, one transaction per chunk. The floor claims and \
settles as many rows in one statement per chunk, written by hand, on the same tables with the same indexes and as many \
audit and outbox rows of the same length, which the server makes up by itself. Both take turns on databases of the same \
size. Linearity is of the elapsed time over the rows drained, chunk by chunk, with one worker; memory is the peak of the \
process above what it held before its first chunk. The goal: at least 0.6 of the floor.";

/// Rows per chunk, as jobs take them.
const CHUNK: u32 = 500;
const CONNECTIONS: u32 = 8;

/// What the bench is asked to do.
pub struct Plan {
    pub rows: usize,
    /// Of these, due at once in each measurement.
    pub due: usize,
    pub workers: Vec<usize>,
    pub rounds: usize,
}

impl Plan {
    /// Schedules become due group by group: one to warm up, then one for each measurement.
    fn groups(&self) -> usize {
        1 + self.workers.len() * self.rounds
    }
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let every = plan.rows / plan.due.max(1);
    ensure!(
        plan.groups() <= every,
        "{} measurements of {} need {} rows",
        plan.groups(),
        plan.due,
        plan.groups() * plan.due
    );
    eprintln!("seeding twice {} schedules …", plan.rows);
    let (ours, floor) = (Side::seed(plan, every).await?, Side::seed(plan, every).await?);
    let payouts = ours.payouts()?;
    let idle = memory_kib("VmRSS:");
    forget_peak();
    ours.drain(&payouts, 1, instant(0)).await?;
    let like = ours.shape(plan.due).await?;
    let statement = floor_statement(&like);
    floor.floor(&statement, 1, instant(0)).await?;
    let made = floor.shape(plan.due).await?;
    ensure!(
        (made.audits, made.events) == (like.audits, like.events),
        "the floor writes other rows than ours: {made:?}, {like:?}"
    );
    let mut measured = vec![(Vec::new(), Vec::new()); plan.workers.len()];
    let mut points = Vec::new();
    for round in 0..plan.rounds {
        for (place, workers) in plan.workers.iter().enumerate() {
            eprintln!("round {}, {workers} workers …", round + 1);
            let at = instant(1 + round * plan.workers.len() + place);
            let (floors, drains) = &mut measured[place];
            floors.push(floor.timed_floor(&statement, *workers, at, plan.due).await?);
            let (took, drained) = ours.timed_drain(&payouts, *workers, at, plan.due).await?;
            drains.push(took);
            if *workers == 1 {
                points.push(drained);
            }
        }
    }
    let peak = memory_kib("VmHWM:").saturating_sub(idle);
    ours.paid_once(plan.due * plan.groups()).await?;
    drop(payouts);
    ours.close().await;
    floor.close().await;
    Ok(table(plan, measured, &points, peak))
}

/// When the schedules of a group become due.
fn instant(group: usize) -> Timestamp {
    let hours = i64::try_from(group).unwrap_or_default();
    Timestamp::from_timestamp(1_767_225_600 + hours * 3600, 0).unwrap_or_default()
}

/// A database of its own.
struct Side {
    pool: PgPool,
    db: Db,
    admin: String,
    name: String,
}

impl Side {
    async fn seed(plan: &Plan, every: usize) -> anyhow::Result<Self> {
        let (admin, name, url) = create_database().await;
        let db = Db::connect("payouts", &url, CONNECTIONS).await?;
        migrate::<Migrator>(&db).await?;
        let pool = db.conn().get_postgres_connection_pool().clone();
        sqlx::query(
            "INSERT INTO payout_schedules (id, organization_id, placement_id, payee_id, \
             amount_minor, currency, method, reference, notes, scheduled_at, \
             guarantee_completion_date, status, failure_reason, retry_count, next_attempt_at, \
             waiting_for, created_by, version, created_at, updated_at) \
             SELECT gen_random_uuid(), md5('organization' || n % 10)::uuid, \
             md5('placement' || n / 3)::uuid, md5('payee' || n % 5000)::uuid, 800000 + n % 1000, \
             'KZT', 'bank', 'PLACEMENT-' || n, '', due, due, 'pending', '', 0, due, '', \
             md5('admin')::uuid, 1, now(), now() FROM (SELECT n, timestamptz \
             '2026-01-01T00:00:00Z' + make_interval(hours => CASE WHEN n % $2 < $3 \
             THEN (n % $2)::int ELSE 400000 END) AS due FROM generate_series(0, $1 - 1) n) s",
        )
        .bind(i64::try_from(plan.rows)?)
        .bind(i64::try_from(every)?)
        .bind(i64::try_from(plan.groups())?)
        .execute(&pool)
        .await?;
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
        Ok(Self { pool, db, admin, name })
    }

    fn payouts(&self) -> anyhow::Result<Payouts> {
        // Schedules need no facts of issues.
        let nobody = client("http://127.0.0.1:1")?;
        Ok(Payouts::new(self.db.clone(), nobody, Policy::default()))
    }

    async fn timed_drain(
        &self,
        payouts: &Payouts,
        workers: usize,
        at: Timestamp,
        due: usize,
    ) -> anyhow::Result<(Duration, Vec<(f64, f64)>)> {
        let start = Instant::now();
        let (count, points) = self.drain(payouts, workers, at).await?;
        let took = start.elapsed();
        ensure!(count == due, "{count} of {due} were drained");
        self.forget_events().await?;
        Ok((took, points))
    }

    /// Drains what is due; how many there were, and when each chunk was done.
    async fn drain(
        &self,
        payouts: &Payouts,
        workers: usize,
        at: Timestamp,
    ) -> anyhow::Result<(usize, Vec<(f64, f64)>)> {
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..workers {
            let payouts = payouts.clone();
            tasks.spawn(async move {
                let principal = Principal::service(OrganizationId(Uuid::nil()));
                let ctx = Ctx::new(principal, clock::now(), "bench".to_owned());
                let caller = Caller::new(ctx, &SecretString::default(), None);
                let (mut sum, mut points) = (0_usize, Vec::new());
                loop {
                    let chunk = payouts.process_due_schedules(&caller, at, CHUNK).await?;
                    if chunk.claimed == 0 {
                        return anyhow::Ok((sum, points));
                    }
                    ensure!(chunk.processed == chunk.claimed, "not all were paid: {chunk:?}");
                    sum += usize::try_from(chunk.claimed)?;
                    #[expect(clippy::cast_precision_loss, reason = "fewer rows than that")]
                    points.push((sum as f64, start.elapsed().as_secs_f64()));
                }
            });
        }
        let (mut sum, mut all) = (0, Vec::new());
        while let Some(done) = tasks.join_next().await {
            let (count, points) = done??;
            sum += count;
            all.extend(points);
        }
        Ok((sum, all))
    }

    async fn timed_floor(
        &self,
        statement: &str,
        workers: usize,
        at: Timestamp,
        due: usize,
    ) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let count = self.floor(statement, workers, at).await?;
        let took = start.elapsed();
        ensure!(count == due, "the floor drained {count} of {due}");
        self.forget_events().await?;
        Ok(took)
    }

    async fn floor(&self, statement: &str, workers: usize, at: Timestamp) -> anyhow::Result<usize> {
        let text = statement.replace("{at}", &at.to_rfc3339());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..workers {
            let (pool, text) = (self.pool.clone(), text.clone());
            tasks.spawn(async move {
                let mut sum = 0;
                loop {
                    let claim = AssertSqlSafe(text.clone());
                    let claimed: i64 = sqlx::query_scalar(claim).fetch_one(&pool).await?;
                    if claimed == 0 {
                        return anyhow::Ok(sum);
                    }
                    sum += usize::try_from(claimed)?;
                }
            });
        }
        let mut sum = 0;
        while let Some(done) = tasks.join_next().await {
            sum += done??;
        }
        Ok(sum)
    }

    /// Empties the outbox, as the relay does, outside of what is timed.
    async fn forget_events(&self) -> anyhow::Result<()> {
        sqlx::query("TRUNCATE outbox").execute(&self.pool).await?;
        Ok(())
    }

    /// What the first group has left behind, per schedule.
    async fn shape(&self, due: usize) -> anyhow::Result<Shape> {
        let due = i64::try_from(due)?;
        let one = async |text: &'static str| -> anyhow::Result<i64> {
            Ok(sqlx::query_scalar(text).fetch_one(&self.pool).await?)
        };
        let lengths = "SELECT COALESCE(avg(length(COALESCE(before, '')) + \
                       length(COALESCE(after, ''))), 0)::bigint FROM audit_log";
        let shape = Shape {
            audits: one("SELECT count(*) FROM audit_log").await? / due,
            events: one("SELECT count(*) FROM outbox").await? / due,
            body: one("SELECT COALESCE(avg(length(body)), 0)::bigint FROM outbox").await?,
            note: one(lengths).await?,
        };
        self.forget_events().await?;
        Ok(shape)
    }

    /// Every schedule that was due has one payout, and one alone.
    async fn paid_once(&self, due: usize) -> anyhow::Result<()> {
        let due = i64::try_from(due)?;
        for text in [
            "SELECT count(*) FROM payout_schedules WHERE status = 'processed'",
            "SELECT count(DISTINCT payout_id) FROM payout_schedules",
            "SELECT count(*) FROM payouts WHERE source = 'schedule'",
            "SELECT count(*) FROM payout_items WHERE live",
        ] {
            let count: i64 = sqlx::query_scalar(text).fetch_one(&self.pool).await?;
            ensure!(count == due, "{text}: {count}, not {due}");
        }
        Ok(())
    }

    async fn close(self) {
        drop(self.db);
        self.pool.close().await;
        drop_database(&self.admin, &self.name).await;
    }
}

/// The slope of elapsed time over rows, and how well a line fits.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| of(p.0 - x, p.1 - y)).sum();
    let (xx, yy, xy): (f64, f64, f64) =
        (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    (xy / xx, xy * xy / (xx * yy))
}

fn table(
    plan: &Plan,
    measured: Vec<(Vec<Duration>, Vec<Duration>)>,
    points: &[Vec<(f64, f64)>],
    peak_kib: u64,
) -> String {
    let mut text = format!(
        "{} schedules, of which {} are due.\n\n| workers | floor | ours | ours / floor | ours, total |\n\
         |---:|---:|---:|---:|---:|\n",
        plan.rows, plan.due
    );
    let mut all = Vec::new();
    for (workers, (floors, drains)) in plan.workers.iter().zip(measured) {
        let (floor, ours) = (Times::new(floors), Times::new(drains));
        let (floor_rate, rate) = (floor.rate(plan.due), ours.rate(plan.due));
        let ratio = rate / floor_rate;
        let _ = writeln!(
            text,
            "| {workers} | {} | {} | {ratio:.2} | {:.2} s |",
            per_second(floor_rate),
            per_second(rate),
            ours.median().as_secs_f64()
        );
        all.push(json!({
            "workers": workers, "floorPerSecond": floor_rate, "perSecond": rate, "ratio": ratio,
        }));
    }
    let lines: Vec<(f64, f64)> = points.iter().map(|points| line(points)).collect();
    let worst = lines.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
    let _ = writeln!(
        text,
        "\nTime over rows is a line with R² {:.4} and a slope of {:.1} µs per row (the worst round of one \
         worker). The process held {:.1} MiB more at its peak than before the first chunk.",
        worst.1,
        worst.0 * 1e6,
        f64::from(u32::try_from(peak_kib).unwrap_or(u32::MAX)) / 1024.0
    );
    let _ = writeln!(
        text,
        "\n{}",
        json!({
            "bench": "schedules", "rows": plan.rows, "due": plan.due, "lines": all,
            "rSquared": worst.1, "microsPerRow": worst.0 * 1e6, "peakKib": peak_kib,
        })
    );
    text
}

/// A figure about the memory of this process; 0 where it cannot be read.
fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

fn forget_peak() {
    // Only Linux has it; elsewhere no memory is reported.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_told_from_a_curve() {
        let straight: Vec<_> = (1..50).map(|n| (f64::from(n), 3.0 * f64::from(n) + 1.0)).collect();
        let (slope, fit) = line(&straight);
        assert!((slope - 3.0).abs() < 1e-9 && fit > 0.999_999);
        let curve: Vec<_> = (1..50).map(|n| (f64::from(n), f64::from(n).powi(4))).collect();
        assert!(line(&curve).1 < 0.9);
    }
}
