//! What plans keep back, are narrowed to and are called, over REST (S1-24; rules 6 and 14).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::check::Books;
use system_tests::story::{Shop, batch, id};
use system_tests::world::{BOTH, World, eventually};

const RUN: &str = "/api/admin/payouts/run-batch";
const PAY: &str = "/api/admin/payouts/batch-pay";

/// Runs dry until so many issues are found.
async fn planned(shop: &Shop, body: Value, count: i64) -> Value {
    eventually("the plan", || async {
        let shown = shop.admin.post(RUN, body.clone()).await.expect(200);
        let groups = shown["groups"].as_array()?.iter();
        let found: usize =
            groups.filter_map(|group| Some(group["issueIds"].as_array()?.len())).sum();
        (i64::try_from(found) == Ok(count)).then_some(shown)
    })
    .await
}

/// Pays an issue and takes the payment back: the tester owes it.
async fn owed(shop: &Shop, issue: &str) {
    let paid = shop.admin.post(PAY, batch(&shop.tester, &[issue.to_owned()])).await.expect(200);
    let payout = paid["groups"][0]["payoutId"].as_str().unwrap();
    let void = format!("/api/admin/payouts/{payout}/void");
    let _ = shop.admin.post(&void, json!({ "reason": "Sent twice" })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_keeps_back_what_it_shows_and_is_stale_when_the_debt_has_changed() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(4).await;
        owed(&shop, &issues[0]).await;
        let run = |dry: bool| json!({ "method": "kaspi", "reference": "MAY", "dryRun": dry, "netReceivables": true });
        let plain = json!({ "method": "kaspi", "reference": "MAY", "dryRun": true });
        let gross = planned(&shop, plain, 3).await;
        let shown = planned(&shop, run(true), 3).await;
        assert_eq!(shown["groups"][0]["nettedMinor"], 800_000);
        assert_eq!(shown["totals"][0]["amountMinor"], 1_600_000);
        assert_ne!(shown["digest"], gross["digest"]);
        let path =
            |plan: &Value| format!("/api/admin/payout-plans/{}", plan["planId"].as_str().unwrap());
        let stored = shop.admin.get(&path(&shown)).await.expect(200);
        let netted = json!([{ "testerId": shop.tester.member_id, "amountMinor": 800_000,
            "currency": "KZT" }]);
        assert_eq!((&stored["nettings"], &stored["netReceivables"]), (&netted, &json!(true)));

        // Another debt comes up in between: nothing is paid.
        let fifth = shop.approved(1).await.remove(0);
        owed(&shop, &fifth).await;
        let stale = shop.admin.post(&format!("{}/commit", path(&shown)), json!({})).await;
        let stale = stale.refused(409, "PLAN_STALE");
        assert_eq!(stale["nettedTesterIds"], json!([shop.tester.member_id]));
        assert_eq!(stale["changedIssueIds"], json!([]));

        let shown = planned(&shop, run(true), 3).await;
        assert_eq!(shown["groups"][0]["nettedMinor"], 1_600_000);
        let paid = shop.admin.post(&format!("{}/commit", path(&shown)), json!({})).await;
        let paid = paid.expect(200);
        assert_eq!(paid["groups"][0]["nettedMinor"], 1_600_000);
        assert_eq!((&paid["digest"], &paid["totals"]), (&shown["digest"], &shown["totals"]));
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 3);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_narrowed_to_a_product_and_called_after_its_plan() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let product = json!({ "name": "Other", "key": "OTH" });
        let product = id(&shop.admin.post("/api/products", product).await.expect(201));
        let cycle = json!({ "productId": product, "name": "Sweep" });
        let cycle = id(&shop.admin.post("/api/test-cycles", cycle).await.expect(201));
        let here = shop.approved(1).await;
        let there = shop.file_in(&cycle, &shop.tester, "low", "Elsewhere").await;
        shop.approve(&there).await;
        let run = |product: Option<&str>, dry: bool| {
            let mut body = json!({ "method": "kaspi", "dryRun": dry });
            if let Some(product) = product {
                body["productId"] = json!(product);
            }
            body
        };
        planned(&shop, run(None, true), 2).await;
        let shown = planned(&shop, run(Some(&product), true), 1).await;
        assert_eq!(shown["groups"][0]["issueIds"], json!([there]));
        let other = planned(&shop, run(Some(&shop.product), true), 1).await;
        assert_eq!(other["groups"][0]["issueIds"], json!(here));
        let path = format!("/api/admin/payout-plans/{}", shown["planId"].as_str().unwrap());
        let plan = shop.admin.get(&path).await.expect(200);
        assert_eq!(plan["productId"], json!(product));

        // Without a reference, each plan has one of its own, and keeps it when it is paid.
        let called = shown["groups"][0]["reference"].as_str().unwrap();
        let end = shown["planId"].as_str().unwrap().rsplit('-').next().unwrap().to_uppercase();
        assert_eq!(called, format!("RUN-{end}"));
        assert_eq!(plan["reference"], json!(called));
        assert_ne!(other["groups"][0]["reference"], json!(called));
        let paid = shop.admin.post(&format!("{path}/commit"), json!({})).await.expect(200);
        assert_eq!(paid["groups"][0]["reference"], json!(called));
        assert_eq!(paid["digest"], shown["digest"]);
        let rest = shop.admin.post(RUN, run(Some(&shop.product), false)).await.expect(200);
        assert_eq!(rest["totals"][0]["count"], 1);
        let nonsense = shop.admin.post(RUN, run(Some("x"), true)).await;
        let refused = nonsense.refused(400, "INVALID_FIELD");
        assert_eq!(refused["errors"][0]["field"], "productId");
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 2);
        world.close().await;
    }
}
