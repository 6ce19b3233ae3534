//! Runs and plans over REST (S1-15, S1-21, S1-24; rules 4, 5, 6 and 8): what a dry run shows is
//! what is paid, or nothing is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use system_tests::Person;
use system_tests::check::Books;
use system_tests::story::{Shop, batch, id};
use system_tests::world::{BOTH, World, eventually};

const RUN: &str = "/api/admin/payouts/run-batch";

/// A shop with a second cycle, in which the gate is on.
async fn with_gated_cycle(world: &World) -> (Shop, Shop) {
    let open = Shop::open(world).await;
    let cycle =
        json!({ "productId": open.product, "name": "Gated sweep", "requiresVerification": true });
    let cycle = id(&open.admin.post("/api/test-cycles", cycle).await.expect(201));
    let gated = Shop {
        admin: open.admin.clone(),
        tester: open.tester.clone(),
        organization: open.organization.clone(),
        product: open.product.clone(),
        cycle,
    };
    (open, gated)
}

fn run(dry: bool) -> Value {
    json!({ "method": "kaspi", "reference": "MAY", "dryRun": dry })
}

fn narrowed(dry: bool, field: &str, value: impl Into<Value>) -> Value {
    let mut body = run(dry);
    body[field] = value.into();
    body
}

fn sorted(value: &Value) -> Vec<String> {
    let texts = value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    let mut texts: Vec<_> = texts.collect();
    texts.sort();
    texts
}

fn paid_issues(report: &Value) -> Vec<String> {
    let groups = report["groups"].as_array().unwrap().iter();
    let mut issues: Vec<_> = groups.flat_map(|group| sorted(&group["issueIds"])).collect();
    issues.sort();
    issues
}

/// Waits until payouts has heard of so many approvals.
async fn queued(shop: &Shop, count: u64) {
    eventually("the pay queue", || async {
        let queue = shop.admin.get("/api/admin/payouts/by-tester").await.expect(200);
        let entries = queue["items"].as_array()?.iter();
        let found: u64 = entries.filter_map(|entry| entry["issueCount"].as_u64()).sum();
        (found == count).then_some(())
    })
    .await;
}

async fn payouts(shop: &Shop) -> usize {
    let page = shop.admin.get("/api/admin/payouts/list").await.expect(200);
    page["items"].as_array().unwrap().len()
}

