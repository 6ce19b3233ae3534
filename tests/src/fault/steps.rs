//! Killing a process in the middle of a run, a plan, a void, a return or a bulk approval.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Outcome, PATH, PER_BATCH, arm};
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node};
use crate::http::Answer;
use crate::story::{Shop, batch};
use crate::world::{Bus, Store};

/// What is under way when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Run,
    Commit,
    Void,
    Return,
    Move,
}

/// Where a process dies by itself, and during what.
const STEPS: [(&str, Work); 8] = [
    ("plan::before_write", Work::Run),
    ("plan::after_write", Work::Run),
    ("plan::before_commit", Work::Commit),
    ("plan::after_commit", Work::Commit),
    ("undo::before_commit", Work::Void),
    ("undo::after_commit", Work::Void),
    ("undo::before_commit", Work::Return),
    ("move::before_commit", Work::Move),
];

/// Dies at each step of this store and bus, and tells what became of each.
pub async fn die_at_every_step(binary: &Path, store: Store, bus: Bus) -> Vec<Outcome> {
    let mut cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
    let mut outcomes = Vec::new();
    for (point, work) in STEPS {
        outcomes.push(die_at(&mut cluster, point, work, store).await);
    }
    cluster.close().await;
    outcomes
}

/// A request that is repeated under one key until there is an answer.
struct Request {
    path: String,
    body: Value,
    key: String,
}

impl Request {
    async fn try_once(&self, shop: &Shop, base: &str) -> Option<Answer> {
        shop.admin.at(base).try_post_once(&self.path, &self.key, &self.body).await.ok()
    }
}

async fn die_at(cluster: &mut Cluster, point: &str, work: Work, store: Store) -> Outcome {
    // Each in an organization of its own.
    let shop = Shop::open_at(&cluster.base).await;
    let books = Books::open(&cluster.config).await;
    let request = prepare(&shop, work, &books).await;
    arm(cluster, point).await;
    let early = request.try_once(&shop, &cluster.base).await;
    let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
    assert!(died, "{point} was not reached: {early:?}");
    let sum = counted(&books, &shop, work).await;
    assert!(sum == 0 || sum == due(), "{point}: {sum} is neither all nor nothing");
    cluster.restart(Node::Standalone, None).await;
    cluster.ready().await;
    let answer = request.try_once(&shop, &cluster.base).await.expect("the gateway answers");
    assert_eq!(answer.status, 200, "{point}: {}", answer.text);
    // And once more: the same answer, and nothing beside it.
    let again = request.try_once(&shop, &cluster.base).await.expect("the gateway answers");
    assert_eq!((again.status, again.text), (200, answer.text), "{point}");
    let (asked, done) = (due(), counted(&books, &shop, work).await);
    Outcome {
        fault: format!("{point}, {work:?}, {store:?}"),
        injected: 1,
        asked: usize::try_from(asked).unwrap_or_default(),
        paid: done,
        lost: (asked - done).max(0),
        double: (done - asked).max(0),
    }
}

/// What the work leaves behind when it is done.
fn due() -> i64 {
    i64::try_from(PER_BATCH).unwrap_or_default()
}

/// How much of it there is: each row of it once, and each noted once.
async fn counted(books: &Books, shop: &Shop, work: Work) -> i64 {
    let (rows, noted) = match work {
        Work::Run | Work::Commit => ("payout_items WHERE live AND", "payout.issue_paid"),
        Work::Void => ("reversals WHERE kind = 'void' AND", "earning.voided"),
        Work::Return => ("reversals WHERE kind = 'return' AND", "earning.returned"),
        Work::Move => ("payouts WHERE state = 'approved' AND", "payout.approved"),
    };
    let own = whose(books, shop);
    let rows = number(&books.payouts, &format!("SELECT count(*) FROM {rows} {own}")).await;
    let noted = format!("SELECT count(*) FROM audit_log WHERE action = '{noted}' AND {own}");
    assert_eq!(rows, number(&books.payouts, &noted).await, "{work:?} is not noted once");
    rows
}

/// The condition that a row is of this organization.
fn whose(books: &Books, shop: &Shop) -> String {
    if books.payouts.is_postgres() {
        format!("organization_id = '{}'", shop.admin.organization_id)
    } else {
        format!("organization_id = x'{}'", shop.admin.organization_id.replace('-', ""))
    }
}

async fn prepare(shop: &Shop, work: Work, books: &Books) -> Request {
    let key = uuid::Uuid::now_v7().to_string();
    if work == Work::Move {
        return approvals(shop, key).await;
    }
    let issues = shop.approved(PER_BATCH).await;
    let own = whose(books, shop);
    crate::world::eventually("the earnings", || async {
        let sql = format!("SELECT count(*) FROM earnings WHERE {own}");
        (number(&books.payouts, &sql).await == due()).then_some(())
    })
    .await;
    let run = |dry: bool| json!({ "method": "kaspi", "reference": "MAY", "dryRun": dry });
    let path = "/api/admin/payouts/run-batch";
    match work {
        Work::Run => Request { path: path.to_owned(), body: run(false), key },
        Work::Commit => {
            // With an approval, as money of that size needs one.
            let policy = json!({ "currency": "KZT", "aboveMinor": 0, "approvers": 1 });
            let _ = shop.admin.put("/api/admin/payout-policies", policy).await.expect(200);
            let plan = shop.admin.post(path, run(true)).await.expect(200);
            let path =
                format!("/api/admin/payout-plans/{}", plan["planId"].as_str().unwrap_or_default());
            let finance = shop.person("finance@shop.example", &["finance"]).await;
            let digest = json!({ "digest": plan["digest"] });
            let _ = finance.post(&format!("{path}/approve"), digest).await.expect(200);
            Request { path: format!("{path}/commit"), body: json!({}), key }
        }
        Work::Void | Work::Return | Work::Move => {
            let paid = shop.admin.post(PATH, batch(&shop.tester, &issues)).await.expect(200);
            let payout = paid["groups"][0]["payoutId"].as_str().unwrap_or_default();
            let step = if work == Work::Void { "void" } else { "return" };
            let path = format!("/api/admin/payouts/{payout}/{step}");
            Request { path, body: json!({ "reason": "Sent twice" }), key }
        }
    }
}

/// Payouts of a partner, to be approved in one go.
async fn approvals(shop: &Shop, key: String) -> Request {
    let mut ids = Vec::new();
    for _ in 0..PER_BATCH {
        let body = json!({ "partnerId": shop.tester.member_id, "amountMinor": 700,
            "currency": "USD", "period": "2026-02", "notes": "" });
        let made = shop.admin.post("/api/admin/payouts", body).await.expect(201);
        ids.push(made["id"].clone());
    }
    let body = json!({ "payoutIds": ids, "mode": "atomic" });
    Request { path: "/api/admin/payouts/bulk-approve".to_owned(), body, key }
}
