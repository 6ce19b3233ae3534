//! A partner sees commissions and payouts in their balance, as testers see their issues (S3).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::Person;
use system_tests::http::Answer;
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, World, eventually};

const PAYOUTS: &str = "/api/admin/payouts";

/// Waits until a balance shows earned, pending and owed back, in one currency.
async fn shows(who: &Person, expected: (i64, i64, i64)) {
    let seen = eventually("the balance", || async {
        let balance = who.get("/api/me/balance").await.expect(200);
        let total = &balance["totals"][0];
        let number = |name: &str| total[name].as_i64().unwrap_or_default();
        let seen = (number("earnedMinor"), number("pendingMinor"), number("receivableMinor"));
        (seen == expected).then_some(balance)
    })
    .await;
    assert_eq!(seen["totals"].as_array().unwrap().len(), 1, "{seen}");
}

async fn step(who: &Person, payout: &str, step: &str, body: Value) -> Answer {
    who.post(&format!("{PAYOUTS}/{payout}/{step}"), body).await
}

fn transfer() -> Value {
    json!({ "method": "kaspi", "reference": "K-7" })
}

#[tokio::test(flavor = "multi_thread")]
async fn commissions_and_payouts_of_a_partner_are_in_their_balance() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let partner = &shop.tester;
        let rule = json!({ "basisPoints": 1_000, "partnerId": partner.member_id });
        shop.admin.post("/api/admin/commissions/rules", rule).await.expect(201);
        let sale = json!({ "externalId": "order-1", "partnerId": partner.member_id,
            "productId": shop.product, "amountMinor": 100_000, "currency": "KZT",
            "occurredAt": "2026-02-03T10:00:00Z" });
        let sold = shop.admin.post("/api/admin/attributions", sale).await.expect(201);
        shows(partner, (0, 10_000, 0)).await;

        // A payout that covers it changes nothing until it is paid.
        let create = "/api/admin/commissions/create-payouts";
        let period = json!({ "period": "2026-02", "partnerIds": [partner.member_id] });
        let made = shop.admin.post(create, period).await.expect(200);
        let payout = id(&made["payouts"][0]);
        step(&shop.admin, &payout, "approve", json!({})).await.expect(200);
        shows(partner, (0, 10_000, 0)).await;
        step(&shop.admin, &payout, "mark-paid", transfer()).await.expect(200);
        shows(partner, (10_000, 0, 0)).await;

        // What a refund takes back is pending against the partner.
        let refund = format!("/api/admin/attributions/{}/refund", id(&sold));
        shop.admin.post(&refund, json!({ "amountMinor": 40_000 })).await.expect(200);
        shows(partner, (10_000, -4_000, 0)).await;

        // An agreed sum is pending as long as it may be paid.
        let agreed = json!({ "partnerId": partner.member_id, "amountMinor": 7_000,
            "currency": "KZT", "period": "2026-02", "notes": "Talk" });
        let first = id(&shop.admin.post(PAYOUTS, agreed.clone()).await.expect(201));
        let second = id(&shop.admin.post(PAYOUTS, agreed).await.expect(201));
        shows(partner, (10_000, 10_000, 0)).await;
        step(&shop.admin, &first, "reject", json!({ "notes": "No" })).await.expect(200);
        shows(partner, (10_000, 3_000, 0)).await;
        step(&shop.admin, &second, "approve", json!({})).await.expect(200);
        step(&shop.admin, &second, "mark-paid", transfer()).await.expect(200);
        shows(partner, (17_000, -4_000, 0)).await;

        // A void one is owed back, until a payment keeps it back.
        step(&shop.admin, &second, "void", json!({ "reason": "Sent twice" })).await.expect(200);
        shows(partner, (10_000, -4_000, 7_000)).await;
        let issue = shop.approved(1).await;
        shows(partner, (10_000, 796_000, 7_000)).await;
        let pay = json!({ "issueIds": issue, "method": "kaspi", "reference": "K-8",
            "netReceivables": true });
        let paid = shop.admin.post("/api/admin/payouts/batch-pay", pay).await.expect(200);
        assert_eq!(paid["groups"][0]["nettedMinor"], 7_000);
        shows(partner, (810_000, -4_000, 0)).await;
        world.close().await;
    }
}
