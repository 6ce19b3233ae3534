//! Bounties from offer to decision, over REST: the use cases of the seed.

use serde_json::{Value, json};
use system_tests::http::Person;
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, World};

async fn offer(shop: &Shop, body: Value) -> Value {
    let path = format!("/api/products/{}/bounties", shop.product);
    shop.admin.post(&path, body).await.expect(201)
}

async fn hand_in(who: &Person, bounty: &Value) -> Value {
    let path = format!("/api/bounties/{}/submissions", id(bounty));
    who.post(&path, json!({ "description": "Done" })).await.expect(201)
}

fn decision(issue: &Value, way: &str) -> String {
    format!("/api/submissions/{}/{way}", id(issue))
}

/// S4-90: a bug bounty programme, a campaign, a mixed project, and only fixed payments.
#[tokio::test(flavor = "multi_thread")]
async fn the_four_use_cases_of_bounties_are_offered_claimed_and_accepted() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut labels = Vec::new();
        for (title, minor) in [("Critical", 500_000), ("High", 200_000), ("Medium", 50_000)] {
            let body =
                json!({ "title": title, "rewardType": "FIXED_PAYMENT", "valueMinor": minor });
            let bounty = offer(&shop, body).await;
            labels.push(bounty["rewardLabel"].as_str().unwrap().to_owned());
            assert_eq!((&bounty["currency"], &bounty["status"]), (&json!("USD"), &json!("open")));
        }
        assert_eq!(labels, ["$5,000.00", "$2,000.00", "$500.00"]);

        // Ten posts at $200 each; here two of two.
        let posts = json!({
            "title": "Write a post", "rewardType": "FIXED_PAYMENT", "valueMinor": 20_000,
            "claimMode": "MULTIPLE", "maxClaims": 2,
        });
        let posts = offer(&shop, posts).await;
        assert_eq!(posts["number"], "SHP-4");
        let other = shop.person("other@shop.example", &["member"]).await;
        for who in [&shop.tester, &other] {
            let post = hand_in(who, &posts).await;
            assert_eq!((&post["bountyId"], &post["cycleId"]), (&posts["id"], &json!(shop.product)));
            let done = shop.admin.post(&decision(&post, "approve"), json!({})).await.expect(200);
            assert_eq!(
                done["issue"]["amount"],
                json!({ "amountMinor": 20_000, "currency": "USD" })
            );
        }
        let path = format!("/api/bounties/{}", id(&posts));
        let seen = shop.admin.get(&path).await.expect(200);
        assert_eq!((&seen["status"], &seen["claimCount"]), (&json!("closed"), &json!(2)));
        assert_eq!(seen["claims"].as_array().unwrap().len(), 2);
        let late = shop.tester.post(&format!("{path}/claims"), json!({})).await;
        late.refused(409, "BOUNTY_NOT_OPEN");

        // A mixed project: points beside money.
        let deal =
            offer(&shop, json!({ "title": "Deal", "rewardType": "PROFIT_SHARE", "points": 100 }));
        let deal = hand_in(&shop.tester, &deal.await).await;
        shop.tester
            .post(&decision(&deal, "approve"), json!({}))
            .await
            .refused(403, "ROLE_REQUIRED");
        let done = shop.admin.post(&decision(&deal, "approve"), json!({ "points": 150 })).await;
        assert_eq!(done.expect(200)["issue"]["points"], 150);
        let pool = format!("/api/products/{}/reward-pool", shop.product);
        let pool = other.get(&pool).await.expect(200);
        let counted = (&pool["capacityPoints"], &pool["grantedPoints"], &pool["effectivePoints"]);
        assert_eq!(counted, (&json!(1000), &json!(150), &json!(1000)));
        assert_eq!(pool["standings"][0]["memberId"], shop.tester.member_id);
        assert_eq!(pool["standings"][0]["shareBps"], 1500);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounty_that_breaks_the_table_is_refused_with_its_code_and_field() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let path = format!("/api/products/{}/bounties", shop.product);
        for (body, code, field) in [
            (json!({}), "INVALID_FIELD", "rewardType"),
            (json!({ "rewardType": "FIXED_PAYMENT" }), "INVALID_VALUE", "valueMinor"),
            (
                json!({ "rewardType": "FIXED_PAYMENT", "valueMinor": -5 }),
                "INVALID_VALUE",
                "valueMinor",
            ),
            (
                json!({ "rewardType": "FIXED_PAYMENT", "valueMinor": 500, "points": 5 }),
                "INVALID_POINTS",
                "points",
            ),
            (
                json!({ "rewardType": "FIXED_PAYMENT", "valueMinor": 499 }),
                "BELOW_MINIMUM",
                "valueMinor",
            ),
            (
                json!({ "rewardType": "PROFIT_SHARE", "valueMinor": 500 }),
                "INVALID_VALUE",
                "valueMinor",
            ),
            (
                json!({ "rewardType": "FIXED_PAYMENT", "valueMinor": 500, "maxClaims": 2 }),
                "INVALID_FIELD",
                "maxClaims",
            ),
        ] {
            let mut body = body;
            body["title"] = json!("Design a landing page");
            let refused = shop.admin.post(&path, body.clone()).await.refused(400, code);
            assert_eq!(refused["errors"][0]["field"], field, "{body}");
        }
        let fixed = json!({ "title": "Page", "rewardType": "FIXED_PAYMENT", "valueMinor": 50_000 });
        shop.tester.post(&path, fixed.clone()).await.refused(403, "ROLE_REQUIRED");
        let first = shop.admin.post_once(&path, "page", &fixed).await;
        let again = shop.admin.post_once(&path, "page", &fixed).await;
        assert_eq!((first.status, &first.text), (201, &again.text));
        let bounty = format!("/api/bounties/{}", id(&first.json()));
        let backlog = shop.admin.patch(&bounty, json!({ "valueMinor": null })).await;
        backlog.refused(400, "INVALID_VALUE");
        let share = json!({ "rewardType": "PROFIT_SHARE", "valueMinor": null, "points": 50 });
        let changed = shop.admin.patch(&bounty, share).await.expect(200);
        assert_eq!(
            (&changed["rewardLabel"], &changed["valueMinor"]),
            (&json!("50 pts"), &Value::Null)
        );
        let claims = format!("{bounty}/claims");
        let claim = shop.tester.post(&claims, json!({})).await.expect(201);
        let other = shop.person("other@shop.example", &["member"]).await;
        other.post(&claims, json!({})).await.refused(409, "BOUNTY_CLAIMED");
        let own = format!("{claims}/{}", id(&claim));
        other.delete(&own).await.refused(404, "CLAIM_NOT_FOUND");
        assert_eq!(shop.tester.delete(&own).await.expect(200)["status"], "abandoned");
        other.post(&claims, json!({})).await.expect(201);
        let issue = hand_in(&other, &first.json()).await;
        let rejected = shop.admin.post(&decision(&issue, "reject"), json!({ "note": "" })).await;
        assert_eq!(rejected.refused(400, "INVALID_FIELD")["errors"][0]["field"], "note");
        let body = json!({ "note": "the footer is missing" });
        let rejected = shop.admin.post(&decision(&issue, "reject"), body).await.expect(200);
        assert_eq!(rejected["issue"]["reason"], "the footer is missing");
        world.close().await;
    }
}

