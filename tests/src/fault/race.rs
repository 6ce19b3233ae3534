//! Many workers who pay, plan, approve, void and return the same earnings, all at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use quittance_chassis::config::Config;
use quittance_chassis::testing::Proxy;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::check::{Books, Counts, number};
use crate::http::{Answer, Person};
use crate::story::{Shop, payment};
use crate::world::{Bus, Store, World, eventually};

const PAY: &str = "/api/admin/payouts/batch-pay";
const RUN: &str = "/api/admin/payouts/run-batch";

/// What an issue of the race is worth.
const PRICE: i64 = 800_000;

/// More than so many issues are paid by a plan that somebody else has approved.
const UNPLANNED: usize = 4;

/// Whose earnings they are: plans are narrowed to one of them.
const TESTERS: usize = 20;

/// How much happens at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    pub earnings: usize,
    pub workers: usize,
    pub time: Duration,
}

/// What came of a race: how often each was done, and the books afterwards.
#[derive(Debug)]
pub struct Raced {
    pub done: BTreeMap<&'static str, usize>,
    /// What was turned away, by its code.
    pub refused: BTreeMap<String, usize>,
    pub counts: Counts,
}

/// What the workers share.
struct Track {
    shop: Shop,
    finance: Person,
    testers: Vec<Person>,
    issues: Vec<String>,
    /// Payouts that were made and not yet taken back.
    payouts: Mutex<Vec<String>>,
    done: Mutex<BTreeMap<&'static str, usize>>,
    refused: Mutex<BTreeMap<String, usize>>,
}

/// Numbers that differ from worker to worker and are the same in each run.
struct Dice(u64);