async fn actions(who: &Person, entity: &str) -> Vec<Value> {
    let page =
        who.get(&format!("/api/admin/audit?service=payouts&entityId={entity}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn commit(who: &Person, plan: &Value) -> system_tests::http::Answer {
    let path = format!("/api/admin/payout-plans/{}/commit", plan["planId"].as_str().unwrap());
    who.post(&path, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ac_4_and_n_2_a_run_reports_what_waits_for_the_gate_and_pays_the_rest() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let (open, gated) = with_gated_cycle(&world).await;
        let mut free = open.approved(2).await;
        let mut blocked = gated.approved(2).await;
        free.sort();
        blocked.sort();
        queued(&open, 4).await;

        // S1-24: a dry run lists the one and includes the other, and pays nothing.
        let shown = open.admin.post_once(RUN, "dry", &run(true)).await.expect(200);
        assert_eq!(sorted(&shown["unverifiedIssueIds"]), blocked);
        assert_eq!(shown["excluded"][0]["reasons"], json!(["gate_not_verified"]));
        assert_eq!(paid_issues(&shown), free);
        assert_eq!(shown["groups"][0]["payoutId"], Value::Null);
        let total = json!([{ "currency": "KZT", "amountMinor": 1_600_000, "count": 2 }]);
        assert_eq!((&shown["totals"], &shown["batchId"]), (&total, &Value::Null));
        assert_eq!(shown["status"], json!("open"));
        let again = open.admin.post_once(RUN, "dry", &run(true)).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(200), shown);
        open.admin.post_once(RUN, "dry", &run(false)).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(payouts(&open).await, 0);
        // A dry run is no attempt: nobody is told of the gate.
        assert!(actions(&open.admin, &blocked[0]).await.is_empty());

        // S1-15, S1-21: so does the run that pays.
        let paid = open.admin.post_once(RUN, "pay", &run(false)).await.expect(200);
        assert_eq!(sorted(&paid["unverifiedIssueIds"]), blocked);
        assert_eq!(paid_issues(&paid), free);
        assert_eq!((&paid["digest"], &paid["totals"]), (&shown["digest"], &total));
        assert_eq!(paid["status"], json!("committed"));
        assert!(paid["batchId"].is_string() && paid["groups"][0]["payoutId"].is_string());
        let again = open.admin.post_once(RUN, "pay", &run(false)).await;
        assert_eq!(again.expect(200), paid);
        assert_eq!(payouts(&open).await, 1);
        for issue in &blocked {
            let told = actions(&open.admin, issue).await;
            assert_eq!(told[0]["action"], json!("payout.gate_blocked"));
            assert_eq!(told[0]["after"]["source"], json!("run_batch"));
        }
        open.balance_shows(&open.tester, 1_600_000, 1_600_000).await;

        // With everything behind the gate, a run reports and pays nothing.
        let nothing = open.admin.post(RUN, narrowed(false, "cycleId", gated.cycle.as_str())).await;
        let nothing = nothing.expect(200);
        assert_eq!(sorted(&nothing["unverifiedIssueIds"]), blocked);
        assert_eq!((&nothing["groups"], &nothing["batchId"]), (&json!([]), &Value::Null));
        world_is_sound(&world, 2).await;
        world.close().await;
    }
}

async fn world_is_sound(world: &World, paid: i64) {
    let books = Books::open(&world.config).await;
    assert_eq!(books.at_rest().await.paid_items, paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_paid_exactly_as_shown_or_not_at_all() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut issues = shop.approved(3).await;
        issues.sort();
        queued(&shop, 3).await;
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);

        // The gate goes up between plan and commit.
        let cycle = format!("/api/test-cycles/{}", shop.cycle);
        let gate = |on: bool| json!({ "requiresVerification": on });
        let _ = shop.admin.patch(&cycle, gate(true)).await.expect(200);
        let path = format!("/api/admin/payout-plans/{}", shown["planId"].as_str().unwrap());
        let body = json!({});
        let stale = shop.admin.post_once(&format!("{path}/commit"), "stale", &body).await;
        let stale = stale.refused(409, "PLAN_STALE");
        assert_eq!(sorted(&stale["removedIssueIds"]), issues);
        assert_eq!((&stale["addedIssueIds"], &stale["removedCount"]), (&json!([]), &json!(3)));
        assert_eq!(payouts(&shop).await, 0);
        let again = shop.admin.post_once(&format!("{path}/commit"), "stale", &body).await;
        again.refused(409, "PLAN_STALE");
        let plan = shop.admin.get(&path).await.expect(200);
        assert_eq!((&plan["status"], &plan["itemCount"]), (&json!("stale"), &json!(3)));
        let _ = shop.admin.patch(&cycle, gate(false)).await.expect(200);
        let refused = commit(&shop.admin, &shown).await.refused(409, "PLAN_NOT_OPEN");
        assert_eq!(refused["state"], json!("stale"));
        let told = actions(&shop.admin, plan["id"].as_str().unwrap()).await;
        let told: Vec<_> = told.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
        assert_eq!(told, ["plan.denied", "plan.stale", "plan.created"]);

        // What came later is a difference too; what was paid elsewhere as well.
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        let late = shop.approved(1).await;
        queued(&shop, 4).await;
        let elsewhere = batch(&shop.tester, &issues[..1]);
        let _ = shop.admin.post("/api/admin/payouts/batch-pay", elsewhere).await.expect(200);
        let stale = commit(&shop.admin, &shown).await.refused(409, "PLAN_STALE");
        assert_eq!(stale["addedIssueIds"], json!(late));
        assert_eq!(stale["removedIssueIds"], json!(&issues[..1]));

        // Unchanged, it is paid as shown, once.
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        let path = format!("/api/admin/payout-plans/{}/commit", shown["planId"].as_str().unwrap());
        let paid = shop.admin.post_once(&path, "commit", &body).await.expect(200);
        assert_eq!(paid_issues(&paid), paid_issues(&shown));
        assert_eq!((&paid["digest"], &paid["totals"]), (&shown["digest"], &shown["totals"]));
        assert!(paid["batchId"].is_string());
        let again = shop.admin.post_once(&path, "commit", &body).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(200), paid);
        let second = shop.admin.post_once(&path, "another", &body).await;
        assert_eq!(second.refused(409, "PLAN_NOT_OPEN")["state"], json!("committed"));
        world_is_sound(&world, 4).await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_narrowed_by_cycle_tester_currency_and_period() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issue = shop.approved(1).await.remove(0);
        let later = shop.approved(1).await.remove(0);
        queued(&shop, 2).await;
        let decided = |issue: String| {
            let shop = &shop;
            async move {
                let seen = shop.admin.get(&shop.issue_path(&issue)).await.expect(200);
                seen["decidedAt"].as_str().unwrap().to_owned()
            }
        };
        let (first, second) = (decided(issue.clone()).await, decided(later.clone()).await);
        let found = async |body: Value| paid_issues(&shop.admin.post(RUN, body).await.expect(200));
        // The start is included, the end is not.
        let mut period = narrowed(true, "periodStart", first.as_str());
        period["periodEnd"] = json!(second);
        assert_eq!(found(period.clone()).await, [issue.as_str()]);
        assert_eq!(found(narrowed(true, "periodStart", second.as_str())).await, [later.as_str()]);
        assert!(found(narrowed(true, "periodEnd", first.as_str())).await.is_empty());
        period["periodEnd"] = json!(first);
        let refused = shop.admin.post(RUN, period).await.refused(400, "INVALID_FIELD");
        assert_eq!(refused["errors"][0]["field"], json!("periodEnd"));

        assert_eq!(found(narrowed(true, "cycleId", shop.cycle.as_str())).await.len(), 2);
        assert!(found(narrowed(true, "cycleId", shop.product.as_str())).await.is_empty());
        assert_eq!(
            found(narrowed(true, "testerId", shop.tester.member_id.as_str())).await.len(),
            2
        );
        assert!(found(narrowed(true, "testerId", shop.admin.member_id.as_str())).await.is_empty());
        assert_eq!(found(narrowed(true, "currency", "KZT")).await.len(), 2);
        assert!(found(narrowed(true, "currency", "USD")).await.is_empty());

        for (field, value) in
            [("currency", json!("XXQ")), ("method", json!("stripe")), ("reference", json!(" "))]
        {
            let answer = shop.admin.post(RUN, narrowed(true, field, value)).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            assert_eq!(answer.json()["errors"][0]["field"], json!(field), "{}", answer.text);
        }
        let unsaid = json!({ "method": "kaspi", "reference": "MAY" });
        shop.admin.post(RUN, unsaid).await.refused(400, "INVALID_FIELD");
        let rate = narrowed(true, "rate", shop.product.as_str());
        shop.admin.post(RUN, rate).await.refused(400, "UNKNOWN_FIELD");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_runs_their_own_work_and_plans_have_an_end() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let other = shop.person("other@shop.example", &["admin"]).await;
        let own = shop.file(&shop.admin, "low").await;
        let decisions = json!({ "decisions": [{ "issueId": own, "decision": "approve" }] });
        let _ = other.post("/api/admin/triage/decide", decisions).await.expect(200);
        queued(&shop, 1).await;

        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        assert_eq!(shown["excluded"], json!([{ "issueId": own, "reasons": ["self_payment"] }]));
        assert_eq!(shown["groups"], json!([]));
        let shown = other.post(RUN, run(true)).await.expect(200);
        assert_eq!(paid_issues(&shown), [own.as_str()]);
        commit(&shop.admin, &shown).await.refused(403, "SELF_APPROVAL");
        assert_eq!(payouts(&shop).await, 0);

        // Testers run nothing; other organizations see nothing.
        shop.tester.post(RUN, run(true)).await.refused(403, "ROLE_REQUIRED");
        let stranger = Shop::open(&world).await;
        commit(&stranger.admin, &shown).await.refused(404, "PLAN_NOT_FOUND");
        let path = format!("/api/admin/payout-plans/{}", shown["planId"].as_str().unwrap());
        stranger.admin.get(&path).await.refused(404, "PLAN_NOT_FOUND");

        // What was shown can be read again, by finance too.
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        let seen = finance.get(&path).await.expect(200);
        assert_eq!(seen["items"][0]["issueId"], json!(own));
        assert_eq!(
            (&seen["digest"], &seen["createdBy"]),
            (&shown["digest"], &json!(other.member_id))
        );
        let page = finance.get("/api/admin/payout-plans?pageSize=1").await.expect(200);
        assert_eq!(page["items"][0]["id"], shown["planId"]);
        let token = page["nextPageToken"].as_str().unwrap();
        let rest = format!("/api/admin/payout-plans?pageSize=1&pageToken={token}");
        let rest = finance.get(&rest).await.expect(200);
        assert_eq!(rest["items"].as_array().unwrap().len(), 1);
        assert_eq!(rest["nextPageToken"], Value::Null);

        // Cancelled, or too late: nothing is paid.
        let cancelled = other.post(&format!("{path}/cancel"), json!({})).await.expect(200);
        assert_eq!(cancelled["status"], json!("cancelled"));
        commit(&other, &shown).await.refused(409, "PLAN_NOT_OPEN");
        let shown = other.post(RUN, run(true)).await.expect(200);
        let books = Books::open(&world.config).await;
        let late = "UPDATE plans SET expires_at = created_at WHERE state = 'open'";
        books.payouts.conn().execute_unprepared(late).await.unwrap();
        commit(&other, &shown).await.refused(409, "PLAN_EXPIRED");
        let path = format!("/api/admin/payout-plans/{}", shown["planId"].as_str().unwrap());
        assert_eq!(other.get(&path).await.expect(200)["status"], json!("expired"));
        assert_eq!(payouts(&shop).await, 0);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_many_commit_at_once_is_paid_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(20).await;
        queued(&shop, 20).await;
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        // Another run over the same earnings gets in between.
        let runs = futures_util::future::join_all((0..2).map(|_| shop.admin.post(RUN, run(false))));
        let commits = (0..6).map(|_| commit(&shop.admin, &shown));
        let (runs, commits) = tokio::join!(runs, futures_util::future::join_all(commits));
        let mut paid = 0;
        for answer in runs.iter().chain(&commits) {
            match answer.status {
                200 => paid += paid_issues(&answer.json()).len(),
                409 => assert!(
                    ["PLAN_NOT_OPEN", "PLAN_STALE", "ABORTED", "CONTENDED"]
                        .contains(&answer.code().as_str()),
                    "{}",
                    answer.text
                ),
                _ => panic!("{}", answer.text),
            }
        }
        assert_eq!(paid, issues.len());
        world_is_sound(&world, 20).await;
        world.close().await;
    }
}

/// Incident 2: the same key and the same body get the same answer, however close together.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_committed_at_once_under_one_key_is_answered_alike() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        shop.approved(2).await;
        queued(&shop, 2).await;
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        let path = format!("/api/admin/payout-plans/{}/commit", shown["planId"].as_str().unwrap());
        let body = json!({});
        let commits = (0..200).map(|_| shop.admin.post_once(&path, "once", &body));
        let answers = futures_util::future::join_all(commits).await;
        for answer in &answers {
            answer.expect(200);
            assert_eq!(answer.text, answers[0].text);
        }
        world_is_sound(&world, 2).await;
        world.close().await;
    }
}
