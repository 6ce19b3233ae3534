//! Rule 4: whatever the facts, all ways to pay decide alike about each issue: a dry run, a batch that
//! fails, a single payment, a batch that skips, and a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};
use system_tests::check::{Books, number};
use system_tests::story::{Shop, id, payment};
use system_tests::world::{Bus, Store, World, eventually};
use system_tests::{Answer, Person};
use tokio::runtime::Runtime;
use uuid::Uuid;

const BATCH: &str = "/api/admin/payouts/batch-pay";
const RUN: &str = "/api/admin/payouts/run-batch";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Review {
    Pending,
    Approved,
    /// Approved first.
    Rejected,
}

/// What is so about an issue when money is about to move.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
struct Fact {
    review: Review,
    verified: bool,
    gate: bool,
    /// Reported by the one who pays.
    own: bool,
    paid: bool,
    void: bool,
}

fn fact() -> impl Strategy<Value = Fact> {
    let review = prop_oneof![1 => Just(Review::Pending), 5 => Just(Review::Approved), 1 => Just(Review::Rejected)];
    let rarely = || proptest::bool::weighted(0.2);
    (review, any::<bool>(), any::<bool>(), rarely(), rarely(), rarely()).prop_map(
        |(review, verified, gate, own, paid, void)| {
            let approved = review == Review::Approved;
            let (paid, void) = (paid && approved, void && approved && !paid);
            Fact { review, verified, gate, own, paid, void }
        },
    )
}

/// Issues and why they cannot be paid.
type Reasons = BTreeMap<String, BTreeSet<String>>;

struct Scene<'a> {
    shop: Shop,
    second: Person,
    books: &'a Books,
    /// The path of each issue.
    issues: BTreeMap<String, String>,
}

impl<'a> Scene<'a> {
    /// Makes the facts true.
    async fn set(world: &World, books: &'a Books, facts: &[Fact]) -> Self {
        let shop = Shop::open(world).await;
        let second = shop.person("second@shop.example", &["admin"]).await;
        let body = json!({ "productId": shop.product, "name": "Gated" });
        let gated = id(&shop.admin.post("/api/test-cycles", body).await.expect(201));
        let mut scene = Self { shop, second, books, issues: BTreeMap::new() };
        for fact in facts {
            let cycle = if fact.gate { &gated } else { &scene.shop.cycle };
            let (issue, path) = scene.make(cycle, fact).await;
            scene.issues.insert(issue, path);
        }
        // Only now: what was paid could not have been, else.
        let on = json!({ "requiresVerification": true });
        scene.shop.admin.patch(&format!("/api/test-cycles/{gated}"), on).await.expect(200);
        scene.settled().await;
        scene
    }

    async fn make(&self, cycle: &str, fact: &Fact) -> (String, String) {
        let reporter = if fact.own { &self.shop.admin } else { &self.shop.tester };
        let issue = self.shop.file_in(cycle, reporter, "high", "Payment fails").await;
        let path = format!("/api/test-cycles/{cycle}/issues/{issue}");
        let mut changes = Vec::new();
        if fact.verified {
            changes.extend([json!({ "status": "triaged" }), json!({ "status": "verified" })]);
        }
        if fact.review != Review::Pending {
            changes.push(json!({ "payoutStatus": "approved" }));
        }
        if fact.review == Review::Rejected {
            changes.push(json!({ "payoutStatus": "rejected" }));
        }
        for change in changes {
            self.second.patch(&path, change).await.expect(200);
        }
        if fact.paid {
            self.second.post(&format!("{path}/payments"), payment()).await.expect(201);
        }
        if fact.void {
            self.settled().await;
            let sql =
                "UPDATE earnings SET status = 'void', version = version + 1 WHERE source_id = $1";
            let conn = self.books.payouts.conn();
            let issue: Uuid = issue.parse().unwrap();
            let void =
                Statement::from_sql_and_values(self.books.payouts.backend(), sql, [issue.into()]);
            assert_eq!(conn.execute_raw(void).await.unwrap().rows_affected(), 1);
        }
        (issue, path)
    }

    /// Waits until each service has heard of what the others did.
    async fn settled(&self) {
        let waiting = "SELECT count(*) FROM outbox";
        eventually("all events to arrive", || async {
            let issues = number(&self.books.issues, waiting).await;
            (issues + number(&self.books.payouts, waiting).await == 0).then_some(())
        })
        .await;
    }

    async fn batch(&self, issues: &[&String], on_blocked: &str) -> Answer {
        let body = json!({
            "issueIds": issues, "method": "kaspi", "reference": "R", "onBlocked": on_blocked,
        });
        self.shop.admin.post(BATCH, body).await
    }

    async fn run(&self, dry: bool) -> Value {
        let body = json!({ "method": "kaspi", "reference": "R", "dryRun": dry });
        self.shop.admin.post(RUN, body).await.expect(200)
    }

