//! Killing processes in the middle of payments, and counting what is left.

mod bus;
mod race;
mod schedules;
mod servers;
mod steps;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::check::{Books, number};
use crate::cluster::{Cluster, Node, SEPARATE};
use crate::http::Answer;
use crate::story::{Shop, batch};
use crate::world::{Bus, Store, eventually};

pub use bus::cut_broker;
pub use race::{Race, Raced, race, storm};
pub use schedules::{Killed, kill_workers};
pub use servers::kill_servers;
pub use steps::die_at_every_step;

const PATH: &str = "/api/admin/payouts/batch-pay";
const PER_BATCH: usize = 5;
const MORE_THAN_A_PIECE: usize = 1_005;

/// Where a process dies by itself, in the order of a payment.
const POINTS: [&str; 4] =
    ["pay::before_write", "pay::after_write", "relay::published", "consumer::handled"];

/// Every fail point on the store and bus that have it. In process there is nothing between a
/// consumer's commit and its acknowledgement: the relay's fail point is that moment.
pub fn everywhere() -> impl Iterator<Item = (&'static str, Store, Bus)> {
    let both = [(Store::Sqlite, Bus::InProcess), (Store::Postgres, Bus::RabbitMq)];
    both.into_iter()
        .flat_map(|(store, bus)| POINTS.map(|point| (point, store, bus)))
        .filter(|(point, _, bus)| (*point, *bus) != ("consumer::handled", Bus::InProcess))
}

/// What became of one kind of fault.
#[derive(Debug)]
pub struct Outcome {
    pub fault: String,
    /// Processes that died.
    pub injected: usize,
    /// Issues that were asked to be paid.
    pub asked: usize,
    /// Of these, paid exactly once in the end.
    pub paid: i64,
    /// Acknowledged, but without a payment.
    pub lost: i64,
    /// Paid more than once.
    pub double: i64,
}

/// A batch and its key, as a careful client keeps them until it has a definite answer.
struct Order {
    key: String,
    body: Value,
}

impl Order {
    fn new(shop: &Shop, issues: &[String]) -> Self {
        Self { key: Uuid::now_v7().to_string(), body: batch(&shop.tester, issues) }
    }

    async fn try_once(&self, shop: &Shop, base: &str) -> Option<Answer> {
        shop.admin.at(base).try_post_once(PATH, &self.key, &self.body).await.ok()
    }

