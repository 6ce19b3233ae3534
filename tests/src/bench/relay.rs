//! `bench relay`: the outbox on its way to the broker, beside a bare loop that does the same.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join_all;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use quittance_chassis::bus::{self, HandleError, Handler, Message, Subscription, relay};
use quittance_chassis::clock;
use quittance_chassis::db::{Db, Entry, Tx, migrate};
use quittance_chassis::testing::{create_database, drop_database, test_url};
use quittance_events::{CommissionState, kind};
use quittance_kernel::{Ctx, OrganizationId, Principal};
use quittance_payouts::Migrator;
use sea_orm::sqlx::{self, PgPool};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::report::{Times, ms, per_second};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench relay`: so many events of 700 bytes wait in the outbox on PostgreSQL; measured is until all of them are \
confirmed by one quorum queue of RabbitMQ and removed. The floor, in the same run on the same servers, is a bare loop over the same table: read \
1,000 rows in order, publish them, await their confirms together, delete them. *Delivery* is one event at a time, from the commit of its \
transaction to the consumer. The goals: at least 0.8, and a median of at most 10 ms.";

/// How many rows the floor has in hand: as many as ours.
const WINDOW: i64 = 1_000;

const SEED: &str = "INSERT INTO outbox (id, organization_id, kind, subject, body, created_at) \
    SELECT gen_random_uuid(), $1, $2, gen_random_uuid(), repeat('x', 700), now() \
    FROM generate_series(1, $3)";

/// What the bench is asked to do.
pub struct Plan {
    /// Events in the outbox.
    pub rows: usize,
    /// Pairs of floor and ours.
    pub rounds: usize,
    /// Events that are sent one at a time.
    pub single: usize,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let (admin, name, url) = create_database().await;
    let result = compare(plan, &url).await;
    drop_database(&admin, &name).await;
    result
}

async fn compare(plan: &Plan, url: &str) -> anyhow::Result<String> {
    let db = Db::connect("payouts", url, 8).await?;
    migrate::<Migrator>(&db).await?;
    let broker = test_url("TEST_AMQP_URL");
    let config = quittance_chassis::config::Bus {
        amqp_url: Some(broker.clone().into()),
        namespace: format!("bench_{}", Uuid::new_v4().simple()),
    };
    let floor = Floor::open(&broker).await?;
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    let pool = db.conn().get_postgres_connection_pool().clone();
    for round in 0..=plan.rounds {
        eprintln!("round {round} of {} …", plan.rounds);
        seed(&pool, plan.rows).await?;
        let start = Instant::now();
        floor.relay(&pool).await?;
        let floor_time = start.elapsed();
        seed(&pool, plan.rows).await?;
        let time = relayed(&db, &config).await?;
        // The first of each warms up.
        if round > 0 {
            floors.push(floor_time);
            ours.push(time);
        }
    }
    floor.close().await?;
    eprintln!("one at a time …");
    let delivered = delivered(&db, &config, plan.single).await;
    bus::remove(&config).await?;
    Ok(table(plan.rows, &Times::new(floors), &Times::new(ours), &Times::new(delivered?)))
}

async fn seed(pool: &PgPool, rows: usize) -> anyhow::Result<()> {
    sqlx::query(SEED)
        .bind(Uuid::now_v7())
        // It reaches one queue.
        .bind(kind::COMMISSION_CREATED)
        .bind(i64::try_from(rows)?)
        .execute(pool)
        .await?;
    sqlx::raw_sql("VACUUM ANALYZE outbox").execute(pool).await?;
    Ok(())
}

/// How long ours takes for what is in the outbox.
async fn relayed(db: &Db, config: &quittance_chassis::config::Bus) -> anyhow::Result<Duration> {
    let pool = db.conn().get_postgres_connection_pool();
    let shutdown = CancellationToken::new();
    let bus = bus::connect(config);
    let start = Instant::now();
    let task = relay::spawn(db.clone(), bus, "bench", shutdown.clone());
    loop {
        let left: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM outbox)").fetch_one(pool).await?;
        if !left {
            break;
        }
        ensure!(start.elapsed() < Duration::from_mins(5), "the outbox does not empty");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let time = start.elapsed();
    shutdown.cancel();
    task.await?;
    Ok(time)
}

struct Floor {
    connection: Connection,
    channel: Channel,
    queue: String,
}

impl Floor {
    async fn open(broker: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(broker, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let queue = format!("bench_{}", Uuid::new_v4().simple());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), options, arguments).await?;
        Ok(Self { connection, channel, queue })
    }

    /// Reads, publishes, awaits, deletes, until nothing is left.
    async fn relay(&self, pool: &PgPool) -> anyhow::Result<()> {
        loop {
            let rows: Vec<(i64, Uuid, String)> =
                sqlx::query_as("SELECT seq, id, body FROM outbox ORDER BY seq LIMIT $1")
                    .bind(WINDOW)
                    .fetch_all(pool)
                    .await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut confirms = Vec::with_capacity(rows.len());
            for (_, id, body) in &rows {
                let properties = BasicProperties::default()
                    .with_delivery_mode(2)
                    .with_message_id(id.to_string().into());
                let options = BasicPublishOptions::default();
                let queue = self.queue.as_str().into();
                let body = body.as_bytes();
                confirms.push(
                    self.channel.basic_publish("".into(), queue, options, body, properties).await?,
                );
            }
            try_join_all(confirms).await?;
            let done: Vec<i64> = rows.into_iter().map(|(seq, ..)| seq).collect();
            sqlx::query("DELETE FROM outbox WHERE seq = ANY($1)").bind(done).execute(pool).await?;
        }
    }

    async fn close(self) -> anyhow::Result<()> {
        let queue = self.queue.as_str().into();
        self.channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

/// Tells which events have arrived.
struct Arrivals(mpsc::UnboundedSender<Uuid>);

#[tonic::async_trait]
impl Handler for Arrivals {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        for message in messages {
            // Nobody listens any more when the bench is over.
            let _ = self.0.send(message.id);
        }
        Ok(())
    }
}

/// From the commit of a transaction to the consumer, one event after the other.
async fn delivered(
    db: &Db,
    config: &quittance_chassis::config::Bus,
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let shutdown = CancellationToken::new();
    let bus = bus::connect(config);
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    let queue = quittance_events::queue::BALANCE;
    let subscription = Subscription::new(queue.name, queue.kinds, 500, db.clone());
    let consumer = bus.subscribe(subscription, Arc::new(Arrivals(sender)), shutdown.clone());
    let relay = relay::spawn(db.clone(), bus, "bench", shutdown.clone());
    let ctx = Ctx::new(
        Principal::service(OrganizationId(Uuid::now_v7())),
        clock::now(),
        "bench".to_owned(),
    );
    let mut times = Vec::with_capacity(count);
    for number in 0..count + 20 {
        let mut tx = Tx::begin(db, &ctx).await?;
        let entry = Entry::new("commission.created", "commission", Uuid::now_v7());
        let sent = tx.record(entry, kind::COMMISSION_CREATED, commission());
        tx.commit().await?;
        let start = Instant::now();
        // What the rounds before have left in the queue arrives first.
        loop {
            let arrived = tokio::time::timeout(Duration::from_mins(2), arrivals.recv()).await;
            match arrived.context("nothing arrives")? {
                Some(id) if id == sent.0 => break,
                Some(_) => {}
                None => bail!("the consumer has ended"),
            }
        }
        if number >= 20 {
            times.push(start.elapsed());
        }
    }
    shutdown.cancel();
    relay.await?;
    consumer.await?;
    Ok(times)
}

fn commission() -> CommissionState {
    CommissionState {
        commission_id: Uuid::now_v7(),
        version: 1,
        attribution_id: Uuid::now_v7(),
        external_id: "sale-1".to_owned(),
        partner_id: Uuid::now_v7(),
        product_id: None,
        amount_minor: 500,
        currency: "USD".to_owned(),
        occurred_at: clock::now(),
        payable_at: clock::now(),
    }
}

fn table(rows: usize, floor: &Times, ours: &Times, delivered: &Times) -> String {
    let (one, other) = (floor.rate(rows), ours.rate(rows));
    let mut text = format!(
        "{rows} events.\n\n| floor events/s | ours events/s | ratio | delivery p50 | delivery p99 |\n\
         |---:|---:|---:|---:|---:|\n"
    );
    let (p50, p99) = (delivered.median(), delivered.quantile(0.99));
    let _ = writeln!(
        text,
        "| {} | {} | {:.2} | {} | {} |\n",
        per_second(one),
        per_second(other),
        other / one,
        ms(p50),
        ms(p99),
    );
    let line = json!({ "bench": "relay", "rows": rows, "floor": one, "ours": other,
        "ratio": other / one, "p50Ms": p50.as_secs_f64() * 1e3, "p99Ms": p99.as_secs_f64() * 1e3 });
    let _ = writeln!(text, "{line}");
    text
}
