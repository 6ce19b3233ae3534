//! Approvals by several over REST (rule 8): above an amount nothing is paid that too few have seen.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::check::Books;
use system_tests::http::{Answer, Person};
use system_tests::story::{Shop, batch, payment};
use system_tests::world::{BOTH, World, eventually};

const RUN: &str = "/api/admin/payouts/run-batch";
const PAY: &str = "/api/admin/payouts/batch-pay";
const POLICIES: &str = "/api/admin/payout-policies";

fn run(dry: bool) -> Value {
    json!({ "method": "kaspi", "reference": "MAY", "dryRun": dry })
}

fn policy(above: i64, approvers: i64) -> Value {
    json!({ "currency": "KZT", "aboveMinor": above, "approvers": approvers })
}

/// A dry run that finds so many issues.
async fn planned(shop: &Shop, count: i64) -> Value {
    eventually("the plan", || async {
        let shown = shop.admin.post(RUN, run(true)).await.expect(200);
        (shown["totals"][0]["count"] == count).then_some(shown)
    })
    .await
}

fn path(plan: &Value, step: &str) -> String {
    format!("/api/admin/payout-plans/{}{step}", plan["planId"].as_str().unwrap())
}

async fn approve(who: &Person, plan: &Value) -> Answer {
    who.post(&path(plan, "/approve"), json!({ "digest": plan["digest"] })).await
}

async fn commit(who: &Person, plan: &Value) -> Answer {
    who.post(&path(plan, "/commit"), json!({})).await
}

fn missing(answer: &Answer) -> (i64, i64) {
    let refused = answer.refused(409, "APPROVALS_MISSING");
    (refused["needed"].as_i64().unwrap(), refused["given"].as_i64().unwrap())
}

/// Asks for less than before, with a second admin.
async fn loosen(shop: &Shop, policy: Value) {
    let set = shop.admin.put(POLICIES, policy).await.expect(200);
    let second = shop.person("second@shop.example", &["admin"]).await;
    let path = format!("{POLICIES}/{}/confirm", set["proposal"]["id"].as_str().unwrap());
    let _ = second.post(&path, json!({})).await.expect(200);
}

