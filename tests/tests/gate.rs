//! S1, the verification gate, over REST. The acceptance criteria and negative paths by name.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::Person;
use system_tests::story::{Shop, batch, id, payment};
use system_tests::world::{BOTH, World};

/// A product with the gate on, as "Hackorda Web" (S1-30), and a cycle of it.
async fn gated(shop: &Shop, cycle_gate: Value) -> Shop {
    let product = json!({ "name": "Hackorda Web", "key": "HW", "requiresVerification": true });
    let product = id(&shop.admin.post("/api/products", product).await.expect(201));
    let cycle =
        json!({ "productId": product, "name": "Onboarding", "requiresVerification": cycle_gate });
    let cycle = id(&shop.admin.post("/api/test-cycles", cycle).await.expect(201));
    Shop { product, cycle, ..clone(shop) }
}

fn clone(shop: &Shop) -> Shop {
    Shop {
        admin: shop.admin.clone(),
        tester: shop.tester.clone(),
        organization: shop.organization.clone(),
        product: shop.product.clone(),
        cycle: shop.cycle.clone(),
    }
}

async fn approved(shop: &Shop) -> String {
    shop.approved(1).await.remove(0)
}

async fn see(who: &Person, shop: &Shop, issue: &str) -> Value {
    who.get(&shop.issue_path(issue)).await.expect(200)
}

