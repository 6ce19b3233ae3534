//! `bench pay`: batch-pay through gRPC, at several sizes, beside the floor and a naive control.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::db::Db;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_chassis::testing::{create_database, drop_database};
use quittance_kernel::{Ctx, Principal, Role, Roles};
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1::batch_pay_response::Outcome;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use quittance_proto::payouts::v1::{BatchPayRequest, OnBlocked, PayGroup};
use sea_orm::sqlx;
use serde_json::json;
use uuid::Uuid;

use super::control::Control;
use super::floor::Floor;
use super::report::{Times, ms, per_second};
use super::same_schema::SameSchema;
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench pay`: a batch of N approved issues, 25 to a payee, paid \
through gRPC with everything that a payment has: token, pay facts from the issues service, eligibility, \
idempotency key, earnings, payouts, items, audit, outbox. The services are four processes, as deployed. Two floors take turns with ours in the same \
run, on the same PostgreSQL (fsync and synchronous commit on), each one hand-written statement straight \
to the driver. *Floor*: production's own tables and rows, and the payees' balances. *Lean*: tables made for \
the statement alone (four narrow tables, four indexes less), one payment row per issue, balances. \
*Ratio* is ours / floor, the goal's measure; *lean ratio* tells what the schema costs on top. The control is \
the ORM, row by row in one transaction, over the lean tables.";

/// What the bench is asked to do.
pub struct Plan {
    pub sizes: Vec<usize>,
    /// Pairs of floor and ours for each size; more for small sizes.
    pub rounds: usize,
    /// Approved issues that wait for payment on either side.
    pub rows: usize,
}

/// Our side: the four services as processes, with approved issues.
struct Ours {
    cluster: Cluster,
    caller: Caller,
    client: PayoutServiceClient<Client>,
    books: Books,
    issues: Vec<Uuid>,
    next: usize,
}

/// What ours is compared with.
struct Floors {
    same: SameSchema,
    lean: Floor,
    control: Control,
}

/// One line of the result.
struct Line {
    size: usize,
    floor: Times,
    lean: Times,
    ours: Times,
    control: Option<Times>,
}

/// Runs the bench and prints its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let (admin, same, same_url) = create_database().await;
    let (_, lean, lean_url) = create_database().await;
    let result = compare(plan, &same_url, &lean_url).await;
    drop_database(&admin, &same).await;
    drop_database(&admin, &lean).await;
    result
}

async fn compare(plan: &Plan, same: &str, lean: &str) -> anyhow::Result<String> {
    let needed: usize = plan.sizes.iter().map(|size| size * (rounds(plan, *size) + 2)).sum();
    ensure!(needed <= plan.rows, "--rows must be at least {needed} for these sizes and rounds");
    eprintln!("seeding {} rows on each side …", plan.rows);
    let mut floors = Floors {
        same: SameSchema::seed(same, plan.rows).await?,
        lean: Floor::seed(lean, plan.rows + 3 * 1000).await?,
        control: Control::connect(lean).await?,
    };
    let mut ours = Ours::seed(plan.rows).await?;
    let idle = ours.cluster.peak_kib(Node::Payouts) / 1024;
    let mut lines = Vec::new();
    let mut memory = Vec::new();
    for size in &plan.sizes {
        eprintln!("{size} at a time …");
        let (line, peak) = measure(&mut floors, &mut ours, *size, rounds(plan, *size)).await?;
        lines.push(line);
        memory.push(peak.saturating_sub(idle));
    }
    let counts = ours.books.at_rest().await;
    ensure!(usize::try_from(counts.paid_items)? == ours.next, "not everything was paid once");
    ours.cluster.close().await;
    Ok(table(&lines, &memory, idle))
}

/// Small sizes are noisy and cheap: they are measured more often.
fn rounds(plan: &Plan, size: usize) -> usize {
    match size {
        0..10 => plan.rounds * 40,
        10..100 => plan.rounds * 20,
        100..1000 => plan.rounds * 4,
        _ => plan.rounds,
    }
}

async fn measure(
    floors: &mut Floors,
    ours: &mut Ours,
    size: usize,
    rounds: usize,
) -> anyhow::Result<(Line, u64)> {
    floors.same.pay(size).await?;
    floors.lean.pay(size).await?;
    ours.pay(size).await?;
    let (mut same, mut lean, mut our_times, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        ours.settle().await?;
        let start = Instant::now();
        floors.same.pay(size).await?;
        same.push(start.elapsed());
        floors.same.drain().await?;
        let start = Instant::now();
        floors.lean.pay(size).await?;
        lean.push(start.elapsed());
        floors.lean.drain().await?;
        let (time, memory) = ours.pay(size).await?;
        our_times.push(time);
        peak = peak.max(memory);
    }
    ours.settle().await?;
    let mut control = None;
    if size == 1000 {
        let mut times = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            floors.control.pay(floors.lean.take(size)).await?;
            times.push(start.elapsed());
        }
        control = Some(Times::new(times));
    }
    let (floor, lean, ours) = (Times::new(same), Times::new(lean), Times::new(our_times));
    let line = Line { size, floor, lean, ours, control };
    Ok((line, peak))
}

impl Ours {
    async fn seed(rows: usize) -> anyhow::Result<Self> {
        let node = std::env::current_exe()?.with_file_name("node");
        let cluster = Cluster::start(&node, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
        let shop = Shop::open_at(&cluster.base).await;
        let books = Books::open(&cluster.config).await;
        let ids = seed_issues(&books.issues, &shop, rows).await?;
        seed_earnings(&books.issues, &books.payouts, &shop).await?;
        let verifier = Verifier::from_config(&cluster.config.auth, cluster.config.mode)?;
        let principal = Principal {
            organization: shop.admin.organization_id.parse()?,
            member: shop.admin.member_id.parse()?,
            roles: Roles::new([Role::Admin]),
            email: None,
            impersonator: None,
        };
        let token = verifier.mint(&principal, Duration::from_hours(1))?;
        let caller =
            Caller::new(Ctx::new(principal, clock::now(), "bench".into()), &token.into(), None);
        let client = PayoutServiceClient::new(grpc::client(&cluster.config.payouts.url)?)
            .max_decoding_message_size(16 * 1024 * 1024);
        Ok(Self { cluster, caller, client, books, issues: ids, next: 0 })
    }

    /// Pays the next so many issues; the time, and the most memory that the service held meanwhile.
    async fn pay(&mut self, count: usize) -> anyhow::Result<(Duration, u64)> {
        let some = &self.issues[self.next..self.next + count];
        self.next += count;
        let request = BatchPayRequest {
            net_receivables: false,
            request_id: Uuid::now_v7().to_string(),
            groups: vec![PayGroup {
                payee_id: String::new(),
                issue_ids: some.iter().map(Uuid::to_string).collect(),
                method: Method::Kaspi.into(),
                reference: "KASPI-1".to_owned(),
            }],
            on_blocked: OnBlocked::Fail.into(),
        };
        self.cluster.forget_peak(Node::Payouts);
        let start = Instant::now();
        let reply = self.client.batch_pay(self.caller.request(request)).await?.into_inner();
        let time = start.elapsed();
        let peak = self.cluster.peak_kib(Node::Payouts) / 1024;
        match reply.outcome {
            Some(Outcome::Paid(_)) => Ok((time, peak)),
            other => bail!("the batch was not paid: {other:?}"),
        }
    }

    /// Waits until everything paid so far has been delivered and acted on by the other services, so
    /// that their work is not timed with the next call.
    async fn settle(&self) -> anyhow::Result<()> {
        let mirrored = "SELECT count(*) FROM issues WHERE pay_status = 'paid'";
        let earned = "SELECT CAST(COALESCE(SUM(earned_count), 0) AS BIGINT) FROM member_money";
        let paid = i64::try_from(self.next)?;
        for _ in 0..6000 {
            if number(&self.books.payouts, "SELECT count(*) FROM outbox").await == 0
                && number(&self.books.issues, mirrored).await == paid
                && number(&self.books.balance, earned).await == paid
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the other services did not follow within 30 seconds")
    }
}

/// Writes approved issues of many reporters, 25 each, and returns them reporter by reporter.
pub(super) async fn seed_issues(db: &Db, shop: &Shop, rows: usize) -> anyhow::Result<Vec<Uuid>> {
    let pool = db.conn().get_postgres_connection_pool();
    sqlx::query(
        "INSERT INTO issues (id, organization_id, product_id, cycle_id, reporter_id, number, title, \
         body, severity, status, review, amount_minor, currency, rule, pay_version, version, \
         created_at, updated_at) \
         SELECT gen_random_uuid(), $1, $2, $3, md5('payee' || n / 25)::uuid, 1000000 + n, \
         'Payment fails on mobile Safari', 'Steps, expected and actual result.', 2, 'triaged', \
         'approved', 800000, 'KZT', 'default rate, high', 0, 1, now(), now() \
         FROM generate_series(1, $4) AS n",
    )
    .bind(shop.admin.organization_id.parse::<Uuid>()?)
    .bind(shop.product.parse::<Uuid>()?)
    .bind(shop.cycle.parse::<Uuid>()?)
    .bind(i64::try_from(rows)?)
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(pool).await?;
    let ids = "SELECT id FROM issues WHERE number >= 1000000 ORDER BY reporter_id";
    Ok(sqlx::query_scalar(ids).fetch_all(pool).await?)
}

/// Writes the earnings that the consumer would have made of their approvals.
pub(super) async fn seed_earnings(issues: &Db, payouts: &Db, shop: &Shop) -> anyhow::Result<()> {
    let rows: Vec<(Uuid, Uuid)> =
        sqlx::query_as("SELECT id, reporter_id FROM issues WHERE number >= 1000000")
            .fetch_all(issues.conn().get_postgres_connection_pool())
            .await?;
    let (ids, payees): (Vec<Uuid>, Vec<Uuid>) = rows.into_iter().unzip();
    let pool = payouts.conn().get_postgres_connection_pool();
    sqlx::query(
        "INSERT INTO earnings (id, organization_id, source_kind, source_id, cycle_id, payee_id, \
         amount_minor, currency, status, version, source_version, created_at, updated_at) \
         SELECT gen_random_uuid(), $1, 'issue', u.id, $2, u.payee, 800000, 'KZT', 'approved', 1, 1, \
         now(), now() FROM unnest($3::uuid[], $4::uuid[]) AS u(id, payee)",
    )
    .bind(shop.admin.organization_id.parse::<Uuid>()?)
    .bind(shop.cycle.parse::<Uuid>()?)
    .bind(ids)
    .bind(payees)
    .execute(pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(pool).await?;
    Ok(())
}

fn table(lines: &[Line], memory: &[u64], idle: u64) -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "| N | floor rows/s | lean rows/s | ours rows/s | ratio | lean ratio | floor p50 | ours p50 | ours p99 | memory above idle |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut all = Vec::new();
    for (line, mib) in lines.iter().zip(memory) {
        let [floor, lean, ours] =
            [&line.floor, &line.lean, &line.ours].map(|times| times.rate(line.size));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {:.2} | {} | {} | {} | {mib} MiB |",
            line.size,
            per_second(floor),
            per_second(lean),
            per_second(ours),
            ours / floor,
            ours / lean,
            ms(line.floor.median()),
            ms(line.ours.median()),
            ms(line.ours.quantile(0.99)),
        );
        all.push(json!({ "n": line.size, "floor": floor, "lean": lean, "ours": ours, "ratio": ours / floor,
                         "leanRatio": ours / lean,
                         "p50Ms": line.ours.median().as_secs_f64() * 1e3, "memoryMib": mib }));
        if let Some(control) = &line.control {
            let naive = control.rate(line.size);
            let _ = writeln!(
                text,
                "| {} row by row (ORM) | | | {} | ours is {:.1} × | | | {} | | |",
                line.size,
                per_second(naive),
                ours / naive,
                ms(control.median()),
            );
        }
    }
    let _ = writeln!(text, "\nidle memory of the payouts service: {idle} MiB");
    let _ = writeln!(text, "{}", json!({ "bench": "pay", "lines": all }));
    text
}