async fn paid_items(world: &World) -> i64 {
    Books::open(&world.config).await.at_rest().await.paid_items
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_above_the_amount_is_paid_once_two_others_have_approved_what_it_shows() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        let second = shop.person("second@shop.example", &["admin"]).await;
        shop.approved(2).await;
        let _ = shop.admin.put(POLICIES, policy(1_599_999, 2)).await.expect(200);
        let shown = planned(&shop, 2).await;
        assert_eq!(shown["approvalsNeeded"], 2);
        assert_eq!(missing(&commit(&shop.admin, &shown).await), (2, 0));

        // Not by its author, not by whoever files work, not what nobody was shown.
        approve(&shop.admin, &shown).await.refused(403, "SELF_APPROVAL");
        approve(&shop.tester, &shown).await.refused(403, "ROLE_REQUIRED");
        let other = json!({ "digest": "0".repeat(64) });
        let refused = finance.post(&path(&shown, "/approve"), other).await;
        let refused = refused.refused(409, "PLAN_DIGEST_MISMATCH");
        assert_eq!(refused["digest"], shown["digest"]);
        for body in [json!({}), json!({ "digest": "" })] {
            let answer = finance.post(&path(&shown, "/approve"), body).await;
            let refused = answer.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], "digest", "{}", answer.text);
        }
        let stranger = Shop::open(&world).await;
        approve(&stranger.admin, &shown).await.refused(404, "PLAN_NOT_FOUND");

        // Twice by the same counts once.
        for _ in 0..2 {
            let plan = approve(&finance, &shown).await.expect(200);
            assert_eq!(plan["approvals"].as_array().unwrap().len(), 1);
            assert_eq!(plan["approvals"][0]["memberId"], json!(finance.member_id));
        }
        assert_eq!(missing(&commit(&shop.admin, &shown).await), (2, 1));
        assert_eq!(paid_items(&world).await, 0);
        let _ = approve(&second, &shown).await.expect(200);
        let paid = commit(&shop.admin, &shown).await.expect(200);
        assert_eq!((&paid["digest"], &paid["status"]), (&shown["digest"], &json!("committed")));
        assert_eq!(paid_items(&world).await, 2);
        approve(&second, &shown).await.refused(409, "PLAN_NOT_OPEN");

        // Who approved, and how many had to, can be read for ever.
        let plan = finance.get(&path(&shown, "")).await.expect(200);
        assert_eq!(plan["approvals"].as_array().unwrap().len(), 2);
        assert_eq!(plan["approvalsNeeded"], 2);
        let id = shown["planId"].as_str().unwrap();
        let trail = format!("/api/admin/audit?service=payouts&entityId={id}");
        let trail = shop.admin.get(&trail).await.expect(200);
        let actions: Vec<_> = trail["items"].as_array().unwrap().iter().collect();
        let named = |action: &str| actions.iter().filter(|e| e["action"] == action).count();
        assert_eq!((named("plan.approved"), named("plan.committed")), (2, 1));
        // Four refusals here, and one more where the gateway's table refuses.
        assert!(named("plan.denied") >= 5, "{trail}");
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_approved_and_given_up_once_for_each_key() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        shop.approved(1).await;
        let _ = shop.admin.put(POLICIES, policy(1, 1)).await.expect(200);
        let shown = planned(&shop, 1).await;
        for (who, step, body) in [
            (&finance, "/approve", json!({ "digest": shown["digest"] })),
            (&shop.admin, "/cancel", json!({})),
        ] {
            let first = who.post_once(&path(&shown, step), "one", &body).await;
            let done = first.expect(200);
            let again = who.post_once(&path(&shown, step), "one", &body).await;
            assert_eq!(again.headers["idempotency-replayed"], "true");
            assert_eq!(again.expect(200), done, "{step}");
        }
        // The key belongs to what it was used for.
        let other = json!({ "digest": "0".repeat(64) });
        let reused = finance.post_once(&path(&shown, "/approve"), "one", &other).await;
        reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
        // Without it the second one is told how things stand.
        shop.admin.post(&path(&shown, "/cancel"), json!({})).await.refused(409, "PLAN_NOT_OPEN");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_whom_a_plan_pays_approves_it() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        shop.approved(1).await;
        let _ = shop.admin.put(POLICIES, policy(0, 1)).await.expect(200);
        let shown = planned(&shop, 1).await;
        let payee = shop.person("tester@shop.example", &["finance"]).await;
        assert_eq!(payee.member_id, shop.tester.member_id);
        approve(&payee, &shown).await.refused(403, "SELF_APPROVAL");
        assert_eq!(missing(&commit(&shop.admin, &shown).await), (1, 0));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_paying_leads_around_the_amount() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        planned(&shop, 2).await;
        let _ = shop.admin.put(POLICIES, policy(799_999, 1)).await.expect(200);
        let pay = batch(&shop.tester, &issues);
        let single = shop.payments_path(&issues[0]);
        let ways = [(RUN, run(false), "run"), (PAY, pay, "pay"), (&single, payment(), "single")];
        for (path, body, key) in ways {
            let answer = shop.admin.post_once(path, key, &body).await;
            assert_eq!(answer.refused(409, "APPROVALS_REQUIRED")["needed"], 1, "{path}");
        }
        assert_eq!(paid_items(&world).await, 0);
        // Up to the amount there is no need, and the refusals were no answers.
        loosen(&shop, policy(800_000, 1)).await;
        let _ = shop.admin.post_once(&single, "single", &payment()).await.expect(201);
        let _ = shop.admin.post_once(RUN, "run", &run(false)).await.expect(200);
        assert_eq!(paid_items(&world).await, 2);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_holds_for_plans_that_are_open_already() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        shop.approved(1).await;
        let shown = planned(&shop, 1).await;
        assert_eq!(shown["approvalsNeeded"], 0);
        let set = shop.admin.put(POLICIES, policy(1, 3)).await.expect(200);
        assert_eq!((&set["approvers"], &set["version"]), (&json!(3), &json!(1)));
        assert_eq!(missing(&commit(&shop.admin, &shown).await), (3, 0));
        let seen = finance.get("/api/admin/payout-plans").await.expect(200);
        assert_eq!(seen["items"][0]["approvalsNeeded"], 3);
        loosen(&shop, policy(1, 1)).await;
        let _ = approve(&finance, &shown).await.expect(200);

        // Who may, and what.
        finance.put(POLICIES, policy(1, 0)).await.refused(403, "ROLE_REQUIRED");
        shop.tester.get(POLICIES).await.refused(403, "ROLE_REQUIRED");
        let seen = finance.get(POLICIES).await.expect(200);
        assert_eq!((&seen["items"][0]["version"], &seen["proposals"]), (&json!(2), &json!([])));
        for (body, field) in [
            (policy(-1, 1), "aboveMinor"),
            (policy(1, 11), "approvers"),
            (policy(1, -1), "approvers"),
        ] {
            let refused = shop.admin.put(POLICIES, body).await.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], field);
        }
        let unknown = json!({ "currency": "XXQ", "aboveMinor": 1, "approvers": 1 });
        let refused = shop.admin.put(POLICIES, unknown).await.refused(400, "INVALID_FIELD");
        assert_eq!(refused["errors"][0]["field"], "currency");
        let stranger = Shop::open(&world).await;
        assert_eq!(stranger.admin.get(POLICIES).await.expect(200)["items"], json!([]));

        let _ = commit(&shop.admin, &shown).await.expect(200);
        assert_eq!(paid_items(&world).await, 1);
        world.close().await;
    }
}

/// What a database constraint holds against, too: one member who asks many times at once.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_that_meet_count_each_member_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let one = shop.person("one@shop.example", &["finance"]).await;
        let two = shop.person("two@shop.example", &["finance"]).await;
        shop.approved(1).await;
        let _ = shop.admin.put(POLICIES, policy(0, 3)).await.expect(200);
        let shown = planned(&shop, 1).await;
        let tries = [&one, &two, &one, &two, &one, &two].map(|who| approve(who, &shown));
        for answer in futures_util::future::join_all(tries).await {
            assert!(answer.status == 200 || answer.code() == "CONTENDED", "{}", answer.text);
        }
        for who in [&one, &two] {
            let _ = approve(who, &shown).await.expect(200);
        }
        assert_eq!(missing(&commit(&shop.admin, &shown).await), (3, 2));
        world.close().await;
    }
}
