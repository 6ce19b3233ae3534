//! Payouts that a provider executes: five payees with five behaviours, and processes that die
//! around the call.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;

use quittance_chassis::config::Config;
use serde_json::{Value, json};
use system_tests::check::{Books, number};
use system_tests::fault::{RAIL_POINTS, die_at_rail};
use system_tests::http::Person;
use system_tests::story::Shop;
use system_tests::world::{BOTH, World, eventually};

const PAY: &str = "/api/admin/payouts/batch-pay";

/// Gives somebody an account, and an approved issue.
async fn payee(shop: &Shop, name: &str) -> (Person, String) {
    let person = shop.person(&format!("{name}@shop.example"), &["member"]).await;
    account(&person, &format!("acct_{name}_1")).await;
    let issue = shop.file(&person, "high").await;
    shop.approve(&issue).await;
    (person, issue)
}

async fn account(person: &Person, account: &str) {
    let body = json!({ "method": "stripe", "accountId": account });
    let set = person.put("/api/me/payout-account", body).await.expect(200);
    assert_eq!(set["method"], "stripe");
}

/// Waits until a batch is over.
async fn over(shop: &Shop, batch: &Value) -> Value {
    let path = format!("/api/admin/payout-batches/{}", batch["batchId"].as_str().unwrap());
    eventually("the end of the batch", || async {
        let seen = shop.admin.get(&path).await.expect(200);
        (seen["status"] != "processing").then_some(seen)
    })
    .await
}

async fn payout(shop: &Shop, id: &str) -> Value {
    shop.admin.get(&format!("/api/admin/payouts/{id}")).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_payees_end_as_their_accounts_say_and_nobody_is_paid_twice() {
    for (store, bus) in BOTH {
        // An account that is put right is paid at once here.
        let now = |config: &mut Config| config.policy.account_cooldown_hours = 0;
        let world = World::start_with(store, bus, now).await;
        let shop = Shop::open(&world).await;
        let names = ["ok", "decline", "flaky", "timeout", "slow"];
        let mut people = Vec::new();
        for name in names {
            people.push(payee(&shop, name).await);
        }
        let issues: Vec<&String> = people.iter().map(|(_, issue)| issue).collect();
        let order = json!({ "issueIds": issues, "method": "stripe", "reference": "" });
        let batch = shop.admin.post_once(PAY, "five", &order).await;
        let again = shop.admin.post_once(PAY, "five", &order).await;
        assert_eq!((again.status, &again.text), (200, &batch.text));
        let batch = batch.expect(200);
        let seen = over(&shop, &batch).await;
        assert_eq!(seen["status"], "partially_completed", "{seen}");
        let counts = json!([{ "status": "failed", "count": 1 }, { "status": "paid", "count": 4 }]);
        assert_eq!(seen["counts"], counts);

        let mut declined = String::new();
        for group in batch["groups"].as_array().unwrap() {
            let id = group["payoutId"].as_str().unwrap();
            let place = people.iter().position(|(who, _)| group["testerId"] == who.member_id);
            let name = names[place.unwrap()];
            let seen = payout(&shop, id).await;
            if name == "decline" {
                assert_eq!(seen["status"], "failed", "{seen}");
                declined = id.to_owned();
            } else {
                assert_eq!(seen["status"], "paid", "{name}: {seen}");
                assert!(seen["reference"].as_str().unwrap().starts_with("tr_"), "{seen}");
            }
        }
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 4);
        let moved = "SELECT count(*) FROM sandbox_transfers WHERE moved";
        assert_eq!(number(&books.payouts, moved).await, 4);
        shop.balance_shows(&people[0].0, 800_000, 0).await;
        shop.balance_shows(&people[1].0, 0, 800_000).await;

        // The account is put right, and the payout tried once more.
        account(&people[1].0, "acct_ok_2").await;
        let retry = format!("/api/admin/payouts/{declined}/retry");
        people[1].0.post(&retry, json!({})).await.refused(403, "ROLE_REQUIRED");
        let tried = shop.admin.post(&retry, json!({})).await.expect(200);
        assert_eq!(tried["status"], "processing");
        shop.balance_shows(&people[1].0, 800_000, 0).await;
        let late = shop.admin.post(&retry, json!({})).await.refused(409, "INVALID_TRANSITION");
        assert_eq!((&late["from"], &late["to"]), (&json!("paid"), &json!("processing")));
        assert_eq!(books.when_quiet().await.paid_items, 5);
        assert_eq!(number(&books.payouts, moved).await, 5);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_provider_cannot_pay_is_said_by_name() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(1).await;
        let order = json!({ "issueIds": issues, "method": "stripe", "reference": "" });
        let refused = shop.admin.post(PAY, order.clone()).await.refused(409, "NOT_PAYABLE");
        assert_eq!(refused["excluded"][0]["reasons"], json!(["payee_not_onboarded"]));
        let mut netted = order;
        netted["netReceivables"] = json!(true);
        let netted = shop.admin.post(PAY, netted).await.refused(400, "INVALID_FIELD");
        assert_eq!(netted["errors"][0]["field"], "netReceivables");
        let bad = json!({ "method": "stripe", "accountId": "mine" });
        let bad = shop.tester.put("/api/me/payout-account", bad).await;
        let bad = bad.refused(400, "INVALID_FIELD");
        assert_eq!(bad["errors"][0]["field"], "accountId");
        let nobody = format!("/api/admin/payout-batches/{}", uuid::Uuid::now_v7());
        shop.admin.get(&nobody).await.refused(404, "BATCH_NOT_FOUND");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_around_a_call_moves_money_once() {
    let binary = Path::new(env!("CARGO_BIN_EXE_node"));
    for (store, bus) in BOTH {
        for point in RAIL_POINTS {
            let (paid, moved) = die_at_rail(binary, point, store, bus).await;
            assert_eq!((paid, moved), (5, 1), "{point} {store:?}");
        }
    }
}
