//! The work side of S0: rates, bulk decisions, totals, lists, and what a balance is made of.

use serde_json::{Value, json};
use system_tests::check::{Books, number};
use system_tests::story::{Shop, batch, id, payment};
use system_tests::world::{BOTH, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_override_prices_its_severity_and_the_default_the_others() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let path = format!("/api/test-cycles/{}", shop.cycle);
        let rates = json!({ "payoutRates": { "critical": 18_000_000 } });
        let cycle = shop.admin.patch(&path, rates).await.expect(200);
        assert_eq!(cycle["payoutRates"]["critical"], json!(18_000_000), "{cycle}");
        let suggested = async |severity: &str| {
            let issue = shop.file(&shop.tester, severity).await;
            let issue = shop.admin.get(&shop.issue_path(&issue)).await.expect(200);
            issue["suggestedAmount"].clone()
        };
        assert_eq!(
            suggested("critical").await,
            json!({ "amountMinor": 18_000_000, "currency": "KZT" })
        );
        assert_eq!(suggested("high").await, json!({ "amountMinor": 800_000, "currency": "KZT" }));

        // The waiting amount of the balance follows the rates at once (an estimate at current rates).
        let awaiting = |expected: i64| {
            let tester = shop.tester.clone();
            async move {
                eventually("the estimate", || async {
                    let balance = tester.get("/api/me/balance").await.expect(200);
                    (balance["totals"][0]["awaitingMinor"] == expected).then_some(())
                })
                .await;
            }
        };
        awaiting(18_800_000).await;
        shop.admin.patch(&path, json!({ "payoutRates": null })).await.expect(200);
        awaiting(2_300_000).await;

        // Another currency with all four rates is taken as a whole.
        let dollars = json!({ "payoutRates": {
            "critical": 5_000, "high": 2_000, "medium": 500, "low": 100, "currency": "USD" } });
        shop.admin.patch(&path, dollars).await.expect(200);
        assert_eq!(suggested("low").await, json!({ "amountMinor": 100, "currency": "USD" }));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_negative_end_rejects_the_payout_and_a_reopened_one_may_be_approved() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        for end in ["duplicate", "rejected", "cant_reproduce", "wont_fix"] {
            let issue = shop.file(&shop.tester, "low").await;
            let path = shop.issue_path(&issue);
            let ended = shop.admin.patch(&path, json!({ "status": end })).await.expect(200);
            assert_eq!(
                (&ended["status"], &ended["payoutStatus"]),
                (&json!(end), &json!("rejected"))
            );
            let reopened = shop
                .admin
                .patch(&path, json!({ "status": "open", "reason": "seen again" }))
                .await
                .expect(200);
            assert_eq!(reopened["status"], json!("open"));
        }
        // An approved, unpaid issue that turns out to be a duplicate is no longer owed.
        let issue = shop.approved(1).await.remove(0);
        shop.balance_shows(&shop.tester, 0, 800_000).await;
        let path = shop.issue_path(&issue);
        let ended = shop.admin.patch(&path, json!({ "status": "duplicate" })).await.expect(200);
        assert_eq!(ended["payoutStatus"], json!("rejected"));
        eventually("the amount to leave the balance", || async {
            let balance = shop.tester.get("/api/me/balance").await.expect(200);
            let pending = balance["totals"][0]["pendingMinor"].as_i64().unwrap_or_default();
            (pending == 0).then_some(())
        })
        .await;
        shop.admin.post(&shop.payments_path(&issue), payment()).await.refused(409, "NOT_PAYABLE");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_approve_takes_an_override_per_row_and_answers_row_by_row() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = [
            shop.file(&shop.tester, "low").await,
            shop.file(&shop.tester, "low").await,
            shop.file(&shop.admin, "low").await,
        ];
        let body = json!({ "decisions": [
            { "issueId": issues[0], "decision": "approve" },
            { "issueId": issues[1], "decision": "approve", "amountMinor": 123_400, "currency": "KZT" },
            { "issueId": issues[2], "decision": "approve" },
        ] });
        let done = shop.admin.post("/api/admin/triage/decide", body).await.expect(200);
        let results = done["results"].as_array().unwrap();
        assert_eq!(results[0]["amountMinor"], json!(100_000), "{done}");
        assert_eq!(results[1]["amountMinor"], json!(123_400), "{done}");
        assert_eq!(
            (&results[2]["ok"], &results[2]["code"]),
            (&json!(false), &json!("SELF_APPROVAL"))
        );
        let none = shop.admin.post("/api/admin/triage/decide", json!({ "decisions": [] })).await;
        assert_eq!(none.status, 400, "{}", none.text);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_totals_by_currency_and_all_issues_filter() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let dollars = shop.file(&shop.tester, "low").await;
        let custom = json!({ "payoutStatus": "approved", "amountMinor": 5_000, "currency": "USD" });
        shop.admin.patch(&shop.issue_path(&dollars), custom).await.expect(200);
        let pay = batch(&shop.tester, &issues[..1]);
        shop.admin.post("/api/admin/payouts/batch-pay", pay).await.expect(200);
        let path = format!("/api/test-cycles/{}/totals", shop.cycle);
        let totals = eventually("the paid total", || async {
            let totals = shop.admin.get(&path).await.expect(200);
            (totals["paid"].as_array()?.len() == 1).then_some(totals)
        })
        .await;
        assert_eq!(totals["paid"][0]["amountMinor"], json!(800_000), "{totals}");
        assert_eq!(totals["approvedUnpaid"].as_array().unwrap().len(), 2, "{totals}");
        assert_eq!(totals["committed"][0]["amountMinor"], json!(1_600_000), "{totals}");

        let list = async |query: &str| {
            let page = shop.admin.get(&format!("/api/issues?{query}")).await.expect(200);
            page["items"].as_array().unwrap().len()
        };
        assert_eq!(list("payoutStatus=paid").await, 1);
        assert_eq!(list("payoutStatus=approved").await, 2);
        assert_eq!(list("severity=low").await, 1);
        assert_eq!(list(&format!("cycle={}", shop.cycle)).await, 3);
        assert_eq!(list(&format!("reporter={}", shop.admin.member_id)).await, 0);
        assert_eq!(list("q=safari").await, 3);
        let mine = shop.tester.get("/api/issues").await.expect(200);
        assert_eq!(mine["items"].as_array().unwrap().len(), 3, "My Reports is the tester's view");

        // Pages are complete and without repetition.
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = format!("/api/issues?pageSize=2&pageToken={token}");
            let page = shop.admin.get(&page).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(id));
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 3);
        shop.admin.get("/api/issues?pageToken=nonsense").await.refused(400, "PAGE_TOKEN_INVALID");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_sees_which_bugs_of_a_cycle_paid_out() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let other = json!({ "productId": shop.product, "name": "Second sweep" });
        let other = id(&shop.admin.post("/api/test-cycles", other).await.expect(201));
        let paid = shop.approved(1).await.remove(0);
        shop.file_in(&other, &shop.tester, "low", "=HYPERLINK(\"x\")").await;
        shop.admin.post(&shop.payments_path(&paid), payment()).await.expect(201);
        shop.balance_shows(&shop.tester, 800_000, 0).await;
        let lines = async |cycle: &str| -> Vec<Value> {
            let path = format!("/api/me/balance/history?cycle={cycle}");
            let page = shop.tester.get(&path).await.expect(200);
            page["items"].as_array().unwrap().clone()
        };
        let first = lines(&shop.cycle).await;
        assert_eq!(first.len(), 1);
        assert_eq!(
            (&first[0]["payoutStatus"], &first[0]["method"]),
            (&json!("paid"), &json!("kaspi"))
        );
        assert_eq!(first[0]["why"], json!("default rate, high"), "{}", first[0]);
        eventually("the second report", || async {
            (lines(&other).await.len() == 1).then_some(())
        })
        .await;
        let stranger = shop.person("stranger@shop.example", &["member"]).await;
        let none = stranger.get("/api/me/balance").await.expect(200);
        assert_eq!((&none["totals"], &none["filedCount"]), (&json!([]), &json!(0)));
        assert_eq!(none["acceptanceRate"], Value::Null);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_by_the_gate_is_told_and_audited_with_its_source() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let gate = json!({ "requiresVerification": true });
        shop.admin.patch(&format!("/api/test-cycles/{}", shop.cycle), gate).await.expect(200);
        let issue = shop.approved(1).await;
        shop.admin
            .post(&shop.payments_path(&issue[0]), payment())
            .await
            .refused(400, "ISSUE_NOT_VERIFIED");
        let body = batch(&shop.tester, &issue);
        let path = "/api/admin/payouts/batch-pay";
        shop.admin.post(path, body).await.refused(400, "ISSUE_NOT_VERIFIED");
        let books = Books::open(&world.config).await;
        let denials = "SELECT count(*) FROM audit_log WHERE action = 'payout.gate_blocked' AND event_id IS NOT NULL";
        assert_eq!(number(&books.payouts, denials).await, 2);
        for source in ["manual", "batch_pay"] {
            let sql = format!("{denials} AND after LIKE '%{source}%'");
            assert_eq!(number(&books.payouts, &sql).await, 1, "{source}");
        }
        let log = shop.admin.get("/api/admin/audit").await.expect(200);
        assert!(
            log["items"].as_array().unwrap().iter().any(|e| e["action"] == "payout.gate_blocked")
        );
        world.close().await;
    }
}