    async fn single(&self, issue: &str) -> Answer {
        let path = format!("{}/payments", self.issues[issue]);
        self.shop.admin.post(&path, payment()).await
    }
}

/// Why something was left out, and that those who wait for the gate are named again.
fn excluded(answer: &Value) -> Reasons {
    let texts = |value: &Value| -> BTreeSet<String> {
        let texts = value.as_array().unwrap().iter();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let reasons: Reasons = answer["excluded"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["issueId"].as_str().unwrap().to_owned(), texts(&one["reasons"])))
        .collect();
    let gated = reasons.iter().filter(|(_, reasons)| reasons.contains("gate_not_verified"));
    let gated: BTreeSet<String> = gated.map(|(issue, _)| issue.clone()).collect();
    assert_eq!(texts(&answer["unverifiedIssueIds"]), gated, "{answer}");
    reasons
}

/// What was paid, or would be.
fn included(answer: &Value) -> BTreeSet<String> {
    let groups = answer["groups"].as_array().unwrap().iter();
    let issues = groups.flat_map(|group| group["issueIds"].as_array().unwrap());
    issues.map(|issue| issue.as_str().unwrap().to_owned()).collect()
}

/// What rule 4 and the words of the documents ask for, from the facts alone.
fn due(fact: &Fact) -> bool {
    fact.review == Review::Approved
        && !fact.paid
        && !fact.void
        && !fact.own
        && (!fact.gate || fact.verified)
}

async fn agree(world: &World, books: &Books, mut facts: Vec<Fact>) {
    // One that is never payable, so that a batch of all is always refused.
    facts.push(Fact {
        review: Review::Pending,
        verified: false,
        gate: false,
        own: false,
        paid: false,
        void: false,
    });
    let scene = Scene::set(world, books, &facts).await;
    let all: Vec<&String> = scene.issues.keys().collect();

    let refused = scene.batch(&all, "fail").await;
    assert!(refused.status == 400 || refused.status == 409, "{}", refused.text);
    let blocked = excluded(&refused.json());
    let free: Vec<&String> = all.iter().copied().filter(|id| !blocked.contains_key(*id)).collect();
    assert_eq!(free.len(), facts.iter().filter(|fact| due(fact)).count(), "{blocked:?}");

    let dry = scene.run(true).await;
    assert_eq!(included(&dry), free.iter().copied().cloned().collect());
    let seen = excluded(&dry);
    for (issue, reasons) in &blocked {
        let settled = ["not_approved", "already_paid", "voided"];
        // A run does not look at what is not owed.
        let owed = !settled.iter().any(|reason| reasons.contains(*reason));
        assert_eq!(seen.get(issue), owed.then_some(reasons), "{issue}");
        let alone = scene.single(issue).await;
        assert!((400..500).contains(&alone.status), "{}", alone.text);
        assert_eq!(excluded(&alone.json()).get(issue), Some(reasons));
    }
    assert!(seen.keys().all(|issue| blocked.contains_key(issue)));

    // What is free is paid by each way in turn, and by no other after.
    let part = |way: usize| free.iter().copied().skip(way).step_by(3).collect::<Vec<_>>();
    for issue in part(0) {
        scene.single(issue).await.expect(201);
    }
    let asked: Vec<&String> = blocked.keys().chain(part(0)).chain(part(1)).collect();
    let skipped = scene.batch(&asked, "skip").await;
    let mut expected = blocked.clone();
    expected
        .extend(part(0).into_iter().map(|issue| (issue.clone(), ["already_paid".into()].into())));
    if part(1).is_empty() {
        assert_eq!(skipped.status / 100, 4, "nothing was left to pay: {}", skipped.text);
    } else {
        let skipped = skipped.expect(200);
        assert_eq!(included(&skipped), part(1).into_iter().cloned().collect());
        assert_eq!(excluded(&skipped), expected);
    }
    let run = scene.run(false).await;
    assert_eq!(included(&run), part(2).into_iter().cloned().collect());
    assert_eq!(excluded(&run), seen);
    assert!(included(&scene.run(true).await).is_empty());
    scene.settled().await;
    books.at_rest().await;
}

fn try_facts(store: Store, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let (world, books) = runtime.block_on(async {
        let world = World::start(store, Bus::InProcess).await;
        let books = Books::open(&world.config).await;
        (world, books)
    });
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let facts = proptest::collection::vec(fact(), 4..12);
    let outcome = TestRunner::new(config).run(&facts, |facts| {
        runtime.block_on(agree(&world, &books, facts));
        Ok(())
    });
    runtime.block_on(world.close());
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn all_ways_to_pay_decide_alike_on_sqlite() {
    try_facts(Store::Sqlite, 12);
}

#[test]
fn all_ways_to_pay_decide_alike_on_postgres() {
    try_facts(Store::Postgres, 4);
}