fn stages(issue: &Value) -> Vec<String> {
    let stages = issue["pipeline"].as_array().unwrap().iter();
    stages
        .map(|s| format!("{}:{}", s["key"].as_str().unwrap(), s["state"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ac_1_to_3_and_8_payment_waits_for_verification_and_a_revert_takes_it_back() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = gated(&Shop::open(&world).await, Value::Null).await;
        let issue = approved(&shop).await;

        // AC-1, AC-7: approved, not verified.
        let seen = see(&shop.admin, &shop, &issue).await;
        assert_eq!(seen["payable"], json!(false));
        assert_eq!(seen["blockedBy"], json!(["gate_not_verified"]));
        assert_eq!(seen["effectiveGate"], json!(true));
        let strip = stages(&seen);
        assert_eq!(strip.len(), 5);
        assert_eq!(strip[0], "triaged:done");
        assert_eq!(strip[3..], ["verified:next", "paid:todo"]);
        // N-1
        let denied = shop.admin.post(&shop.payments_path(&issue), payment()).await;
        let denied = denied.refused(400, "ISSUE_NOT_VERIFIED");
        assert_eq!(denied["unverifiedIssueIds"], json!([issue]));
        let body = batch(&shop.tester, std::slice::from_ref(&issue));
        let denied = shop.admin.post("/api/admin/payouts/batch-pay", body).await;
        denied.refused(400, "ISSUE_NOT_VERIFIED");

        // AC-2, AC-3
        let verified =
            shop.admin.patch(&shop.issue_path(&issue), json!({ "status": "verified" })).await;
        let verified = verified.expect(200);
        assert!(verified["resolvedAt"].is_string(), "{verified}");
        assert_eq!(verified["verifiedBy"], json!(shop.admin.member_id));
        assert_eq!(verified["payable"], json!(true));

        // AC-8
        let reverted =
            shop.admin.patch(&shop.issue_path(&issue), json!({ "status": "in_progress" })).await;
        let reverted = reverted.expect(200);
        assert_eq!((&reverted["payable"], &reverted["resolvedAt"]), (&json!(false), &Value::Null));
        shop.admin
            .post(&shop.payments_path(&issue), payment())
            .await
            .refused(400, "ISSUE_NOT_VERIFIED");

        shop.admin
            .patch(&shop.issue_path(&issue), json!({ "status": "verified" }))
            .await
            .expect(200);
        let paid = shop.admin.post(&shop.payments_path(&issue), payment()).await.expect(201);
        assert_eq!(paid["amountMinor"], json!(800_000));
        shop.balance_shows(&shop.tester, 800_000, 0).await;
        system_tests::world::eventually("the strip to fill", || async {
            let seen = see(&shop.tester, &shop, &issue).await;
            stages(&seen).iter().all(|stage| stage.ends_with(":done")).then_some(())
        })
        .await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ac_5_and_6_the_cycle_beats_the_product() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let plain = Shop::open(&world).await;
        let cases = [
            (Value::Null, true, "product"),
            (json!(true), true, "cycle"),
            (json!(false), false, "cycle"),
        ];
        let product = json!({ "name": "Web", "key": "WEB", "requiresVerification": true });
        let product = id(&plain.admin.post("/api/products", product).await.expect(201));
        for (setting, gate, source) in cases {
            let cycle =
                json!({ "productId": product, "name": "c", "requiresVerification": setting });
            let cycle = plain.admin.post("/api/test-cycles", cycle).await.expect(201);
            assert_eq!(cycle["effectiveGate"], json!(gate));
            assert_eq!(cycle["gateSource"], json!(source));
        }
        let cycle = plain.admin.get(&format!("/api/test-cycles/{}", plain.cycle)).await.expect(200);
        assert_eq!(
            (&cycle["effectiveGate"], &cycle["gateSource"]),
            (&json!(false), &json!("default"))
        );
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n_4_switching_the_gate_off_makes_approved_issues_payable_at_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = gated(&Shop::open(&world).await, Value::Null).await;
        let issue = approved(&shop).await;
        let path = format!("/api/test-cycles/{}", shop.cycle);
        let off = json!({ "requiresVerification": false });
        let preview =
            shop.admin.post(&format!("{path}/verification-gate/preview"), off.clone()).await;
        let preview = preview.expect(200);
        assert_eq!(preview["becomesPayable"][0]["amountMinor"], json!(800_000), "{preview}");
        assert_eq!(preview["becomesPayable"][0]["count"], json!(1));

        shop.admin.patch(&path, off).await.expect(200);
        let seen = see(&shop.admin, &shop, &issue).await;
        assert_eq!(stages(&seen).len(), 3, "{seen}");
        assert_eq!(seen["payable"], json!(true));
        shop.admin.post(&shop.payments_path(&issue), payment()).await.expect(201);

        // Back to "as the product says".
        let inherit =
            shop.admin.patch(&path, json!({ "requiresVerification": null })).await.expect(200);
        assert_eq!(inherit["gateSource"], json!("product"));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_behind_the_gate_fails_whole_or_skips_on_request() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = gated(&Shop::open(&world).await, Value::Null).await;
        let issues = shop.approved(3).await;
        let verify = json!({ "status": "verified" });
        shop.admin.patch(&shop.issue_path(&issues[0]), verify).await.expect(200);
        let path = "/api/admin/payouts/batch-pay";
        let mut body = batch(&shop.tester, &issues);
        let refused = shop.admin.post(path, body.clone()).await.refused(400, "ISSUE_NOT_VERIFIED");
        assert_eq!(refused["unverifiedIssueIds"].as_array().unwrap().len(), 2);
        body["onBlocked"] = json!("skip");
        let paid = shop.admin.post(path, body).await.expect(200);
        assert_eq!(paid["groups"][0]["issueIds"], json!([issues[0]]));
        assert_eq!(paid["unverifiedIssueIds"].as_array().unwrap().len(), 2);
        // N-3: verifying before approving is allowed; payment needs both, in any order.
        let early = shop.file(&shop.tester, "low").await;
        let verify = json!({ "status": "verified" });
        shop.admin
            .patch(&shop.issue_path(&early), json!({ "status": "triaged" }))
            .await
            .expect(200);
        shop.admin.patch(&shop.issue_path(&early), verify).await.expect(200);
        let denied = shop.admin.post(&shop.payments_path(&early), payment()).await;
        denied.refused(409, "NOT_PAYABLE");
        let approve = json!({ "payoutStatus": "approved" });
        shop.admin.patch(&shop.issue_path(&early), approve).await.expect(200);
        shop.admin.post(&shop.payments_path(&early), payment()).await.expect(201);
        world.close().await;
    }
}
