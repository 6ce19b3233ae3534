//! `bench balance`: a balance over gRPC beside the read of one projected row, at few and at very many
//! lines of history.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_kernel::{Ctx, MemberId, OrganizationId, Principal, Role, Roles};
use quittance_proto::balance::v1::GetBalanceRequest;
use quittance_proto::balance::v1::balance_service_client::BalanceServiceClient;
use sea_orm::sqlx::{self, PgPool};
use serde_json::json;
use uuid::Uuid;

use super::report::{Times, ms, per_second};
use crate::check::Books;
use crate::cluster::{Cluster, SEPARATE};
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench balance`: `GetBalance` over gRPC of a member with so many lines of history in ten \
cycles and two currencies, with a token, beside the floor: `SELECT … FROM member_money WHERE` its primary key, straight to the \
driver. The service is a process of its own. Floor and ours take turns in the same run. The goal: at least 0.5 of the floor, \
and the same whatever the history.";

/// How many requests are one measurement.
const BURST: usize = 200;

/// What the bench is asked to do.
pub struct Plan {
    /// Lines of history, one member each.
    pub histories: Vec<usize>,
    /// Pairs of floor and ours.
    pub rounds: usize,
    /// Requests at once.
    pub clients: Vec<usize>,
}

/// A member with a history.
struct Someone {
    lines: usize,
    member: Uuid,
    caller: Caller,
}

struct Line {
    lines: usize,
    clients: usize,
    floor: Vec<Duration>,
    ours: Vec<Duration>,
    single: Vec<Duration>,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let node = std::env::current_exe()?.with_file_name("node");
    let cluster = Cluster::start(&node, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
    let books = Books::open(&cluster.config).await;
    let pool = books.balance.conn().get_postgres_connection_pool().clone();
    let organization = Uuid::now_v7();
    let verifier = Verifier::from_config(&cluster.config.auth, cluster.config.mode)?;
    let mut people = Vec::new();
    for lines in &plan.histories {
        eprintln!("seeding {lines} lines …");
        let member = Uuid::now_v7();
        seed(&pool, organization, member, *lines).await?;
        let principal = Principal {
            organization: OrganizationId(organization),
            member: MemberId(member),
            roles: Roles::new([Role::Member]),
            email: None,
            impersonator: None,
        };
        let token = verifier.mint(&principal, Duration::from_hours(2))?;
        let ctx = Ctx::new(principal, clock::now(), "bench".into());
        let caller = Caller::new(ctx, &token.into(), None);
        people.push(Someone { lines: *lines, member, caller });
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
    let client = BalanceServiceClient::new(grpc::client(&cluster.config.balance.url)?);
    let mut all = Vec::new();
    for clients in &plan.clients {
        for someone in &people {
            eprintln!("{} lines, {clients} at once …", someone.lines);
            let line = measure(&pool, &client, organization, someone, *clients, plan.rounds);
            all.push(line.await?);
        }
    }
    cluster.close().await;
    Ok(table(&all))
}

async fn measure(
    pool: &PgPool,
    client: &BalanceServiceClient<Client>,
    organization: Uuid,
    someone: &Someone,
    clients: usize,
    rounds: usize,
) -> anyhow::Result<Line> {
    let (mut floor, mut ours, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let start = Instant::now();
        let reads = (0..clients).map(|_| keys(pool, organization, someone.member, BURST));
        try_join_all(reads).await?;
        let of_floor = start.elapsed();
        let start = Instant::now();
        let calls = (0..clients).map(|_| balances(client.clone(), someone, BURST));
        let times = try_join_all(calls).await?;
        let of_ours = start.elapsed();
        // The first round warms up.
        if round > 0 {
            floor.push(of_floor);
            ours.push(of_ours);
            single.extend(times.into_iter().flatten());
        }
    }
    Ok(Line { lines: someone.lines, clients, floor, ours, single })
}

async fn keys(pool: &PgPool, organization: Uuid, member: Uuid, count: usize) -> anyhow::Result<()> {
    let sql = "SELECT earned, earned_count, pending, pending_count, voided, receivable \
               FROM member_money WHERE organization_id = $1 AND member_id = $2 AND currency = $3";
    for _ in 0..count {
        sqlx::query(sql).bind(organization).bind(member).bind("KZT").fetch_one(pool).await?;
    }
    Ok(())
}

async fn balances(
    mut client: BalanceServiceClient<Client>,
    someone: &Someone,
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let request = someone.caller.request(GetBalanceRequest::default());
        let reply = client.get_balance(request).await?.into_inner();
        times.push(start.elapsed());
        ensure!(usize::try_from(reply.filed_count)? == someone.lines, "the balance is not whole");
    }
    Ok(times)
}

/// Writes lines and what they add up to, as the consumer would have.
pub(super) async fn seed(
    pool: &PgPool,
    organization: Uuid,
    member: Uuid,
    lines: usize,
) -> anyhow::Result<()> {
    let line_rows = "INSERT INTO lines (organization_id, issue_id, issue_version, reporter_id, issue_cycle_id, \
         title, severity, status, review, price_minor, price_currency, rule, filed_at, earning_version, \
         payee_id, earning_cycle_id, amount_minor, currency, earning_status, method, reference, paid_at) \
         SELECT $1, gen_random_uuid(), 2, $2, md5('c' || n % 10)::uuid, \
         'Payment fails on mobile Safari', 'high', 'closed', 'approved', 800000, k, \
         'default rate, high', '2020-01-01'::timestamptz + n * interval '10 seconds', 2, $2, \
         md5('c' || n % 10)::uuid, 800000, k, 'paid', 'kaspi', 'KASPI-' || n, \
         '2020-01-02'::timestamptz + n * interval '10 seconds' \
         FROM (SELECT n, CASE WHEN n % 20 = 0 THEN 'USD' ELSE 'KZT' END AS k \
         FROM generate_series($3, $4) n) s";
    // Pieces, so that no transaction is longer than it need be.
    let (mut from, most) = (1_i64, i64::try_from(lines)?);
    while from <= most {
        let to = most.min(from + 499_999);
        let written = sqlx::query(line_rows).bind(organization).bind(member).bind(from).bind(to);
        written.execute(pool).await?;
        from = to + 1;
    }
    for sql in [
        "INSERT INTO cycle_counts SELECT organization_id, reporter_id, issue_cycle_id, count(*), \
         count(*), count(*), count(*), 0, 0, 0, 0 FROM lines WHERE organization_id = $1 \
         AND reporter_id = $2 GROUP BY 1, 2, 3",
        "INSERT INTO cycle_money SELECT organization_id, payee_id, earning_cycle_id, currency, \
         sum(amount_minor), count(*), 0, 0, 0, 0, 0 FROM lines WHERE organization_id = $1 \
         AND payee_id = $2 GROUP BY 1, 2, 3, 4",
        "INSERT INTO member_money SELECT organization_id, payee_id, currency, sum(amount_minor), \
         count(*), 0, 0, 0, 0, 0 FROM lines WHERE organization_id = $1 AND payee_id = $2 \
         GROUP BY 1, 2, 3",
    ] {
        sqlx::query(sql).bind(organization).bind(member).execute(pool).await?;
    }
    sqlx::query(
        "INSERT INTO cycles SELECT $1, md5('c' || n)::uuid, 1, 'Sweep ' || n, 'KZT', 1500000, \
         800000, 300000, 100000 FROM generate_series(0, 9) n ON CONFLICT DO NOTHING",
    )
    .bind(organization)
    .execute(pool)
    .await?;
    Ok(())
}

fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "| lines of history | clients | floor | ours | ratio | ours p50 | ours p99 |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut all = Vec::new();
    for line in lines {
        let requests = line.clients * BURST;
        let [floor, ours] =
            [&line.floor, &line.ours].map(|times| Times::new(times.clone()).rate(requests));
        let single = Times::new(line.single.clone());
        let (p50, p99) = (single.median(), single.quantile(0.99));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {} | {} |",
            line.lines,
            line.clients,
            per_second(floor),
            per_second(ours),
            ours / floor,
            ms(p50),
            ms(p99),
        );
        all.push(
            json!({ "lines": line.lines, "clients": line.clients, "floor": floor, "ours": ours,
                         "ratio": ours / floor, "p50Ms": p50.as_secs_f64() * 1e3,
                         "p99Ms": p99.as_secs_f64() * 1e3 }),
        );
    }
    let _ = writeln!(text, "\n{}", json!({ "bench": "balance", "lines": all }));
    text
}
