//! Stripe as the rail, against a stand-in that is a process of its own: batches and bounties are paid
//! once whatever it does, payees are onboarded, and what it tells by itself is believed to be its own.

use std::path::Path;

use serde_json::{Value, json};
use system_tests::bounty::{account, approve, payer, payment, submitted};
use system_tests::check::{Books, number};
use system_tests::cluster::{Cluster, Node};
use system_tests::http::Person;
use system_tests::story::{Shop, id};
use system_tests::stripe::{FakeStripe, KEY, WEBHOOK_SECRET};
use system_tests::world::{BOTH, Bus, Store, World, eventually};

const OWN: &str = "/api/me/payout-account";
const LINK: &str = "/api/me/payout-account/onboarding-link";

async fn fake() -> FakeStripe {
    FakeStripe::start(Path::new(env!("CARGO_BIN_EXE_fake_stripe"))).await
}

async fn open(store: Store, bus: Bus) -> (FakeStripe, World, Shop) {
    let fake = fake().await;
    let world = World::start_with(store, bus, |config| fake.serve(config)).await;
    let shop = Shop::open(&world).await;
    (fake, world, shop)
}

/// Waits until Stripe has said how somebody's account stands.
async fn stands(who: &Person, standing: &str) -> Value {
    eventually(&format!("an account that is {standing}"), || async {
        let seen = who.get(OWN).await.expect(200)["items"][0].clone();
        (seen["standing"] == standing).then_some(seen)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_paid_by_stripe_once_whatever_it_does() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        let words = [
            "ok",
            "slow",
            "busy",
            "poor",
            "500before",
            "500after",
            "timeoutbefore",
            "timeoutafter",
            "garbledbefore",
            "garbled",
            "decline",
        ];
        let mut issues = Vec::new();
        for word in words {
            let who = shop.person(&format!("{word}@shop.example"), &["member"]).await;
            account(&who, &format!("acct_{word}_1")).await;
            stands(&who, "onboarded").await;
            let issue = shop.file(&who, "high").await;
            shop.approve(&issue).await;
            issues.push(issue);
        }
        let order = json!({ "issueIds": issues, "method": "stripe", "reference": "" });
        let batch = shop.admin.post("/api/admin/payouts/batch-pay", order).await.expect(200);
        let path = format!("/api/admin/payout-batches/{}", batch["batchId"].as_str().unwrap());
        let seen = eventually("the end of the batch", || async {
            let seen = shop.admin.get(&path).await.expect(200);
            (seen["status"] != "processing").then_some(seen)
        })
        .await;
        let counts = json!([{ "status": "failed", "count": 1 }, { "status": "paid", "count": 10 }]);
        assert_eq!(seen["counts"], counts, "{seen}");
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 10);
        // Each payout is a group of one transfer, of what was owed, to whom it was owed.
        let moved = fake.moved().await;
        assert_eq!(moved.len(), 10);
        assert!(moved.values().all(|count| *count == (0, 1)), "{moved:?}");
        for transfer in fake.made("transfer").await {
            assert_eq!(
                (&transfer["amount"], &transfer["currency"]),
                (&json!(800_000), &json!("kzt"))
            );
            let payout = transfer["transfer_group"].as_str().unwrap();
            let seen = shop.admin.get(&format!("/api/admin/payouts/{payout}")).await.expect(200);
            assert_eq!((&seen["status"], &seen["reference"]), (&json!("paid"), &transfer["id"]));
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounty_is_charged_and_transferred_by_stripe_once_whatever_it_does() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        fake.tell(&world.base, "doubled").await;
        for word in [
            "ok",
            "busy",
            "500before",
            "500after",
            "timeoutbefore",
            "timeoutafter",
            "garbledbefore",
            "garbled",
        ] {
            payer(&shop, &format!("pm_{word}_1")).await;
            let to = format!("acct_{word}_1");
            let (who, issue) = submitted(&shop, word, Some(&to)).await;
            stands(&who, "onboarded").await;
            approve(&shop, &issue, json!({})).await;
            let paid = payment(&shop, &issue, "paid").await;
            assert_eq!(paid["charge"]["amountMinor"], 56_674, "{word}: {paid}");
            let moved = fake.moved().await;
            assert_eq!(moved[paid["id"].as_str().unwrap()], (1, 1), "{word}");
        }
        for transfer in fake.made("transfer").await {
            let source = transfer["source_transaction"].as_str().unwrap();
            assert!(source.starts_with("ch_"), "a transfer is paid out of its charge: {transfer}");
            assert_eq!(transfer["amount"], 50_000, "the contributor gets all of it");
        }
        for charge in fake.made("charge").await {
            assert_eq!((&charge["amount"], &charge["currency"]), (&json!(56_674), &json!("usd")));
        }
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_declined_or_must_be_confirmed_is_told_and_taken_once() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        fake.tell(&world.base, "once").await;
        payer(&shop, "pm_decline_1").await;
        let (who, issue) = submitted(&shop, "one", Some("acct_ok_1")).await;
        stands(&who, "onboarded").await;
        approve(&shop, &issue, json!({})).await;
        let failed = payment(&shop, &issue, "failed").await;
        assert_eq!(failed["reasons"], json!(["insufficient_funds"]), "{failed}");
        payer(&shop, "pm_action_2").await;
        let retry = format!("/api/admin/payouts/{}/retry", id(&failed));
        shop.admin.post(&retry, json!({})).await.expect(200);
        let intent = eventually("a payment that waits for its payer", || async {
            let waits = |one: &Value| one["payment_method"] == "pm_action_2";
            fake.made("payment_intent").await.into_iter().find(waits)
        })
        .await;
        assert!(fake.made("charge").await.is_empty());
        let page = eventually("a page for the payer", || async {
            let seen = payment(&shop, &issue, "processing").await["charge"].clone();
            (seen["status"] == "needs_action")
                .then(|| format!("/api/charges/{}/confirmation", id(&seen)))
        })
        .await;
        who.post(&page, json!({})).await.expect(403);
        let link = shop.admin.post(&page, json!({})).await.expect(200);
        let url = format!("https://hooks.stripe.example/{}", id(&intent));
        assert_eq!(link["url"], url);
        assert_eq!(shop.admin.post(&page, json!({})).await.expect(200), link);
        fake.post(&format!("/_confirm/{}", id(&intent)), json!({})).await;
        let paid = payment(&shop, &issue, "paid").await;
        assert_eq!(fake.moved().await[paid["id"].as_str().unwrap()], (1, 1));
        shop.admin.post(&page, json!({})).await.refused(409, "NOTHING_TO_CONFIRM");
        // A card that nobody can be charged by is refused when it is named.
        let path = format!("/api/products/{}/payer", shop.product);
        let loose = json!({ "paymentMethodId": "pm_decline_loose" });
        shop.admin.put(&path, loose).await.refused(409, "PROVIDER_REFUSED");
        let loose = json!({ "paymentMethodId": "pm_ok_loose" });
        shop.admin.put(&path, loose).await.expect(200);
        assert_eq!(fake.made("customer").await.len(), 1);
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_who_gets_onboarded_is_paid_without_anybody_doing_anything() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        fake.tell(&world.base, "once").await;
        payer(&shop, "pm_ok_1").await;
        let (who, issue) = submitted(&shop, "new", None).await;
        let link = who.post(LINK, json!({})).await.expect(200);
        assert!(link["url"].as_str().unwrap().starts_with("https://"), "{link}");
        assert!(link["expiresAt"].is_string(), "{link}");
        let again = who.post(LINK, json!({})).await.expect(200);
        assert_eq!(again["url"], link["url"], "the same account");
        assert_eq!(fake.made("account").await.len(), 1);
        let seen = stands(&who, "incomplete").await;
        assert_eq!(
            (&seen["onboarded"], &seen["standingReason"]),
            (&json!(false), &json!("external_account"))
        );
        let held = approve(&shop, &issue, json!({})).await;
        assert_eq!(held["payout"]["status"], "on_hold", "{held}");
        assert_eq!(held["payout"]["reasons"], json!(["payee_not_onboarded"]));
        assert!(fake.made("payment_intent").await.is_empty(), "the founder is not charged");

        let account = id(&fake.made("account").await[0]);
        fake.post(&format!("/_accounts/{account}"), json!({})).await;
        let paid = payment(&shop, &issue, "paid").await;
        assert_eq!(fake.moved().await[paid["id"].as_str().unwrap()], (1, 1));
        assert_eq!(stands(&who, "onboarded").await["onboarded"], json!(true));

        // Turned down later, they are not paid any more.
        let rejected = json!({ "payouts_enabled": false,
            "requirements": { "disabled_reason": "rejected.fraud", "currently_due": [] } });
        fake.post(&format!("/_accounts/{account}"), rejected).await;
        let seen = stands(&who, "restricted").await;
        assert_eq!(seen["standingReason"], "rejected.fraud");
        let filed = shop.file(&who, "high").await;
        shop.approve(&filed).await;
        let order = json!({ "issueIds": [filed], "method": "stripe", "reference": "" });
        let refused = shop.admin.post("/api/admin/payouts/batch-pay", order).await;
        let refused = refused.refused(409, "NOT_PAYABLE");
        assert_eq!(refused["excluded"][0]["reasons"], json!(["payee_not_onboarded"]));
        let books = Books::open(&world.config).await;
        for (action, expected) in [("onboarded", 1), ("restricted", 1)] {
            let sql =
                format!("SELECT count(*) FROM audit_log WHERE action = 'payout_account.{action}'");
            assert_eq!(number(&books.payouts, &sql).await, expected, "{action}");
        }
        books.when_quiet().await;
        world.close().await;
    }
}

fn event(id: &str, kind: &str, object: Value) -> Value {
    let mut event = json!({ "id": id, "object": "event", "type": kind, "data": {} });
    event["data"]["object"] = object;
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_are_forged_stale_or_not_ours_write_nothing() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        account(&shop.tester, "acct_ok_1").await;
        stands(&shop.tester, "onboarded").await;
        let books = Books::open(&world.config).await;
        let noted = || {
            number(&books.payouts, "SELECT count(*) FROM audit_log WHERE action = 'provider.told'")
        };
        let mine = event("evt_1", "account.updated", json!({ "id": "acct_ok_1" }));
        let base = &world.base;
        assert_eq!(fake.send(base, mine.clone(), "somebody else's", 0).await, 400);
        assert_eq!(fake.send(base, mine.clone(), WEBHOOK_SECRET, 330).await, 400);
        assert_eq!(fake.send(base, mine.clone(), WEBHOOK_SECRET, -330).await, 400);
        assert_eq!(fake.send(base, json!(["no event"]), WEBHOOK_SECRET, 0).await, 400);
        let strange = event("evt_2", "tax.rate.created", json!({ "id": "txr_1" }));
        assert_eq!(fake.send(base, strange, WEBHOOK_SECRET, 0).await, 200);
        let others = json!({ "id": "pi_1", "metadata": { "attempt": uuid::Uuid::now_v7() } });
        let others = event("evt_3", "payment_intent.succeeded", others);
        assert_eq!(fake.send(base, others, WEBHOOK_SECRET, 0).await, 200);
        assert_eq!(noted().await, 0);
        // The same event ten times, some at once, is noted once.
        let sends = (0..10).map(|_| fake.send(base, mine.clone(), WEBHOOK_SECRET, 0));
        let sent = futures_util::future::join_all(sends).await;
        assert!(sent.iter().all(|status| *status == 200), "{sent:?}");
        assert_eq!(noted().await, 1);

        let path = format!("{base}/webhooks/stripe");
        let post = |body: Vec<u8>, signature: &str| {
            let request = system_tests::http::client().post(&path).body(body);
            system_tests::http::answer(request.header("stripe-signature", signature))
        };
        let refused = post(b"{}".to_vec(), "t=1,v1=00").await.unwrap();
        refused.refused(400, "WEBHOOK_SIGNATURE_INVALID");
        post(b"{}".to_vec(), "").await.unwrap().refused(400, "WEBHOOK_SIGNATURE_INVALID");
        post(vec![b' '; 2 << 20], "").await.unwrap().refused(413, "BODY_TOO_LARGE");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_late_and_early_webhooks_change_nothing_but_the_time() {
    for (store, bus) in BOTH {
        let (fake, world, shop) = open(store, bus).await;
        for (place, mode) in ["lost", "forged", "stale", "doubled", "once"].iter().enumerate() {
            // Events come before the answer to the call that they are about.
            fake.tell(&world.base, mode).await;
            payer(&shop, &format!("pm_timeoutafter_{place}")).await;
            let to = format!("acct_timeoutafter_{place}");
            let (who, issue) = submitted(&shop, mode, Some(&to)).await;
            stands(&who, "onboarded").await;
            approve(&shop, &issue, json!({})).await;
            let paid = payment(&shop, &issue, "paid").await;
            assert_eq!(fake.moved().await[paid["id"].as_str().unwrap()], (1, 1), "{mode}");
        }
        // All of them once more, the last ones first.
        let told = fake.get("/_events").await;
        for event in told.as_array().unwrap().iter().rev() {
            assert_eq!(fake.send(&world.base, event.clone(), WEBHOOK_SECRET, 0).await, 200);
        }
        let books = Books::open(&world.config).await;
        books.when_quiet().await;
        assert!(fake.moved().await.values().all(|count| *count == (1, 1)));
        let unpaid = "SELECT count(*) FROM payouts WHERE state <> 'paid'";
        assert_eq!(number(&books.payouts, unpaid).await, 0);

        // Money that went back is there to be read.
        let charge = fake.made("charge").await[0].clone();
        let transfer = fake.made("transfer").await[0].clone();
        for (name, kind, object) in [
            ("evt_r1", "charge.refunded", json!({ "id": charge["id"], "amount_refunded": 56_674 })),
            (
                "evt_r2",
                "charge.dispute.created",
                json!({ "id": "dp_1", "charge": charge["id"],
                "amount": 56_674 }),
            ),
            (
                "evt_r3",
                "transfer.reversed",
                json!({ "id": transfer["id"],
                "amount_reversed": 50_000 }),
            ),
        ] {
            let told = event(name, kind, object);
            assert_eq!(fake.send(&world.base, told, WEBHOOK_SECRET, 0).await, 200);
            let sql = format!(
                "SELECT count(*) FROM audit_log WHERE action = 'provider.told' \
                 AND CAST(after AS text) LIKE '%{kind}%'"
            );
            assert_eq!(number(&books.payouts, &sql).await, 1, "{kind}");
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_tells_a_secret() {
    let node = Path::new(env!("CARGO_BIN_EXE_node"));
    let fake = fake().await;
    let serve = |config: &mut quittance_chassis::config::Config| {
        fake.serve(config);
        config.log.level = "debug".to_owned();
    };
    let nodes = [Node::Standalone];
    let cluster = Cluster::start_with(node, &nodes, Store::Sqlite, Bus::InProcess, serve).await;
    fake.tell(&cluster.base, "once").await;
    let shop = Shop::open_at(&cluster.base).await;
    for word in ["ok", "timeoutafter", "garbled", "500before"] {
        payer(&shop, &format!("pm_{word}_1")).await;
        let (who, issue) = submitted(&shop, word, Some(&format!("acct_{word}_1"))).await;
        stands(&who, "onboarded").await;
        approve(&shop, &issue, json!({})).await;
        payment(&shop, &issue, "paid").await;
    }
    let forged = event("evt_1", "account.updated", json!({ "id": "acct_ok_1" }));
    assert_eq!(fake.send(&cluster.base, forged, "other", 0).await, 400);
    let logs = cluster.whole_logs();
    assert!(logs.contains("DEBUG") && logs.contains("Stripe did not answer"), "logs were read");
    for secret in [KEY, WEBHOOK_SECRET, "v1=", "Bearer "] {
        assert!(!logs.contains(secret), "a log tells {secret}");
    }
    let shown = format!("{:?}", cluster.config);
    assert!(!shown.contains(KEY) && !shown.contains(WEBHOOK_SECRET));
    cluster.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_plays_the_pages_of_a_provider() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let (who, issue) = submitted(&shop, "new", None).await;
        let link = who.post(LINK, json!({})).await.expect(200);
        let path = link["url"].as_str().unwrap().to_owned();
        assert_eq!(who.get(OWN).await.expect(200)["items"][0]["standing"], "incomplete");
        let held = approve(&shop, &issue, json!({})).await;
        assert_eq!(held["payout"]["reasons"], json!(["payee_not_onboarded"]));
        let nobody = format!("/sandbox/onboarding/{}", uuid::Uuid::now_v7());
        who.get(&nobody).await.refused(404, "ONBOARDING_LINK_EXPIRED");
        let pages = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let opened = pages.build().unwrap().get(format!("{}{path}", world.base)).send().await;
        let opened = opened.unwrap();
        assert_eq!(
            (opened.status().as_u16(), &opened.headers()["location"]),
            (303, &"/app".parse().unwrap())
        );
        payment(&shop, &issue, "paid").await;
        let seen = who.get(OWN).await.expect(200)["items"][0].clone();
        assert_eq!(seen["onboarded"], json!(true), "{seen}");
        // Without Stripe nothing that it could tell is taken.
        let hook = who.post("/webhooks/stripe", json!({})).await;
        hook.refused(404, "WEBHOOKS_NOT_SET_UP");
        world.close().await;
    }
}
