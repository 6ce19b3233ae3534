//! `bench export`: a member's payments as CSV through the gateway, beside COPY piped the same way.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use futures_util::StreamExt as _;
use sea_orm::sqlx::{self, PgPool};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::balance::seed;
use super::report::{Times, ms, per_second};
use crate::check::Books;
use crate::cluster::{Cluster, Node, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench export`: `GET /api/me/balance/export.csv` of a member with so many payments, through the \
gateway and the balance service, each a process of its own, with the digest of the trailer and without. The floor: `COPY (SELECT the same \
columns in the same order) TO STDOUT (FORMAT csv)`, piped by a bare HTTP handler to the same client. The goal: at least 0.6 of the \
floor's rows per second, the first byte within 50 ms, and at most 32 MiB above idle in the gateway and in the service.";

/// What the bench is asked to do.
pub struct Plan {
    pub rows: usize,
    /// Pairs of floor and ours.
    pub rounds: usize,
}

/// One download.
#[derive(Clone, Copy, Debug)]
struct Took {
    first_byte: Duration,
    whole: Duration,
    lines: usize,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let node = std::env::current_exe()?.with_file_name("node");
    let cluster = Cluster::start(&node, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
    let shop = Shop::open_at(&cluster.base).await;
    let books = Books::open(&cluster.config).await;
    let pool = books.balance.conn().get_postgres_connection_pool().clone();
    eprintln!("seeding {} payments …", plan.rows);
    let organization: Uuid = shop.tester.organization_id.parse()?;
    let member: Uuid = shop.tester.member_id.parse()?;
    seed(&pool, organization, member, plan.rows).await?;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await?;
    let floor = floor(pool, organization, member).await?;
    let ours = format!("{}/api/me/balance/export.csv", cluster.base);
    let proven = format!("{ours}?trailer=true");
    let client = reqwest::Client::new();
    let ask = |url: &str| client.get(url).bearer_auth(&shop.tester.token);
    let idle = [Node::Gateway, Node::Balance].map(|node| cluster.peak_kib(node) / 1024);
    let mut took: [Vec<Took>; 3] = Default::default();
    let mut peak = [0, 0];
    for round in 0..=plan.rounds {
        eprintln!("round {round} of {} …", plan.rounds);
        for (place, url) in [&floor, &ours, &proven].into_iter().enumerate() {
            for node in [Node::Gateway, Node::Balance] {
                cluster.forget_peak(node);
            }
            let one = download(ask(url)).await.context("a download")?;
            ensure!(plan.rows <= one.lines && one.lines <= plan.rows + 10, "{} lines", one.lines);
            if place > 0 {
                for (most, node) in peak.iter_mut().zip([Node::Gateway, Node::Balance]) {
                    *most = (*most).max(cluster.peak_kib(node) / 1024);
                }
            }
            // The first round warms up.
            if round > 0 {
                took[place].push(one);
            }
        }
    }
    cluster.close().await;
    Ok(table(plan.rows, &took, idle, peak))
}

async fn download(request: reqwest::RequestBuilder) -> anyhow::Result<Took> {
    let start = Instant::now();
    let response = request.send().await?.error_for_status()?;
    let mut body = response.bytes_stream();
    let (mut first_byte, mut lines) = (None, 0);
    while let Some(piece) = body.next().await {
        let piece = piece?;
        first_byte.get_or_insert_with(|| start.elapsed());
        lines += piece.split(|byte| *byte == b'\n').count() - 1;
    }
    let first_byte = first_byte.context("nothing came")?;
    Ok(Took { first_byte, whole: start.elapsed(), lines })
}

/// COPY behind a bare handler: the address of its file.
async fn floor(pool: PgPool, organization: Uuid, member: Uuid) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sql = format!(
        "COPY (SELECT paid_at, (SELECT name FROM cycles c WHERE c.organization_id = \
         l.organization_id AND c.id = l.earning_cycle_id) AS cycle, title, severity, amount_minor, \
         currency, method, reference FROM lines l WHERE organization_id = '{organization}' \
         AND payee_id = '{member}' AND paid_at IS NOT NULL ORDER BY paid_at, issue_id) \
         TO STDOUT (FORMAT csv)"
    );
    let routes = Router::new().route("/file.csv", get(copied)).with_state((pool, sql));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(format!("http://{address}/file.csv"))
}

async fn copied(State((pool, sql)): State<(PgPool, String)>) -> Body {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let Ok(mut connection) = pool.acquire().await else { return };
        let Ok(mut rows) = connection.copy_out_raw(&sql).await else { return };
        while let Some(piece) = rows.next().await {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Body::from_stream(futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    }))
}

fn table(rows: usize, took: &[Vec<Took>; 3], idle: [u64; 2], peak: [u64; 2]) -> String {
    let mut text = format!(
        "{rows} payments.\n\n| file | rows/s | ratio | first byte p50 | whole p50 |\n|---|---:|---:|---:|---:|\n"
    );
    let rate = |took: &[Took]| Times::new(took.iter().map(|one| one.whole).collect()).rate(rows);
    let floor = rate(&took[0]);
    let mut all = Vec::new();
    for (name, took) in ["floor", "ours", "ours, with its trailer"].into_iter().zip(took) {
        let first = Times::new(took.iter().map(|one| one.first_byte).collect()).median();
        let whole = Times::new(took.iter().map(|one| one.whole).collect()).median();
        let rate = rate(took);
        let _ = writeln!(
            text,
            "| {name} | {} | {:.2} | {} | {} |",
            per_second(rate),
            rate / floor,
            ms(first),
            ms(whole),
        );
        all.push(json!({ "file": name, "rowsPerSecond": rate, "ratio": rate / floor,
                         "firstByteMs": first.as_secs_f64() * 1e3 }));
    }
    let above = |place: usize| peak[place].saturating_sub(idle[place]);
    let _ = writeln!(
        text,
        "\nmemory above idle: gateway {} MiB (idle {}), balance {} MiB (idle {})",
        above(0),
        idle[0],
        above(1),
        idle[1]
    );
    let memory = json!({ "gatewayMib": above(0), "balanceMib": above(1) });
    let _ = writeln!(
        text,
        "\n{}",
        json!({ "bench": "export", "rows": rows, "lines": all, "memory": memory })
    );
    text
}
