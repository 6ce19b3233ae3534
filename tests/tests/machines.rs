//! Random calls over REST against a model of the machines: every answer is the model's, and no issue
//! is ever in a state that the model does not know.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "machines/model.rs"]
mod model;

use std::cell::RefCell;
use std::rc::Rc;

use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest};
use serde_json::{Value, json};
use system_tests::check::Books;
use system_tests::story::{Shop, id, payment};
use system_tests::world::{Bus, Store, World, eventually};
use system_tests::{Answer, Person};
use tokio::runtime::Runtime;

use model::{Call, Cycle, Model, Who};

/// One instance for all runs of a test; each run has a cycle of its own in it.
struct Stage {
    runtime: Runtime,
    shop: Shop,
    second: Person,
}

thread_local! {
    // The trait makes runs out of nothing; this is where they find the instance.
    static STAGE: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

/// A cycle over REST.
struct Sut {
    stage: Rc<Stage>,
    cycle: String,
    issues: Vec<String>,
}

impl Sut {
    fn person(&self, who: Who) -> &Person {
        match who {
            Who::Admin => &self.stage.shop.admin,
            Who::Second => &self.stage.second,
            Who::Tester => &self.stage.shop.tester,
        }
    }

    fn path(&self, issue: usize) -> String {
        format!("/api/test-cycles/{}/issues/{}", self.cycle, self.issues[issue])
    }

    async fn patch(&self, who: Who, issue: usize, body: Value) -> Answer {
        self.person(who).patch(&self.path(issue), body).await
    }

    /// Makes a call; answers with a status and a code for each issue that it was about.
    async fn call(&mut self, call: &Call) -> Vec<(u16, String)> {
        let answer = match *call {
            Call::File { who, draft } => {
                let status = if draft { "draft" } else { "open" };
                let body = json!({ "title": "Pay fails", "severity": "high", "status": status });
                let path = format!("/api/test-cycles/{}/issues", self.cycle);
                let answer = self.person(who).post(&path, body).await;
                self.issues.push(id(&answer.expect(201)));
                answer
            }
            Call::Move { who, issue, to, reason } => {
                let mut body = json!({ "status": to });
                if reason {
                    body["reason"] = json!("because");
                }
                self.patch(who, issue, body).await
            }
            Call::Duplicate { who, issue, of } => {
                let body = json!({
                    "status": "duplicate", "duplicateOf": self.issues[of], "reason": "again",
                });
                self.patch(who, issue, body).await
            }
            Call::Approve { who, issue } => {
                self.patch(who, issue, json!({ "payoutStatus": "approved" })).await
            }
            Call::Reject { who, issue } => {
                self.patch(who, issue, json!({ "payoutStatus": "rejected" })).await
            }
            Call::Decide { who, issue, approve } => {
                let decision = if approve { "approve" } else { "reject" };
                let decision = json!({ "issueId": self.issues[issue], "decision": decision });
                let body = json!({ "decisions": [decision] });
                let answer = self.person(who).post("/api/admin/triage/decide", body).await;
                return results(&answer, 1);
            }
            Call::Verify { who, ref issues } => {
                let ids: Vec<_> = issues.iter().map(|issue| &self.issues[*issue]).collect();
                let body = json!({ "issueIds": ids });
                let answer = self.person(who).post("/api/issues/bulk-verify", body).await;
                return results(&answer, issues.len());
            }
            Call::Gate { on } => {
                let path = format!("/api/test-cycles/{}", self.cycle);
                self.person(Who::Admin).patch(&path, json!({ "requiresVerification": on })).await
            }
            Call::Pay { who, issue } => {
                let path = format!("{}/payments", self.path(issue));
                self.person(who).post(&path, payment()).await
            }
        };
        vec![(answer.status, answer.code())]
    }

    /// All issues of the cycle, as an admin sees them.
    async fn see(&self) -> Vec<Value> {
        let path = format!("/api/test-cycles/{}/issues", self.cycle);
        let list = self.person(Who::Admin).get(&path).await.expect(200);
        let found = list["items"].as_array().unwrap();
        assert_eq!(found.len(), self.issues.len(), "{list}");
        let one = |id: &String| found.iter().find(|issue| issue["id"] == **id).cloned().unwrap();
        self.issues.iter().map(one).collect()
    }
}

/// The answers of a call about several issues, in its order. A refusal of the whole is one of each.
fn results(answer: &Answer, count: usize) -> Vec<(u16, String)> {
    let body = answer.json();
    let Some(results) = body["results"].as_array() else {
        return vec![(answer.status, answer.code()); count];
    };
    let code = |result: &Value| result["code"].as_str().unwrap_or_default().to_owned();
    results.iter().map(|result| (answer.status, code(result))).collect()
}

/// What an issue must look like, from the model.
fn expected(sut: &Sut, cycle: &Cycle, issue: &model::Issue) -> Value {
    let gate = cycle.gate.unwrap_or(false);
    let id = |who: Who| sut.person(who).member_id.clone();
    let payable = issue.payout_status() == "approved" && (!gate || issue.is_verified());
    json!({
        "status": issue.status,
        "payoutStatus": issue.payout_status(),
        "verifiedBy": issue.verified_by.map(id),
        "resolved": issue.verified_by.is_some(),
        "priced": matches!(issue.review, model::Review::Approved),
        "decided": !matches!(issue.review, model::Review::Pending),
        "duplicateOf": issue.duplicate_of.map(|of| sut.issues[of].clone()),
        "effectiveGate": gate,
        "payable": payable,
        "blocked": !payable,
        "paid": issue.paid,
    })
}

/// The same of an issue that was seen.
fn seen(issue: &Value) -> Value {
    let known = |key: &str| !issue[key].is_null();
    json!({
        "status": issue["status"],
        "payoutStatus": issue["payoutStatus"],
        "verifiedBy": issue["verifiedBy"],
        "resolved": known("resolvedAt"),
        "priced": known("amount"),
        "decided": known("decidedBy") && known("decidedAt"),
        "duplicateOf": issue["duplicateOf"],
        "effectiveGate": issue["effectiveGate"],
        "payable": issue["payable"],
        "blocked": issue["blockedBy"].as_array().is_some_and(|reasons| !reasons.is_empty()),
        "paid": known("paidAt") && known("payoutId"),
    })
}

struct Machines;

impl StateMachineTest for Machines {
    type SystemUnderTest = Sut;
    type Reference = Model;

    fn init_test(_: &Cycle) -> Sut {
        let stage = STAGE.with_borrow(|stage| stage.clone().unwrap());
        let shop = &stage.shop;
        let body = json!({ "productId": shop.product, "name": "A run" });
        let made = stage.runtime.block_on(shop.admin.post("/api/test-cycles", body));
        let cycle = id(&made.expect(201));
        Sut { stage, cycle, issues: Vec::new() }
    }

    fn apply(mut sut: Sut, cycle: &Cycle, call: Call) -> Sut {
        let stage = Rc::clone(&sut.stage);
        let answers = stage.runtime.block_on(sut.call(&call));
        let several = matches!(call, Call::Decide { .. } | Call::Verify { .. });
        assert_eq!(answers.len(), cycle.answer.len(), "{call:?}");
        for ((status, code), expected) in answers.iter().zip(&cycle.answer) {
            match expected {
                None => assert!(*status < 300 && code.is_empty(), "{call:?}: {status} {code}"),
                // Each of several is refused by its code, inside an answer that is none.
                Some((_, reason)) if several && *status == 200 => {
                    assert_eq!(code, reason, "{call:?}");
                }
                Some(refusal) => assert_eq!((*status, code.as_str()), *refusal, "{call:?}"),
            }
        }
        if let (Call::Pay { issue, .. }, [None]) = (&call, &*cycle.answer) {
            // The issue hears of its payment by an event.
            stage.runtime.block_on(eventually("the payment to show", || async {
                let issue = sut.person(Who::Admin).get(&sut.path(*issue)).await.expect(200);
                (issue["payoutStatus"] == "paid").then_some(())
            }));
        }
        sut
    }

    fn check_invariants(sut: &Sut, cycle: &Cycle) {
        let found = sut.stage.runtime.block_on(sut.see());
        for (issue, found) in cycle.issues.iter().zip(&found) {
            assert_eq!(seen(found), expected(sut, cycle, issue), "{found}");
        }
    }
}

fn walk(store: Store, cases: u32) {
    let runtime = Runtime::new().unwrap();
    let (world, shop, second) = runtime.block_on(async {
        let world = World::start(store, Bus::InProcess).await;
        let shop = Shop::open(&world).await;
        let second = shop.person("second@shop.example", &["admin"]).await;
        (world, shop, second)
    });
    STAGE.set(Some(Rc::new(Stage { runtime, shop, second })));
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let runs = Model::sequential_strategy(20..60);
    let outcome = TestRunner::new(config.clone()).run(&runs, |(state, calls, seen)| {
        Machines::test_sequential(config.clone(), state, calls, seen);
        Ok(())
    });
    let stage = Rc::into_inner(STAGE.take().unwrap()).unwrap();
    stage.runtime.block_on(async {
        if outcome.is_ok() {
            Books::open(&world.config).await.when_quiet().await;
        }
        world.close().await;
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn random_calls_never_leave_the_machines_on_sqlite() {
    walk(Store::Sqlite, 20);
}

#[test]
fn random_calls_never_leave_the_machines_on_postgres() {
    walk(Store::Postgres, 4);
}