impl Dice {
    fn new(worker: usize) -> Self {
        Self((worker as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `sides` (xorshift64).
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides.max(1)
    }

    /// A number below `sides`, small ones more often: some earnings are fought over, and others
    /// are left alone for long enough that a plan of them can be committed.
    fn skewed(&mut self, sides: usize) -> usize {
        let reach = self.roll(sides) + 1;
        let reach = self.roll(reach) + 1;
        self.roll(reach)
    }
}

/// Runs a race and checks the books when everything has been delivered. Panics if an answer is
/// neither a success nor a refusal with a reason, or if the books are wrong.
pub async fn race(store: Store, bus: Bus, race: Race) -> Raced {
    race_in(World::start(store, bus).await, race, &CancellationToken::new()).await
}

/// The same on PostgreSQL while the broker is cut off over and over. Returns how often it was, too.
pub async fn storm(race: Race, every: Duration) -> (Raced, usize) {
    let (proxy, url) = Proxy::to_broker().await;
    let through = |config: &mut Config| config.bus.amqp_url = Some(url.into());
    let world = World::start_with(Store::Postgres, Bus::RabbitMq, through).await;
    let over = CancellationToken::new();
    let cutting = async {
        let mut cuts = 0;
        while !over.is_cancelled() {
            tokio::time::sleep(every).await;
            proxy.cut().await;
            cuts += 1;
        }
        cuts
    };
    tokio::join!(race_in(world, race, &over), cutting)
}

/// Says when it is `over` and only the books are left to be looked at.
async fn race_in(world: World, race: Race, over: &CancellationToken) -> Raced {
    let books = Books::open(&world.config).await;
    let track = Track::prepare(&world, race.earnings).await;
    let due = i64::try_from(track.issues.len()).unwrap_or_default();
    eventually("the earnings", || async {
        let found = number(&books.payouts, "SELECT count(*) FROM earnings").await;
        (found == due).then_some(())
    })
    .await;
    let end = Instant::now() + race.time;
    join_all((0..race.workers).map(|worker| track.work(worker, end))).await;
    over.cancel();
    books.at_rest().await;
    let counts = books.when_quiet().await;
    let twice = "SELECT count(*) FROM (SELECT earning_id FROM reversals WHERE kind = 'void' \
                 GROUP BY earning_id HAVING count(*) > 1) AS twice";
    assert_eq!(number(&books.payouts, twice).await, 0, "a payment was voided twice");
    let sums = "SELECT CAST(COALESCE(SUM(i.amount_minor), 0) AS BIGINT) FROM payout_items i \
                WHERE i.live";
    assert_eq!(number(&books.payouts, sums).await, counts.paid_items * PRICE, "sums differ");
    world.close().await;
    Raced { done: take(track.done), refused: take(track.refused), counts }
}

fn take<T>(shared: Mutex<T>) -> T {
    shared.into_inner().unwrap()
}

impl Track {
    /// Earnings of several testers, in the order of the testers.
    async fn prepare(world: &World, earnings: usize) -> Self {
        let shop = Shop::open(world).await;
        let above = i64::try_from(UNPLANNED).unwrap_or_default() * PRICE;
        let policy = json!({ "currency": "KZT", "aboveMinor": above, "approvers": 1 });
        let _ = shop.admin.put("/api/admin/payout-policies", policy).await.expect(200);
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        let each = earnings.div_ceil(TESTERS);
        let filed = (0..TESTERS).map(|number| {
            let shop = &shop;
            async move {
                let mail = format!("tester-{number}@shop.example");
                let tester = shop.person(&mail, &["member"]).await;
                let mut issues = Vec::new();
                for _ in 0..each {
                    issues.push(shop.file(&tester, "high").await);
                }
                (tester, issues)
            }
        });
        let (testers, issues): (Vec<_>, Vec<_>) = join_all(filed).await.into_iter().unzip();
        let issues = issues.concat();
        for hundred in issues.chunks(100) {
            shop.approve_all(hundred).await;
        }
        let (payouts, done, refused) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { shop, finance, testers, issues, payouts, done, refused }
    }

    async fn work(&self, worker: usize, end: Instant) {
        let mut dice = Dice::new(worker);
        while Instant::now() < end {
            match dice.roll(16) {
                0..5 => self.pay_one(&mut dice).await,
                5..8 => self.pay_some(&mut dice).await,
                8..11 => self.plan(&mut dice).await,
                11..15 => self.take_back("return", &mut dice).await,
                _ => self.take_back("void", &mut dice).await,
            }
        }
    }

    async fn pay_one(&self, dice: &mut Dice) {
        let issue = &self.issues[dice.skewed(self.issues.len())];
        let answer = self.shop.admin.post(&self.shop.payments_path(issue), payment()).await;
        if let Some(paid) = self.note("single", &answer) {
            self.made(&paid["payoutId"]);
        }
    }

    async fn pay_some(&self, dice: &mut Dice) {
        let from = dice.skewed(self.issues.len() - UNPLANNED);
        let body = json!({
            "issueIds": self.issues[from..from + UNPLANNED], "method": "kaspi",
            "reference": "KASPI-1", "onBlocked": "skip",
        });
        let key = Uuid::now_v7().to_string();
        let answer = self.shop.admin.post_once(PAY, &key, &body).await;
        if let Some(paid) = self.note("batch", &answer) {
            self.made_by(&paid);
            // Whoever asks again under the same key is told the same, and pays nothing more.
            let again = self.shop.admin.post_once(PAY, &key, &body).await;
            assert_eq!((again.status, again.text), (200, answer.text));
        }
    }

    /// Shows what is due, has it approved, and pays exactly that or nothing.
    async fn plan(&self, dice: &mut Dice) {
        let tester = &self.testers[dice.roll(self.testers.len())];
        let body = json!({ "testerId": tester.member_id, "method": "kaspi", "dryRun": true });
        let answer = self.shop.admin.post(RUN, body).await;
        let Some(shown) = self.note("plan", &answer) else { return };
        let path = format!("/api/admin/payout-plans/{}", shown["planId"].as_str().unwrap());
        if shown["approvalsNeeded"] != 0 {
            // Approved as it was shown, however much has changed since.
            let approval = json!({ "digest": shown["digest"] });
            let answer = self.finance.post(&format!("{path}/approve"), approval).await;
            if self.note("approval", &answer).is_none() {
                return;
            }
        }
        let answer = self.shop.admin.post(&format!("{path}/commit"), json!({})).await;
        if let Some(paid) = self.note("commit", &answer) {
            assert_eq!((&paid["digest"], &paid["totals"]), (&shown["digest"], &shown["totals"]));
            self.made_by(&paid);
        }
    }

    async fn take_back(&self, step: &'static str, dice: &mut Dice) {
        let payout = {
            let mut payouts = self.payouts.lock().unwrap();
            if payouts.is_empty() {
                return;
            }
            let place = dice.roll(payouts.len());
            // Left on the list half of the time: two may take the same payment back.
            if dice.roll(2) == 0 { payouts[place].clone() } else { payouts.swap_remove(place) }
        };
        let path = format!("/api/admin/payouts/{payout}/{step}");
        let answer = self.shop.admin.post(&path, json!({ "reason": "Sent twice" })).await;
        self.note(step, &answer);
    }

    /// Counts an answer and returns its body if something was done.
    fn note(&self, what: &'static str, answer: &Answer) -> Option<Value> {
        if answer.status == 200 || answer.status == 201 {
            *self.done.lock().unwrap().entry(what).or_default() += 1;
            return Some(answer.json());
        }
        // A refusal with a reason, a request to come again, or no answer in time; nothing else.
        let code = answer.code();
        let known = matches!(answer.status, 400 | 404 | 409 | 429 | 503 | 504);
        let refused = known && !code.is_empty();
        assert!(refused, "{what}: {} {}", answer.status, answer.text);
        *self.refused.lock().unwrap().entry(format!("{what} {code}")).or_default() += 1;
        None
    }

    fn made_by(&self, paid: &Value) {
        for group in paid["groups"].as_array().unwrap() {
            self.made(&group["payoutId"]);
        }
    }

    fn made(&self, payout: &Value) {
        if let Some(id) = payout.as_str() {
            self.payouts.lock().unwrap().push(id.to_owned());
        }
    }
}

impl Raced {
    /// How often something was done.
    #[must_use]
    pub fn did(&self, what: &str) -> usize {
        self.done.get(what).copied().unwrap_or_default()
    }

    /// The table that `cargo xtask fault race` prints.
    #[must_use]
    pub fn table(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::from("| what | times |\n|---|---:|\n");
        for (what, times) in &self.done {
            let _ = writeln!(text, "| {what} | {times} |");
        }
        for (what, times) in &self.refused {
            let _ = writeln!(text, "| refused: {what} | {times} |");
        }
        let Counts { payouts, paid_items, .. } = self.counts;
        let _ = writeln!(text, "\n{payouts} payouts, {paid_items} earnings paid, each once");
        text
    }
}
