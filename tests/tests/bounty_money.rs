//! What surrounds the payment of a bounty: money paid in advance, money given back, what contributors
//! see of it, and where it stands in the books.

use quittance_chassis::config::Config;
use serde_json::{Value, json};
use system_tests::bounty::{account, approve, fixed, hand_in, moved, payer, payment, submitted};
use system_tests::check::{Books, number};
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, Bus, Store, World, eventually};

async fn open(store: Store, bus: Bus) -> (World, Shop) {
    let now = |config: &mut Config| config.policy.account_cooldown_hours = 0;
    let world = World::start_with(store, bus, now).await;
    let shop = Shop::open(&world).await;
    (world, shop)
}

/// Waits until an account of the ledger holds so much.
async fn stands(shop: &Shop, account: &str, minor: i64) {
    eventually(&format!("{account} at {minor}"), || async {
        let all = shop.admin.get("/api/admin/ledger/accounts").await.expect(200);
        let of = |one: &&Value| one["account"] == account;
        let found = all["items"].as_array().into_iter().flatten().find(of).cloned();
        let balance = found.map_or(0, |one| one["balanceMinor"].as_i64().unwrap_or_default());
        (balance == minor).then_some(())
    })
    .await;
}

async fn balance(shop: &Shop) -> Value {
    let path = format!("/api/products/{}/prefund", shop.product);
    shop.admin.get(&path).await.expect(200)["items"][0].clone()
}

/// S4-81: paid in once per key, drawn on approval, and never below zero however many draw at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_in_advance_pays_on_approval_and_never_more_than_there_is() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let path = format!("/api/products/{}/prefund", shop.product);
        let body = json!({ "amountMinor": 120_000, "currency": "USD" });
        let top_up = format!("{path}/top-ups");
        let first = shop.admin.post_once(&top_up, "first", &body).await;
        let again = shop.admin.post_once(&top_up, "first", &body).await;
        assert_eq!((first.status, &first.text), (201, &again.text));
        // The processor has its part now, and none when it is drawn.
        assert_eq!(first.json()["amountMinor"], 123_615);
        eventually("the top-up", || async {
            (balance(&shop).await["balanceMinor"] == 120_000).then_some(())
        })
        .await;
        stands(&shop, "pre_fund:organization:USD", -120_000).await;
        let low = json!({ "currency": "USD", "lowMinor": 100_000 });
        let set = shop.admin.put(&path, low).await.expect(200);
        assert_eq!(set["items"][0]["low"], false);
        // Two bounties of $500 and their fees fit, the third one is charged.
        let mut issues = Vec::new();
        for name in ["one", "two", "three"] {
            let (_, issue) = submitted(&shop, name, Some(&format!("acct_ok_{name}"))).await;
            issues.push(issue);
        }
        let approvals = issues.iter().map(|issue| approve(&shop, issue, json!({})));
        let _ = futures_util::future::join_all(approvals).await;
        let mut fundings = Vec::new();
        for issue in &issues {
            let paid = payment(&shop, issue, "paid").await;
            if paid["funding"] == "pre_fund" {
                assert_eq!(paid["quote"]["totalMinor"], 55_000, "{paid}");
                assert_eq!(paid["quote"]["processorFeeMinor"], 0);
            }
            fundings.push(paid["funding"].as_str().unwrap_or_default().to_owned());
        }
        fundings.sort_unstable();
        assert_eq!(fundings, ["charge", "pre_fund", "pre_fund"]);
        let left = balance(&shop).await;
        assert_eq!((&left["balanceMinor"], &left["low"]), (&json!(10_000), &json!(true)));
        assert_eq!(moved(&world).await, (2, 3));
        stands(&shop, "pre_fund:organization:USD", -10_000).await;
        stands(&shop, "platform_fee:organization:USD", -15_000).await;
        stands(&shop, "payer_due:organization:USD", 0).await;
        let books = Books::open(&world.config).await;
        let low = "SELECT count(*) FROM pre_fund_moves WHERE kind = 'drawn'";
        assert_eq!(number(&books.payouts, low).await, 2);
        let proof = shop.admin.get("/api/admin/ledger/verify").await.expect(200);
        assert_eq!(proof["ok"], true, "{proof}");
        let bad = shop.admin.post(&top_up, json!({ "amountMinor": 0, "currency": "USD" })).await;
        assert_eq!(bad.refused(400, "INVALID_AMOUNT")["errors"][0]["field"], "amountMinor");
        shop.tester.get(&path).await.refused(403, "ROLE_REQUIRED");
        books.when_quiet().await;
        world.close().await;
    }
}

