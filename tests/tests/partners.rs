//! Partners over REST (S3): attributions become commissions, commissions become payouts, payouts
//! are approved, rejected and paid, and accounting reads them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::Person;
use system_tests::http::Answer;
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, World};

const PAYOUTS: &str = "/api/admin/payouts";

fn payout(partner: &Person, minor: i64, notes: &str) -> Value {
    json!({ "partnerId": partner.member_id, "amountMinor": minor, "currency": "USD",
        "period": "2026-02", "notes": notes })
}

async fn created(shop: &Shop, minor: i64, notes: &str) -> String {
    id(&shop.admin.post(PAYOUTS, payout(&shop.tester, minor, notes)).await.expect(201))
}

async fn step(who: &Person, payout: &str, step: &str, body: Value) -> Answer {
    who.post(&format!("{PAYOUTS}/{payout}/{step}"), body).await
}

fn transfer() -> Value {
    json!({ "method": "ach", "reference": "ACH-7" })
}

async fn listed(who: &Person, filter: &str) -> Vec<Value> {
    let page = who.get(&format!("{PAYOUTS}/list?{filter}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_payout_goes_from_pending_to_paid_and_everybody_can_read_it() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let made = shop.admin.post(PAYOUTS, payout(&shop.tester, 500_000, "Q1")).await.expect(201);
        assert_eq!(made["status"], "pending_approval");
        assert_eq!((&made["period"], &made["notes"]), (&json!("2026-02"), &json!("Q1")));
        assert_eq!(made["method"], Value::Null);
        let first = id(&made);
        step(&shop.admin, &first, "mark-paid", transfer()).await.refused(409, "INVALID_TRANSITION");
        let approved = step(&shop.admin, &first, "approve", json!({})).await.expect(200);
        assert_eq!(approved["approvedBy"], json!(shop.admin.member_id));
        let paid = step(&shop.admin, &first, "mark-paid", transfer()).await.expect(200);
        assert_eq!((&paid["status"], &paid["reference"]), (&json!("paid"), &json!("ACH-7")));

        let second = created(&shop, 700, "typo").await;
        step(&shop.admin, &second, "reject", json!({ "notes": " " }))
            .await
            .refused(400, "INVALID_FIELD");
        step(&shop.admin, &second, "reject", json!({ "notes": "wrong" })).await.expect(200);
        let refused = step(&shop.admin, &second, "approve", json!({})).await;
        let refused = refused.refused(409, "INVALID_TRANSITION");
        assert_eq!((&refused["from"], &refused["to"]), (&json!("rejected"), &json!("approved")));
        created(&shop, 900, "later").await;

        let path = format!("/api/admin/partners/{}/summary", shop.tester.member_id);
        for who in [&shop.admin, &shop.tester] {
            let summary = who.get(&path).await.expect(200);
            let total = &summary["totals"][0];
            assert_eq!(total["totalEarnedMinor"], 500_000);
            assert_eq!(total["totalPendingMinor"], 900);
            assert_eq!(total["totalApprovedMinor"], 0);
            assert_eq!(summary["payoutCount"], 3);
            assert_eq!(summary["lastPayoutDate"], paid["paidAt"]);
        }
        let other = shop.person("other@shop.example", &["member"]).await;
        other.get(&path).await.refused(404, "PARTNER_NOT_FOUND");
        let stats = shop.admin.get(&format!("{PAYOUTS}/stats")).await.expect(200);
        let entries = stats["states"].as_array().unwrap();
        let of = |status: &str| entries.iter().find(|entry| entry["status"] == status).unwrap();
        assert_eq!(
            (&of("paid")["amountMinor"], &of("paid")["count"]),
            (&json!(500_000), &json!(1))
        );
        assert_eq!(of("rejected")["amountMinor"], 700);
        assert_eq!(of("pending_approval")["amountMinor"], 900);
        let partners = shop.admin.get("/api/admin/partners").await.expect(200);
        assert_eq!(partners["items"][0]["id"], json!(shop.tester.member_id));

        let audit = shop.admin.get(&format!("/api/admin/audit?entityId={first}")).await.expect(200);
        let audit = audit["items"].as_array().unwrap();
        let actions: Vec<_> = audit.iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert_eq!(actions, ["payout.paid", "payout.approved", "payout.denied", "payout.created"]);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_or_pays_themselves_and_strangers_see_nothing() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let second = shop.person("second@shop.example", &["admin"]).await;
        let own = id(&shop.admin.post(PAYOUTS, payout(&second, 100, "")).await.expect(201));
        step(&second, &own, "approve", json!({})).await.refused(403, "SELF_APPROVAL");
        step(&shop.admin, &own, "approve", json!({})).await.expect(200);
        step(&second, &own, "mark-paid", transfer()).await.refused(403, "SELF_APPROVAL");
        step(&shop.tester, &own, "approve", json!({})).await.refused(403, "ROLE_REQUIRED");
        let strangers = Shop::open(&world).await;
        step(&strangers.admin, &own, "mark-paid", transfer())
            .await
            .refused(404, "PAYOUT_NOT_FOUND");
        assert!(listed(&strangers.admin, "").await.is_empty());
        let body = payout(&shop.tester, 100, "");
        strangers.admin.post(PAYOUTS, body).await.refused(404, "MEMBER_NOT_FOUND");
        for (field, value, name) in [
            ("period", json!("2026-13"), "period"),
            ("amountMinor", json!(0), "amountMinor"),
            ("currency", json!("DOLLARS"), "currency"),
        ] {
            let mut body = payout(&shop.tester, 100, "");
            body[field] = value;
            let answer = shop.admin.post(PAYOUTS, body).await.expect(400);
            assert_eq!(answer["errors"][0]["field"], name, "{answer}");
        }
        let body = json!({ "method": "stripe", "reference": "x" });
        step(&shop.admin, &own, "mark-paid", body).await.refused(400, "METHOD_NOT_ALLOWED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_approves_all_or_none_or_each_that_can_be() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let (a, b) = (created(&shop, 1, "").await, created(&shop, 2, "").await);
        let rejected = created(&shop, 3, "").await;
        step(&shop.admin, &rejected, "reject", json!({ "notes": "no" })).await.expect(200);
        let path = format!("{PAYOUTS}/bulk-approve");
        let ids = [&a, &rejected, &b];
        let answer = shop.admin.post(&path, json!({ "payoutIds": ids, "mode": "atomic" })).await;
        let refused = answer.refused(409, "NOT_APPROVABLE");
        assert_eq!(refused["results"][0]["code"], "NOT_APPLIED");
        assert_eq!(refused["results"][1]["code"], "INVALID_TRANSITION");
        assert_eq!(listed(&shop.admin, "status=approved").await.len(), 0);
        let body = json!({ "payoutIds": ids, "mode": "bestEffort" });
        let done = shop.admin.post_once(&path, "bulk-1", &body).await.expect(200);
        let ok: Vec<_> = done["results"].as_array().unwrap().iter().map(|one| &one["ok"]).collect();
        assert_eq!(ok, [&json!(true), &json!(false), &json!(true)]);
        assert_eq!(listed(&shop.admin, "status=approved").await.len(), 2);
        let again = shop.admin.post_once(&path, "bulk-1", &body).await;
        assert_eq!(
            (again.expect(200), again.headers["idempotency-replayed"].to_str().unwrap()),
            (done, "true")
        );
        let twice = json!({ "payoutIds": [a, a], "mode": "atomic" });
        shop.admin.post(&path, twice).await.refused(400, "DUPLICATE_ID");
        let none = json!({ "payoutIds": [] });
        shop.admin.post(&path, none).await.refused(400, "COUNT_OUT_OF_RANGE");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_filters_pages_and_exports() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let first = created(&shop, 1_050, "=cmd, \"quoted\"").await;
        let mut tenge = payout(&shop.tester, 7, "100% sure");
        tenge["currency"] = "KZT".into();
        tenge["period"] = "2026-Q1".into();
        let second = id(&shop.admin.post(PAYOUTS, tenge).await.expect(201));
        let partner = &shop.tester.member_id;
        for (filter, found) in [
            ("period=2026-Q1", vec![&second]),
            ("currency=USD", vec![&first]),
            ("q=0%25", vec![&second]),
            ("q=QUOTED", vec![&first]),
            ("q=nothing", vec![]),
            ("status=paid", vec![]),
            ("status=pending_approval&pageSize=1", vec![&second]),
            (&format!("partner={partner}") as &str, vec![&second, &first]),
        ] {
            let ids: Vec<_> = listed(&shop.admin, filter).await.iter().map(id).collect();
            assert_eq!(ids.iter().collect::<Vec<_>>(), found, "{filter}");
        }
        let page = shop.admin.get(&format!("{PAYOUTS}/list?pageSize=1")).await.expect(200);
        let token = page["nextPageToken"].as_str().unwrap();
        let rest = listed(&shop.admin, &format!("pageSize=1&pageToken={token}")).await;
        assert_eq!(id(&rest[0]), first);
        shop.admin
            .get(&format!("{PAYOUTS}/list?currency=USD&pageToken={token}"))
            .await
            .refused(400, "PAGE_TOKEN_INVALID");
        let file = shop.admin.get(&format!("{PAYOUTS}/export.csv?currency=USD")).await;
        assert_eq!(file.status, 200);
        let lines: Vec<_> = file.text.split("\r\n").collect();
        assert!(lines[0].starts_with("created,payout,partner,partnerId,period,amount,currency"));
        assert!(lines[1].contains("2026-02,10.50,USD,pending_approval,,,"), "{}", lines[1]);
        assert!(lines[1].ends_with("manual,\"'=cmd, \"\"quoted\"\"\""), "{}", lines[1]);
        assert_eq!((lines.len(), lines[2]), (3, ""));
        shop.tester.get(&format!("{PAYOUTS}/export.csv")).await.refused(403, "ROLE_REQUIRED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_become_commissions_and_commissions_become_payouts() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let partner = &shop.tester.member_id;
        let sale = |number: u32, minor: i64, currency: &str| {
            json!({ "externalId": format!("order-{number}"), "partnerId": partner,
                "productId": shop.product, "amountMinor": minor, "currency": currency,
                "occurredAt": "2026-02-03T10:00:00Z" })
        };
        let sales = "/api/admin/attributions";
        let early = shop.admin.post(sales, sale(1, 10_000, "USD")).await;
        early.refused(409, "COMMISSION_RULE_MISSING");
        let rules = "/api/admin/commissions/rules";
        shop.admin.post(rules, json!({ "basisPoints": 500 })).await.expect(201);
        let own = json!({ "basisPoints": 1_000, "partnerId": partner });
        shop.admin.post(rules, own).await.expect(201);
        assert_eq!(shop.admin.get(rules).await.expect(200)["items"][0]["basisPoints"], 1_000);
        let made = shop.admin.post(sales, sale(1, 10_009, "USD")).await.expect(201);
        assert_eq!(made["commissionMinor"], 1_000, "rounded down");
        shop.admin.post(sales, sale(1, 1, "USD")).await.refused(409, "ATTRIBUTION_EXISTS");
        shop.admin.post(sales, sale(2, 500_000, "KZT")).await.expect(201);
        let refund = format!("{sales}/{}/refund", id(&made));
        let refunded = shop.admin.post(&refund, json!({ "amountMinor": 5_009 })).await.expect(200);
        assert_eq!(refunded["clawbackMinor"], -500);
        shop.admin
            .post(&refund, json!({ "amountMinor": 5_001 }))
            .await
            .refused(400, "INVALID_AMOUNT");

        let path = format!("/api/admin/commissions/pending?partner={partner}&period=2026-02");
        let pending = shop.admin.get(&path).await.expect(200);
        let amounts: Vec<_> =
            pending["items"].as_array().unwrap().iter().map(|one| &one["amountMinor"]).collect();
        assert_eq!(amounts, [&json!(50_000), &json!(500)]);
        let create = "/api/admin/commissions/create-payouts";
        let period = json!({ "period": "2026-02", "partnerIds": [partner] });
        let made = shop.admin.post_once(create, "run-1", &period).await.expect(200);
        assert_eq!(made["payouts"].as_array().unwrap().len(), 2);
        assert_eq!(made["payouts"][1]["source"], "commission");
        assert_eq!(shop.admin.post_once(create, "run-1", &period).await.expect(200), made);
        let none = shop.admin.post(create, period).await.expect(200);
        assert_eq!(none["payouts"], json!([]));

        let first = id(&made["payouts"][0]);
        step(&shop.admin, &first, "approve", json!({})).await.expect(200);
        step(&shop.admin, &first, "mark-paid", transfer()).await.expect(200);
        let one = shop.tester.get(&format!("{PAYOUTS}/{first}")).await.expect(200);
        assert_eq!(one["items"][0]["amountMinor"], 50_000);
        assert_eq!(one["items"][0]["issueId"], Value::Null);
        // What partners wait for is not in the queue of issues.
        let second = id(&made["payouts"][1]);
        step(&shop.admin, &second, "approve", json!({})).await.expect(200);
        let queue = shop.admin.get("/api/admin/payouts/by-tester").await.expect(200);
        assert_eq!(queue["items"], json!([]));
        world.close().await;
    }
}