/// S4-32 … S4-34: what the founder pays is shown before anybody confirms it.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_quoted_to_the_cent_and_always_the_same() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let body =
            json!({ "title": "Fix it", "rewardType": "FIXED_PAYMENT", "valueMinor": 50_000 });
        let issue = hand_in(&shop.tester, &offer(&shop, body).await).await;
        let path = decision(&issue, "quote");
        let quote = shop.admin.get(&path).await.expect(200);
        for (part, minor) in [
            ("valueMinor", 50_000),
            ("platformFeeMinor", 5_000),
            ("processorFeeMinor", 1_674),
            ("roundingMinor", 0),
            ("totalMinor", 56_674),
            ("version", 1),
        ] {
            assert_eq!(quote[part], json!(minor), "{part}");
        }
        assert_eq!(shop.admin.get(&path).await.expect(200), quote);
        let tipped = shop.admin.get(&format!("{path}?tipMinor=10000")).await.expect(200);
        assert_ne!(tipped["id"], quote["id"]);
        let bad =
            shop.admin.get(&format!("{path}?tipMinor=-1")).await.refused(400, "INVALID_FIELD");
        assert_eq!(bad["errors"][0]["field"], "tipMinor");
        // Once it is approved the tip is known.
        let body = json!({ "tipMinor": 10_000 });
        shop.admin.post(&decision(&issue, "approve"), body).await.expect(200);
        assert_eq!(shop.admin.get(&path).await.expect(200), tipped);
        let other = shop.person("other@shop.example", &["member"]).await;
        other.get(&path).await.refused(404, "SUBMISSION_NOT_FOUND");
        let points = json!({ "title": "Deal", "rewardType": "PROFIT_SHARE", "points": 10 });
        let points = hand_in(&shop.tester, &offer(&shop, points).await).await;
        shop.admin.get(&decision(&points, "quote")).await.refused(404, "SUBMISSION_NOT_FOUND");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profit_is_divided_among_points_once_per_period() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let other = shop.person("other@shop.example", &["member"]).await;
        for (who, points) in [(&shop.tester, 50), (&other, 150)] {
            let body = json!({ "title": "Work", "rewardType": "PROFIT_SHARE", "points": points });
            let issue = hand_in(who, &offer(&shop, body).await).await;
            shop.admin.post(&decision(&issue, "approve"), json!({})).await.expect(200);
        }
        let path = format!("/api/products/{}/profit-periods", shop.product);
        let report = |dry_run| {
            json!({ "period": "2026-Q1", "profitMinor": 1_000_000, "poolBps": 2_000,
                    "currency": "USD", "dryRun": dry_run })
        };
        let dry = shop.admin.post(&path, report(true)).await.expect(200);
        assert_eq!((&dry["totalMinor"], &dry["residualMinor"]), (&json!(200_000), &json!(160_000)));
        assert_eq!((&dry["id"], &dry["platformFeeMinor"]), (&Value::Null, &json!(4_000)));
        shop.tester.post(&path, report(false)).await.refused(403, "ROLE_REQUIRED");
        let done = shop.admin.post_once(&path, "q1", &report(false)).await;
        let again = shop.admin.post_once(&path, "q1", &report(false)).await;
        assert_eq!((done.status, &done.text), (200, &again.text));
        let twice = shop.admin.post(&path, report(false)).await;
        twice.refused(409, "PERIOD_DISTRIBUTED");
        let parts = done.json()["allocations"].as_array().unwrap().clone();
        let mut paid = Vec::new();
        for part in &parts {
            let id = part["payoutId"].as_str().unwrap();
            let payout = shop.admin.get(&format!("/api/admin/payouts/{id}")).await.expect(200);
            assert_eq!(payout["amountMinor"], part["payoutMinor"], "{payout}");
            assert_eq!(payout["status"], "pending_approval", "{payout}");
            paid.push(part["payoutMinor"].as_i64().unwrap());
            let approved = format!("/api/admin/payouts/{id}/approve");
            shop.admin.post(&approved, json!({})).await.expect(200);
            let body = json!({ "method": "bank", "reference": "Q1" });
            let marked = shop.admin.post(&format!("/api/admin/payouts/{id}/mark-paid"), body).await;
            assert_eq!(marked.expect(200)["status"], "paid");
        }
        paid.sort_unstable();
        assert_eq!(paid, [9_000, 27_000]);
        for (field, value) in [("period", json!("2026-13")), ("poolBps", json!(0))] {
            let mut body = report(true);
            body[field] = value;
            let refused = shop.admin.post(&path, body).await.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], field);
        }
        world.close().await;
    }
}
