//! Voids, returned money and debts over REST (rule 14; "the payment row never disappears").
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::check::Books;
use system_tests::http::Person;
use system_tests::story::{Shop, batch};
use system_tests::world::{BOTH, World, eventually};

const PAY: &str = "/api/admin/payouts/batch-pay";

async fn pay(shop: &Shop, issues: &[String]) -> Value {
    let paid = shop.admin.post(PAY, batch(&shop.tester, issues)).await.expect(200);
    paid["groups"][0].clone()
}

fn path(payout: &Value, step: &str) -> String {
    format!("/api/admin/payouts/{}/{step}", payout["payoutId"].as_str().unwrap())
}

fn because(reason: &str) -> Value {
    json!({ "reason": reason })
}

/// Waits until an issue shows this payout status.
async fn status(shop: &Shop, issue: &str, wanted: &str) -> Value {
    eventually(wanted, || async {
        let seen = shop.admin.get(&shop.issue_path(issue)).await.expect(200);
        (seen["payoutStatus"] == wanted).then_some(seen)
    })
    .await
}

/// Waits until the tester owes this much.
async fn owes(who: &Person, minor: i64) -> Value {
    eventually("the receivable", || async {
        let balance = who.get("/api/me/balance").await.expect(200);
        (balance["totals"][0]["receivableMinor"] == minor).then_some(balance)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voided_payment_stays_visible_and_is_owed_back_until_it_is_kept_back() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(4).await;
        let payout = pay(&shop, &issues[..2]).await;
        shop.balance_shows(&shop.tester, 1_600_000, 1_600_000).await;

        // One of two: the payout stays paid, the other issue too.
        let some = json!({ "reason": "Filed by the wrong tester", "issueIds": [issues[0]] });
        let voided = shop.admin.post_once(&path(&payout, "void"), "v", &some).await;
        let body = voided.expect(200);
        assert_eq!(body["receivable"], json!({ "amountMinor": 800_000, "currency": "KZT" }));
        assert_eq!(body["payout"]["status"], "paid");
        let again = shop.admin.post_once(&path(&payout, "void"), "v", &some).await;
        assert_eq!((again.status, &again.text), (200, &voided.text));
        status(&shop, &issues[0], "void").await;
        status(&shop, &issues[1], "paid").await;
        shop.balance_shows(&shop.tester, 800_000, 1_600_000).await;
        owes(&shop.tester, 800_000).await;

        // Nothing disappears: the payout, its steps, and the line that takes it back.
        let id = payout["payoutId"].as_str().unwrap();
        let seen = shop.admin.get(&format!("/api/admin/payouts/{id}")).await.expect(200);
        assert_eq!((&seen["amountMinor"], &seen["status"]), (&json!(1_600_000), &json!("paid")));
        assert_eq!(seen["steps"][0]["reason"], "Filed by the wrong tester");
        let live = seen["items"].as_array().unwrap().iter().filter(|item| item["live"] == true);
        assert_eq!(live.count(), 1);
        let csv = shop.tester.get("/api/me/balance/export.csv").await;
        assert_eq!(csv.text.matches(",-8000.00,").count(), 1, "{}", csv.text);
        assert_eq!(csv.text.matches(",8000.00,").count(), 2, "{}", csv.text);
        let overview = shop.admin.get("/api/admin/payouts").await.expect(200);
        assert!(overview.to_string().contains("\"voided\":[{"), "{overview}");

        // It cannot be paid again, nor come back as a whole.
        let refused = shop.admin.post(PAY, batch(&shop.tester, &issues[..1])).await;
        let refused = refused.refused(409, "NOT_PAYABLE");
        assert_eq!(refused["excluded"][0]["reasons"], json!(["voided"]));
        let back = shop.admin.post(&path(&payout, "return"), because("Bounced")).await;
        back.refused(409, "PAYOUT_PARTLY_VOID");

        // The debt is kept back from the next payment.
        let mut next = batch(&shop.tester, &issues[2..]);
        next["netReceivables"] = json!(true);
        let paid = shop.admin.post(PAY, next).await.expect(200);
        assert_eq!(paid["groups"][0]["nettedMinor"], 800_000);
        assert_eq!(paid["totals"][0]["amountMinor"], 800_000);
        owes(&shop.tester, 0).await;
        shop.balance_shows(&shop.tester, 2_400_000, 0).await;
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 3);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_came_back_is_pending_again_and_can_be_paid_again() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let payout = pay(&shop, &issues).await;
        shop.balance_shows(&shop.tester, 1_600_000, 0).await;
        let back = shop.admin.post(&path(&payout, "return"), because("Account closed")).await;
        assert_eq!(back.expect(200)["payout"]["status"], "returned");
        status(&shop, &issues[0], "approved").await;
        shop.balance_shows(&shop.tester, 0, 1_600_000).await;
        let over = shop.admin.post(&path(&payout, "void"), because("Too late")).await;
        let over = over.refused(409, "INVALID_TRANSITION");
        assert_eq!((&over["from"], &over["to"]), (&json!("returned"), &json!("void")));

        pay(&shop, &issues).await;
        shop.balance_shows(&shop.tester, 1_600_000, 0).await;
        status(&shop, &issues[0], "paid").await;
        let books = Books::open(&world.config).await;
        let counts = books.when_quiet().await;
        assert_eq!((counts.paid_items, counts.audited_payments, counts.payouts), (2, 4, 2));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_nobody_may_take_are_refused_with_their_reason() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let payout = pay(&shop, &issues[..1]).await;
        let cancel = shop.admin.post(&path(&payout, "cancel"), because("Changed my mind")).await;
        let refused = cancel.refused(409, "INVALID_TRANSITION");
        assert_eq!(refused["allowed"], json!(["returned", "void"]));
        let void = path(&payout, "void");
        let silent = shop.admin.post(&void, because(" ")).await.refused(400, "INVALID_FIELD");
        assert_eq!(silent["errors"][0]["field"], "reason");
        let none = json!({ "reason": "x", "issueIds": [] });
        shop.admin.post(&void, none).await.refused(400, "INVALID_FIELD");
        let other = json!({ "reason": "x", "issueIds": [issues[1]] });
        let other = shop.admin.post(&void, other).await.refused(400, "NOT_IN_PAYOUT");
        assert_eq!(other["errors"][0]["field"], "issueIds[0]");
        shop.tester.post(&void, because("Mine")).await.refused(403, "ROLE_REQUIRED");
        let me = shop.person("tester@shop.example", &["admin"]).await;
        me.post(&void, because("Mine")).await.refused(403, "SELF_APPROVAL");

        // What is owed and unpaid can be void as well, and is not payable then.
        let owed = json!({ "issueIds": [issues[1]], "reason": "Copied from elsewhere" });
        eventually("the earning", || async {
            let done = shop.admin.post("/api/admin/earnings/void", owed.clone()).await;
            (done.status == 200).then_some(())
        })
        .await;
        let pay = shop.admin.post(PAY, batch(&shop.tester, &issues[1..])).await;
        let pay = pay.refused(409, "NOT_PAYABLE");
        assert_eq!(pay["excluded"][0]["reasons"], json!(["voided"]));
        status(&shop, &issues[1], "void").await;
        shop.balance_shows(&shop.tester, 800_000, 0).await;
        owes(&shop.tester, 0).await;
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}
