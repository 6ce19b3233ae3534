//! Approve & Pay, over REST: the four use cases of the seed end in paid money, and whatever payer and
//! payee do, one charge and one transfer come of it.

use quittance_chassis::config::Config;
use serde_json::{Value, json};
use system_tests::bounty::{account, approve, fixed, hand_in, moved, payer, payment, submitted};
use system_tests::check::Books;
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, Bus, Store, World, eventually};

async fn open(store: Store, bus: Bus) -> (World, Shop) {
    // An account that is put right is paid at once here.
    let now = |config: &mut Config| config.policy.account_cooldown_hours = 0;
    let world = World::start_with(store, bus, now).await;
    let shop = Shop::open(&world).await;
    (world, shop)
}

/// S4-90: each of the four use cases ends with contributors paid in full and founders charged to the
/// cent.
#[tokio::test(flavor = "multi_thread")]
async fn the_four_use_cases_of_bounties_end_in_paid_money() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let other = shop.person("other@shop.example", &["member"]).await;
        account(&shop.tester, "acct_ok_tester").await;
        account(&other, "acct_ok_other").await;
        // A bug bounty programme: paid on the verified fix (S4-10).
        let gated = json!({ "name": "Bugs", "key": "BUG", "requiresVerification": true });
        let gated = id(&shop.admin.post("/api/products", gated).await.expect(201));
        let bug = fixed(&shop, &gated, "Critical", 500_000, &json!({})).await;
        let bug = hand_in(&shop.tester, &bug).await;
        let done = approve(&shop, &bug, json!({})).await;
        assert_eq!(done["payout"]["status"], "on_hold", "{done}");
        assert_eq!(done["payout"]["reasons"], json!(["gate_not_verified"]));
        assert_eq!(moved(&world).await, (0, 0));
        let path = format!("/api/test-cycles/{gated}/issues/{bug}");
        let _ = shop.admin.patch(&path, json!({ "status": "in_progress" })).await.expect(200);
        let _ = shop.admin.patch(&path, json!({ "status": "verified" })).await.expect(200);
        let paid = payment(&shop, &bug, "paid").await;
        assert_eq!((&paid["amountMinor"], &paid["currency"]), (&json!(500_000), &json!("USD")));
        // A campaign: each accepted post is paid (S4-5).
        let more = json!({ "claimMode": "MULTIPLE", "maxClaims": 2 });
        let posts = fixed(&shop, &shop.product, "Write a post", 20_000, &more).await;
        for who in [&shop.tester, &other] {
            let post = hand_in(who, &posts).await;
            let done = approve(&shop, &post, json!({})).await;
            assert_eq!(done["payout"]["status"], "processing", "{done}");
            assert_eq!(payment(&shop, &post, "paid").await["amountMinor"], 20_000);
        }
        // A mixed project: points are not paid now (S4-8).
        let deal = json!({ "title": "Deal", "rewardType": "PROFIT_SHARE", "points": 100 });
        let path = format!("/api/products/{}/bounties", shop.product);
        let deal = shop.admin.post(&path, deal).await.expect(201);
        let deal = hand_in(&other, &deal).await;
        assert_eq!(approve(&shop, &deal, json!({})).await["payout"], Value::Null);
        let logo = fixed(&shop, &shop.product, "Logo", 100_000, &json!({})).await;
        let logo = hand_in(&other, &logo).await;
        // Only fixed payments, with a tip (S4-85).
        let done = approve(&shop, &logo, json!({ "tipMinor": 10_000 })).await;
        let quote = &done["payout"]["quote"];
        assert_eq!(quote["platformFeeMinor"], 10_000, "{done}");
        let paid = payment(&shop, &logo, "paid").await;
        assert_eq!(paid["amountMinor"], 110_000, "all of it goes to the contributor");
        assert_eq!(paid["charge"]["amountMinor"], paid["quote"]["totalMinor"]);
        assert_eq!((&paid["inEscrow"], &paid["funding"]), (&json!(false), &json!("charge")));
        // The contributor sees what they get, and nothing of fees.
        let seen = other.get(&format!("/api/submissions/{logo}/payment")).await.expect(200);
        assert_eq!(
            (&seen["payout"]["quote"], &seen["payout"]["charge"]),
            (&Value::Null, &Value::Null)
        );
        shop.tester
            .get(&format!("/api/submissions/{logo}/payment"))
            .await
            .refused(404, "SUBMISSION_NOT_FOUND");
        let issue = format!("/api/test-cycles/{}/issues/{logo}", shop.product);
        eventually("the issue to be paid", || async {
            let seen = other.get(&issue).await.expect(200);
            (seen["payoutStatus"] == "paid").then_some(())
        })
        .await;
        assert_eq!(moved(&world).await, (4, 4));
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

