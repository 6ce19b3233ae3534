//! `bench plan`: the dry run and the commit of very many earnings, beside the floor.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_chassis::testing::{create_database, drop_database};
use quittance_kernel::{Ctx, Principal, Role, Roles};
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1::commit_plan_response::Outcome;
use quittance_proto::payouts::v1::plan_service_client::PlanServiceClient;
use quittance_proto::payouts::v1::{CommitPlanRequest, RunBatchRequest};
use serde_json::json;
use tonic::Request;
use uuid::Uuid;

use super::pay::{seed_earnings, seed_issues};
use super::report::{ms, per_second};
use super::same_schema::SameSchema;
use crate::check::Books;
use crate::cluster::{Cluster, Node, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench plan`: everything that is due is shown by a dry run and paid by the commit of \
its plan, through gRPC, with four processes on PostgreSQL, 25 issues to a payee. Both ask the issues service for the \
facts of every earning and decide about each; the commit does so again, compares, and pays all of it in one \
transaction. The floor, in the same run on the same server: one `INSERT … SELECT` of the plan's lines, and the \
hand-written statement of `pay` in pieces of 10,000. Memory is the most that the payouts process held above what it \
held idle.";

/// How many earnings the floor pays in one statement.
const PIECE: usize = 10_000;

/// How long a plan of a million may take.
const PATIENCE: Duration = Duration::from_mins(14);

/// One half of the work: floor, ours, and the memory above idle in MiB.
struct Half {
    what: &'static str,
    floor: Duration,
    ours: Duration,
    memory: u64,
}

/// Runs the bench over so many earnings and returns its table and a line of JSON.
pub async fn run(rows: usize) -> anyhow::Result<String> {
    let (admin, name, url) = create_database().await;
    let result = compare(rows, &url).await;
    drop_database(&admin, &name).await;
    result
}

async fn compare(rows: usize, floor: &str) -> anyhow::Result<String> {
    eprintln!("seeding {rows} rows on each side …");
    let mut floor = SameSchema::seed(floor, rows).await?;
    let mut ours = Ours::seed(rows).await?;
    let idle = ours.cluster.peak_kib(Node::Payouts) / 1024;
    eprintln!("the dry run …");
    let start = Instant::now();
    floor.plan(rows).await?;
    let planned = start.elapsed();
    let (plan, time, memory) = ours.plan(rows).await?;
    let dry =
        Half { what: "dry run", floor: planned, ours: time, memory: memory.saturating_sub(idle) };
    eprintln!("the commit …");
    let start = Instant::now();
    let mut left = rows;
    while left > 0 {
        let piece = left.min(PIECE);
        floor.pay(piece).await?;
        left -= piece;
    }
    let paid = start.elapsed();
    let (time, memory) = ours.commit(&plan).await?;
    let commit =
        Half { what: "commit", floor: paid, ours: time, memory: memory.saturating_sub(idle) };
    let counts = ours.books.at_rest().await;
    ensure!(usize::try_from(counts.paid_items)? == rows, "not everything was paid once");
    ours.cluster.close().await;
    Ok(table(rows, &[dry, commit], idle))
}

/// Our side: the four services as processes, with approved issues.
struct Ours {
    cluster: Cluster,
    caller: Caller,
    client: PlanServiceClient<Client>,
    books: Books,
}

impl Ours {
    async fn seed(rows: usize) -> anyhow::Result<Self> {
        let node = std::env::current_exe()?.with_file_name("node");
        let cluster = Cluster::start(&node, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
        let shop = Shop::open_at(&cluster.base).await;
        let books = Books::open(&cluster.config).await;
        seed_issues(&books.issues, &shop, rows).await?;
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
        let client = PlanServiceClient::new(grpc::client(&cluster.config.payouts.url)?)
            .max_decoding_message_size(16 * 1024 * 1024);
        Ok(Self { cluster, caller, client, books })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = self.caller.request(message);
        request.set_timeout(PATIENCE);
        request
    }

    /// Shows what is due: the plan, the time, and the most memory that the service held meanwhile.
    async fn plan(&mut self, rows: usize) -> anyhow::Result<(String, Duration, u64)> {
        let request = self.request(RunBatchRequest {
            request_id: Uuid::now_v7().to_string(),
            filters: None,
            method: Method::Kaspi.into(),
            reference: "KASPI-1".to_owned(),
            dry_run: true,
            net_receivables: false,
        });
        self.cluster.forget_peak(Node::Payouts);
        let start = Instant::now();
        let plan = self.client.run_batch(request).await?.into_inner().plan.unwrap_or_default();
        let time = start.elapsed();
        ensure!(usize::try_from(plan.item_count)? == rows, "{} are planned", plan.item_count);
        Ok((plan.plan_id, time, self.cluster.peak_kib(Node::Payouts) / 1024))
    }

    async fn commit(&mut self, plan: &str) -> anyhow::Result<(Duration, u64)> {
        let request = self.request(CommitPlanRequest {
            request_id: Uuid::now_v7().to_string(),
            plan_id: plan.to_owned(),
        });
        self.cluster.forget_peak(Node::Payouts);
        let start = Instant::now();
        let reply = self.client.commit_plan(request).await?.into_inner();
        let time = start.elapsed();
        let peak = self.cluster.peak_kib(Node::Payouts) / 1024;
        match reply.outcome {
            Some(Outcome::Paid(_)) => Ok((time, peak)),
            other => bail!("the plan was not paid: {other:?}"),
        }
    }
}

fn table(rows: usize, halves: &[Half], idle: u64) -> String {
    let mut text = format!(
        "{rows} earnings.\n\n| what | floor rows/s | ours rows/s | ratio | floor | ours | memory above idle |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |time: Duration| rows as f64 / time.as_secs_f64();
    let floor: Duration = halves.iter().map(|half| half.floor).sum();
    let ours: Duration = halves.iter().map(|half| half.ours).sum();
    let memory = halves.iter().map(|half| half.memory).max().unwrap_or_default();
    let both = Half { what: "both", floor, ours, memory };
    let mut all = Vec::new();
    for Half { what, floor, ours, memory } in halves.iter().chain([&both]) {
        let (one, other) = (rate(*floor), rate(*ours));
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {:.2} | {} | {} | {memory} MiB |",
            per_second(one),
            per_second(other),
            other / one,
            ms(*floor),
            ms(*ours),
        );
        all.push(json!({ "what": what, "floor": one, "ours": other, "ratio": other / one,
                         "memoryMib": memory }));
    }
    let _ = writeln!(text, "\nidle memory of the payouts service: {idle} MiB");
    let _ = writeln!(text, "{}", json!({ "bench": "plan", "rows": rows, "lines": all }));
    text
}