    /// Sends until there is a definite answer: the same key, the same body.
    async fn insist(&self, shop: &Shop, cluster: &Cluster) {
        let mut last = String::from("no answer");
        for _ in 0..600 {
            match self.try_once(shop, &cluster.base).await {
                Some(answer) if answer.status == 200 => return,
                Some(answer) => last = answer.text,
                None => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no definite answer: {last}{}", cluster.logs());
    }
}

/// Counts after everything has been delivered; the invariants have been checked then.
async fn outcome(fault: &str, cluster: &Cluster, injected: usize, asked: usize) -> Outcome {
    let books = Books::open(&cluster.config).await;
    let counts = books.when_quiet().await;
    let asked_rows = i64::try_from(asked).unwrap_or(i64::MAX);
    Outcome {
        fault: fault.to_owned(),
        injected,
        asked,
        paid: counts.paid_items,
        lost: (asked_rows - counts.paid_items).max(0),
        double: (counts.paid_items - asked_rows).max(0),
    }
}

/// One process that dies at a fail point in the middle of a batch, restarts, and is asked again.
pub async fn die_at(binary: &Path, point: &str, store: Store, bus: Bus) -> Outcome {
    die_in(binary, point, PER_BATCH, store, bus).await
}

/// As [`die_at`], between two statements of a batch that is too large for one.
pub async fn die_between_pieces(binary: &Path, store: Store, bus: Bus) -> Outcome {
    die_in(binary, "pay::between_pieces", MORE_THAN_A_PIECE, store, bus).await
}

async fn die_in(binary: &Path, point: &str, size: usize, store: Store, bus: Bus) -> Outcome {
    let mut cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(size).await;
    Books::open(&cluster.config).await.when_quiet().await;
    arm(&mut cluster, point).await;
    let order = Order::new(&shop, &issues);
    order.try_once(&shop, &cluster.base).await;
    let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
    assert!(died, "{point} was not reached");
    Books::open(&cluster.config).await.at_rest().await;
    cluster.restart(Node::Standalone, None).await;
    cluster.ready().await;
    order.insist(&shop, &cluster).await;
    let outcome = outcome(&format!("{point}, {store:?}"), &cluster, 1, issues.len()).await;
    cluster.close().await;
    outcome
}

/// Restarts the process with a fail point armed, and meets it alive.
///
/// The kill may fall between a consumer's commit and its acknowledgement. The broker then hands out
/// the event anew, and the armed process dies of it before the batch is asked for; a process
/// without the fail point takes it in first.
async fn arm(cluster: &mut Cluster, point: &str) {
    for _ in 0..10 {
        cluster.restart(Node::Standalone, Some(&format!("{point}=1*return"))).await;
        if cluster.ready_unless_dead(&[Node::Standalone]).await {
            return;
        }
        cluster.restart(Node::Standalone, None).await;
        cluster.ready().await;
    }
    panic!("{point} is reached without a batch: {}", cluster.logs());
}

/// Four processes under load, of which one is killed with -9 in each round.
pub async fn kill_in_turn(binary: &Path, rounds: usize) -> Outcome {
    let mut cluster = Cluster::start(binary, &SEPARATE, Store::Postgres, Bus::RabbitMq).await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(rounds * 3 * PER_BATCH).await;
    let orders: Vec<Order> = issues.chunks(PER_BATCH).map(|some| Order::new(&shop, some)).collect();
    for (turn, round) in orders.chunks(3).enumerate() {
        let base = cluster.base.clone();
        let sends = futures_util::future::join_all(round.iter().map(|o| o.try_once(&shop, &base)));
        // The moment of death moves through the payment from round to round.
        let wait = Duration::from_micros(u64::try_from(turn % 12).unwrap_or_default() * 1500);
        tokio::join!(sends, async {
            tokio::time::sleep(wait).await;
            cluster.restart(SEPARATE[turn % SEPARATE.len()], None).await;
        });
        Books::open(&cluster.config).await.at_rest().await;
        cluster.ready().await;
        for order in round {
            order.insist(&shop, &cluster).await;
        }
    }
    let outcome = outcome("kill -9 of each service in turn", &cluster, rounds, issues.len()).await;
    cluster.close().await;
    outcome
}

/// The table that `cargo xtask fault` prints.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "| fault | injected | asked to pay | paid once | lost | double |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for row in outcomes {
        let Outcome { fault, injected, asked, paid, lost, double } = row;
        let _ = writeln!(text, "| {fault} | {injected} | {asked} | {paid} | {lost} | {double} |");
    }
    text
}

/// Where a process dies by itself around the call of a provider.
pub const RAIL_POINTS: [&str; 3] = ["rail::before_send", "rail::after_send", "rail::after_outcome"];

/// As [`die_at_rail`], as a line of the table: one payee, so one movement of money.
pub async fn die_around_a_call(binary: &Path, point: &str, store: Store, bus: Bus) -> Outcome {
    let (paid, moved) = die_at_rail(binary, point, store, bus).await;
    Outcome {
        fault: format!("{point}, {store:?}"),
        injected: 1,
        asked: PER_BATCH,
        paid,
        lost: i64::try_from(PER_BATCH).unwrap_or(i64::MAX) - paid,
        double: (moved - 1).max(0),
    }
}

/// As [`die_at`], with a batch that a provider executes: nobody has to ask again. Returns how many
/// issues were paid, and how often the provider moved money.
pub async fn die_at_rail(binary: &Path, point: &str, store: Store, bus: Bus) -> (i64, i64) {
    let mut cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(PER_BATCH).await;
    let account = json!({ "method": "stripe", "accountId": "acct_ok_1" });
    shop.tester.put("/api/me/payout-account", account).await.expect(200);
    Books::open(&cluster.config).await.when_quiet().await;
    arm(&mut cluster, point).await;
    let body = json!({ "issueIds": issues, "method": "stripe", "reference": "" });
    // The answer may be lost with the process; what was committed is carried on.
    let order = Order { key: Uuid::now_v7().to_string(), body };
    order.try_once(&shop, &cluster.base).await;
    let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
    assert!(died, "{point} was not reached");
    Books::open(&cluster.config).await.at_rest().await;
    cluster.restart(Node::Standalone, None).await;
    cluster.ready().await;
    let books = Books::open(&cluster.config).await;
    let processing = "SELECT count(*) FROM batches WHERE state = 'processing'";
    eventually("the end of the batch", || async {
        (number(&books.payouts, processing).await == 0).then_some(())
    })
    .await;
    let paid = books.when_quiet().await.paid_items;
    let moved = "SELECT count(*) FROM sandbox_transfers WHERE moved";
    let moved = number(&books.payouts, moved).await;
    cluster.close().await;
    (paid, moved)
}