/// INC-37: an admin gives back what was charged and not sent, and what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_charge_is_given_back_once_and_a_transfer_is_taken_back_before_it() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let (_, stuck) = submitted(&shop, "stuck", Some("acct_transferfail_1")).await;
        approve(&shop, &stuck, json!({})).await;
        let failed = payment(&shop, &stuck, "failed").await;
        let path = format!("/api/admin/payouts/{}/refund", id(&failed));
        let why = json!({ "reason": "the account will not be put right" });
        let _ = shop.admin.post(&path, why.clone()).await.expect(200);
        eventually("the refund", || async {
            let seen =
                shop.admin.get(&format!("/api/submissions/{stuck}/payment")).await.expect(200);
            (seen["payout"]["charge"]["status"] == "refunded").then_some(())
        })
        .await;
        shop.admin.post(&path, why.clone()).await.refused(409, "INVALID_TRANSITION");
        // It can be paid in another way now.
        let body = json!({ "issueIds": [stuck], "method": "bank", "reference": "B-1" });
        let _ = shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);

        let (_, sent) = submitted(&shop, "sent", Some("acct_ok_1")).await;
        approve(&shop, &sent, json!({})).await;
        let paid = payment(&shop, &sent, "paid").await;
        let path = format!("/api/admin/payouts/{}/refund", id(&paid));
        let nobody = json!({ "reason": "" });
        shop.admin.post(&path, nobody).await.refused(400, "INVALID_FIELD");
        let _ = shop.admin.post(&path, why).await.expect(200);
        let back = payment(&shop, &sent, "returned").await;
        assert_eq!(back["charge"]["status"], "refunded");
        let books = Books::open(&world.config).await;
        let returns = "SELECT count(*) FROM sandbox_returns";
        assert_eq!(number(&books.payouts, returns).await, 3, "two charges and one transfer");
        stands(&shop, "platform_fee:organization:USD", 0).await;
        world.close().await;
    }
}

/// S4-60, S4-72: what was earned by kind, receipts to print, and who is told of what.
#[tokio::test(flavor = "multi_thread")]
async fn contributors_see_what_they_earned_and_founders_what_it_cost() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let (who, issue) = submitted(&shop, "ok", Some("acct_ok_1")).await;
        approve(&shop, &issue, json!({})).await;
        let paid = payment(&shop, &issue, "paid").await;
        let waiting = fixed(&shop, &shop.product, "Next", 20_000, &json!({})).await;
        let waiting = hand_in(&who, &waiting).await;
        payer(&shop, "pm_decline_1").await;
        approve(&shop, &waiting, json!({})).await;
        payment(&shop, &waiting, "failed").await;
        let earned = who.get("/api/me/earnings").await.expect(200);
        let total = &earned["fixedPayments"]["totals"][0];
        assert_eq!((&total["paidMinor"], &total["pendingMinor"]), (&json!(50_000), &json!(20_000)));
        assert_eq!(earned["fixedPayments"]["items"][1]["payoutId"], paid["id"]);
        assert_eq!(earned["profitShare"]["items"], json!([]));
        // The receipt of the contributor has no fees, that of the founder has them all.
        let receipt = earned["fixedPayments"]["items"][1]["receipt"].as_str().unwrap_or_default();
        let page = who.get(receipt).await;
        assert!(page.status == 200 && page.text.contains("$500.00"), "{}", page.text);
        assert!(!page.text.contains("fee"), "{}", page.text);
        let costs = format!("/api/admin/payouts/{}/receipt", id(&paid));
        let page = shop.admin.get(&costs).await;
        assert!(page.text.contains("$566.74") && page.text.contains("$16.74"), "{}", page.text);
        who.get(&costs).await.refused(403, "ROLE_REQUIRED");
        let other = shop.person("other@shop.example", &["member"]).await;
        assert_eq!(other.get(receipt).await.status, 404);
        // Whoever approved is told of the card, the contributor only that they wait.
        eventually("the notice of the charge", || async {
            let inbox = shop.admin.get("/api/me/notifications").await.expect(200);
            inbox["items"].to_string().contains("The charge failed: card declined").then_some(())
        })
        .await;
        stands(&shop, "processor_fee:organization:USD", -1_674).await;
        account(&other, "acct_ok_2").await;
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}