/// S4-38: the charge fails, the work stays approved, and the founder tries again with another card.
#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_leaves_the_work_approved_and_the_payment_to_be_tried_again() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        payer(&shop, "pm_decline_1").await;
        let (_, issue) = submitted(&shop, "ok", Some("acct_ok_1")).await;
        approve(&shop, &issue, json!({})).await;
        let failed = payment(&shop, &issue, "failed").await;
        assert_eq!(failed["reasons"], json!(["card_declined"]));
        assert_eq!(
            (&failed["charge"]["status"], &failed["inEscrow"]),
            (&json!("declined"), &json!(false))
        );
        let seen = format!("/api/test-cycles/{}/issues/{issue}", shop.product);
        assert_eq!(shop.admin.get(&seen).await.expect(200)["payoutStatus"], "approved");
        assert_eq!(moved(&world).await, (0, 0));
        let retry = format!("/api/admin/payouts/{}/retry", id(&failed));
        payer(&shop, "pm_ok_2").await;
        let again = shop.admin.post_once(&retry, "again", &json!({})).await;
        let same = shop.admin.post_once(&retry, "again", &json!({})).await;
        assert_eq!((again.status, &again.text), (200, &same.text));
        let paid = payment(&shop, &issue, "paid").await;
        assert_eq!((&paid["charge"]["number"], &paid["id"]), (&json!(2), &failed["id"]));
        assert_eq!(moved(&world).await, (1, 1));
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

/// Rule 10: charged and not sent, the money stands in escrow; it is sent again and never charged again.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_fails_after_the_charge_is_sent_again_and_not_charged_again() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let (who, issue) = submitted(&shop, "late", Some("acct_transferfail_1")).await;
        approve(&shop, &issue, json!({})).await;
        let failed = payment(&shop, &issue, "failed").await;
        assert_eq!(
            (&failed["inEscrow"], &failed["reasons"]),
            (&json!(true), &json!(["transfer_failed"]))
        );
        assert_eq!(moved(&world).await, (1, 0));
        // It is held for this work: nobody pays it in another way meanwhile.
        let body = json!({ "issueIds": [issue], "method": "kaspi", "reference": "K-1" });
        let taken = shop.admin.post("/api/admin/payouts/batch-pay", body).await;
        assert_eq!(
            taken.refused(409, "NOT_PAYABLE")["excluded"][0]["reasons"],
            json!(["already_in_payout"])
        );
        let retry = format!("/api/admin/payouts/{}/retry", id(&failed));
        let _ = shop.admin.post(&retry, json!({})).await.expect(200);
        payment(&shop, &issue, "failed").await;
        // Put right, it goes on by itself.
        account(&who, "acct_ok_1").await;
        let paid = payment(&shop, &issue, "paid").await;
        assert_eq!((&paid["inEscrow"], &paid["charge"]["number"]), (&json!(false), &json!(1)));
        assert_eq!(moved(&world).await, (1, 1));
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

