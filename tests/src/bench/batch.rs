//! `bench batch`: batches that a provider pays, from the request to their end, beside the floor.

mod floor;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_chassis::testing::{create_database, drop_database};
use quittance_kernel::{Ctx, MemberId, Principal, Role, Roles};
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1::batch_pay_response::Outcome;
use quittance_proto::payouts::v1::payout_account_service_client::PayoutAccountServiceClient;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use quittance_proto::payouts::v1::{BatchPayRequest, OnBlocked, PayGroup, SetPayoutAccountRequest};
use sea_orm::sqlx;
use serde_json::json;
use uuid::Uuid;

use super::pay::{seed_earnings, seed_issues};
use super::report::{Times, ms, per_second};
use super::same_schema::SameSchema;
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench batch`: a batch of N approved issues, 25 to a payee, executed by the embedded \
provider: accepted through gRPC, each payout written down, called and concluded, until the batch says that it is \
completed. The services are four processes on PostgreSQL. The floor does the same in the same run on the same server by \
hand-written statements straight to the driver: one that accepts the batch, then for each 64 payouts one that writes down \
who is called, a call each, 8 at once, and one that concludes them with audit and outbox. Memory is the most that the \
payouts process held above what it held idle.";

/// What the bench is asked to do.
pub struct Plan {
    pub sizes: Vec<usize>,
    /// Pairs of floor and ours for each size.
    pub rounds: usize,
}

impl Plan {
    /// Approved issues that are needed on either side: whole payees, and a round to warm up.
    fn rows(&self) -> usize {
        self.sizes.iter().map(|size| size.next_multiple_of(25) * (self.rounds + 1)).sum()
    }
}

struct Line {
    size: usize,
    floor: Times,
    ours: Times,
    memory: u64,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let (admin, name, url) = create_database().await;
    let result = compare(plan, &url).await;
    drop_database(&admin, &name).await;
    result
}

async fn compare(plan: &Plan, floor: &str) -> anyhow::Result<String> {
    let rows = plan.rows();
    eprintln!("seeding {rows} rows on each side …");
    let mut floor = SameSchema::seed(floor, rows).await?;
    let mut ours = Ours::seed(rows).await?;
    let idle = ours.cluster.peak_kib(Node::Payouts) / 1024;
    let mut lines = Vec::new();
    for size in &plan.sizes {
        eprintln!("{size} at a time …");
        let (mut floors, mut times, mut memory) = (Vec::new(), Vec::new(), 0);
        for round in 0..=plan.rounds {
            let start = Instant::now();
            floor::execute(&mut floor, *size).await?;
            let floor_time = start.elapsed();
            floor.drain().await?;
            let (time, peak) = ours.execute(*size).await?;
            // The first of each warms up.
            if round > 0 {
                floors.push(floor_time);
                times.push(time);
                memory = memory.max(peak.saturating_sub(idle));
            }
        }
        lines.push(Line {
            size: *size,
            floor: Times::new(floors),
            ours: Times::new(times),
            memory,
        });
    }
    let counts = ours.books.at_rest().await;
    ensure!(usize::try_from(counts.paid_items)? == ours.next, "not everything was paid once");
    ours.cluster.close().await;
    Ok(table(&lines, idle))
}

/// Our side: the four services as processes, with approved issues of payees who have an account.
struct Ours {
    cluster: Cluster,
    caller: Caller,
    client: PayoutServiceClient<Client>,
    books: Books,
    issues: Vec<Uuid>,
    next: usize,
}

impl Ours {
    async fn seed(rows: usize) -> anyhow::Result<Self> {
        let node = std::env::current_exe()?.with_file_name("node");
        let cluster = Cluster::start(&node, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
        let shop = Shop::open_at(&cluster.base).await;
        let books = Books::open(&cluster.config).await;
        let issues = seed_issues(&books.issues, &shop, rows).await?;
        seed_earnings(&books.issues, &books.payouts, &shop).await?;
        let channel = grpc::client(&cluster.config.payouts.url)?;
        let admin = Principal {
            organization: shop.admin.organization_id.parse()?,
            member: shop.admin.member_id.parse()?,
            roles: Roles::new([Role::Admin]),
            email: None,
            impersonator: None,
        };
        let caller = caller(&cluster, admin.clone())?;
        let payees: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT payee_id FROM earnings")
            .fetch_all(books.payouts.conn().get_postgres_connection_pool())
            .await?;
        let callers: Vec<Caller> = payees
            .into_iter()
            .map(|payee| {
                let member = MemberId(payee);
                let roles = Roles::new([Role::Member]);
                self::caller(&cluster, Principal { member, roles, ..admin.clone() })
            })
            .collect::<anyhow::Result<_>>()?;
        let accounts = PayoutAccountServiceClient::new(channel.clone());
        stream::iter(callers)
            .map(|payee| {
                let mut accounts = accounts.clone();
                let request = payee.request(SetPayoutAccountRequest {
                    method: Method::Stripe.into(),
                    account_id: "acct_ok_1".to_owned(),
                    ..SetPayoutAccountRequest::default()
                });
                async move { accounts.set_payout_account(request).await }
            })
            .buffer_unordered(8)
            .try_collect::<Vec<_>>()
            .await?;
        let client = PayoutServiceClient::new(channel).max_decoding_message_size(16 * 1024 * 1024);
        Ok(Self { cluster, caller, client, books, issues, next: 0 })
    }

    /// Has the next so many issues paid; the time until their batch is completed, and the most memory
    /// that the service held meanwhile.
    async fn execute(&mut self, count: usize) -> anyhow::Result<(Duration, u64)> {
        let some = &self.issues[self.next..self.next + count];
        self.next += count;
        let request = BatchPayRequest {
            net_receivables: false,
            request_id: Uuid::now_v7().to_string(),
            groups: vec![PayGroup {
                payee_id: String::new(),
                issue_ids: some.iter().map(Uuid::to_string).collect(),
                method: Method::Stripe.into(),
                reference: String::new(),
            }],
            on_blocked: OnBlocked::Fail.into(),
        };
        self.cluster.forget_peak(Node::Payouts);
        let start = Instant::now();
        let reply = self.client.batch_pay(self.caller.request(request)).await?.into_inner();
        let batch: Uuid = match reply.outcome {
            Some(Outcome::Paid(paid)) => paid.batch_id.parse()?,
            other => bail!("the batch was not accepted: {other:?}"),
        };
        let pool = self.books.payouts.conn().get_postgres_connection_pool();
        while start.elapsed() < Duration::from_mins(2) {
            let state: String = sqlx::query_scalar("SELECT state FROM batches WHERE id = $1")
                .bind(batch)
                .fetch_one(pool)
                .await?;
            if state == "completed" {
                let time = start.elapsed();
                let peak = self.cluster.peak_kib(Node::Payouts) / 1024;
                self.settle().await?;
                return Ok((time, peak));
            }
            ensure!(state == "processing", "the batch is {state}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("the batch did not end in two minutes")
    }

    /// Waits until the other services have followed, so that their work is not timed with the next.
    async fn settle(&self) -> anyhow::Result<()> {
        let earned = "SELECT CAST(COALESCE(SUM(earned_count), 0) AS BIGINT) FROM member_money";
        let paid = i64::try_from(self.next)?;
        for _ in 0..6000 {
            if number(&self.books.payouts, "SELECT count(*) FROM outbox").await == 0
                && number(&self.books.balance, earned).await == paid
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the other services did not follow within 30 seconds")
    }
}

fn caller(cluster: &Cluster, principal: Principal) -> anyhow::Result<Caller> {
    let verifier = Verifier::from_config(&cluster.config.auth, cluster.config.mode)?;
    let token = verifier.mint(&principal, Duration::from_hours(1))?;
    Ok(Caller::new(Ctx::new(principal, clock::now(), "bench".into()), &token.into(), None))
}

fn table(lines: &[Line], idle: u64) -> String {
    let mut text = String::from(
        "| N | floor rows/s | ours rows/s | ratio | floor p50 | ours p50 | memory above idle |\n\
         |---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut all = Vec::new();
    for Line { size, floor, ours, memory } in lines {
        let (one, other) = (floor.rate(*size), ours.rate(*size));
        let _ = writeln!(
            text,
            "| {size} | {} | {} | {:.2} | {} | {} | {memory} MiB |",
            per_second(one),
            per_second(other),
            other / one,
            ms(floor.median()),
            ms(ours.median()),
        );
        all.push(json!({ "n": size, "floor": one, "ours": other, "ratio": other / one,
                         "memoryMib": memory }));
    }
    let _ = writeln!(text, "\nidle memory of the payouts service: {idle} MiB");
    let _ = writeln!(text, "{}", json!({ "bench": "batch", "lines": all }));
    text
}