/// S4-36: on hold with its reason, not charged, and paid by itself once the contributor can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_contributor_without_an_account_is_paid_by_itself_once_there_is_one() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let (who, issue) = submitted(&shop, "new", None).await;
        let done = approve(&shop, &issue, json!({})).await;
        assert_eq!(done["payout"]["status"], "on_hold");
        assert_eq!(done["payout"]["reasons"], json!(["payee_not_onboarded"]));
        let path = format!("/api/admin/payouts/{}", id(&done["payout"]));
        assert_eq!(shop.admin.get(&path).await.expect(200)["status"], "approved");
        account(&who, "acct_pending_1").await;
        assert_eq!(payment(&shop, &issue, "on_hold").await["charge"], Value::Null);
        assert_eq!(moved(&world).await, (0, 0));
        account(&who, "acct_ok_1").await;
        payment(&shop, &issue, "paid").await;
        assert_eq!(moved(&world).await, (1, 1));

        // Paid by hand meanwhile, it is not paid again.
        let (who, issue) = submitted(&shop, "cash", None).await;
        let done = approve(&shop, &issue, json!({})).await;
        let body = json!({ "issueIds": [issue], "method": "cash", "reference": "C-1" });
        let _ = shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);
        account(&who, "acct_ok_2").await;
        let path = format!("/api/admin/payouts/{}", id(&done["payout"]));
        eventually("the payout to be given up", || async {
            let seen = shop.admin.get(&path).await.expect(200);
            (seen["status"] == "cancelled").then_some(())
        })
        .await;
        assert_eq!(moved(&world).await, (1, 1));
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

/// Whatever the provider does with the charge: one charge, one transfer.
#[tokio::test(flavor = "multi_thread")]
async fn cards_that_are_slow_busy_silent_or_to_be_confirmed_are_charged_once() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        for (place, card) in
            (1_i64..).zip(["pm_timeout_1", "pm_flaky_1", "pm_slow_1", "pm_action_1"])
        {
            payer(&shop, card).await;
            let (_, issue) = submitted(&shop, card, Some("acct_timeout_1")).await;
            approve(&shop, &issue, json!({})).await;
            if card == "pm_action_1" {
                let path = format!("/api/submissions/{issue}/payment");
                eventually("the wait for the payer", || async {
                    let seen = shop.admin.get(&path).await.expect(200)["payout"].clone();
                    (seen["charge"]["status"] == "needs_action"
                        && seen["reasons"] == json!(["payer_action_required"]))
                    .then_some(())
                })
                .await;
            }
            let paid = payment(&shop, &issue, "paid").await;
            assert_eq!(paid["reasons"], json!([]), "{card}");
            assert_eq!(moved(&world).await, (place, place), "{card}");
        }
        payer(&shop, "pm_action_decline_1").await;
        let (_, issue) = submitted(&shop, "refused", Some("acct_ok_1")).await;
        approve(&shop, &issue, json!({})).await;
        let failed = payment(&shop, &issue, "failed").await;
        assert_eq!(failed["reasons"], json!(["authentication_failed"]));
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}

/// Sixty-four approvals of one submission at once: one wins, and it is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_approvals_at_once_pay_once() {
    for (store, bus) in BOTH {
        let (world, shop) = open(store, bus).await;
        let (who, issue) = submitted(&shop, "ok", Some("acct_ok_1")).await;
        let path = format!("/api/submissions/{issue}/approve");
        let all = (0..64).map(|_| shop.admin.post(&path, json!({})));
        let answers = futures_util::future::join_all(all).await;
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        payment(&shop, &issue, "paid").await;
        assert_eq!(moved(&world).await, (1, 1));
        // Nobody is paid with their own card.
        let founder = format!("/api/products/{}/payer", shop.product);
        who.put(&founder, json!({ "paymentMethodId": "pm_1" })).await.refused(403, "ROLE_REQUIRED");
        let bad = shop.admin.put(&founder, json!({ "paymentMethodId": "4242424242424242" })).await;
        assert_eq!(bad.refused(400, "INVALID_FIELD")["errors"][0]["field"], "paymentMethodId");
        assert_eq!(shop.admin.get(&founder).await.expect(200)["payer"], Value::Null);
        Books::open(&world.config).await.when_quiet().await;
        world.close().await;
    }
}
