//! S0-2: file → triage → approve → batch-pay → the tester sees it in the balance and downloads CSV.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::check::Books;
use system_tests::story::{Shop, batch, payment};
use system_tests::world::{BOTH, EVERYWHERE, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_loop_runs_on_both_databases_and_both_buses() {
    for (store, bus) in EVERYWHERE {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;

        // The tester files; the admin finds it in the inbox, worst first.
        let low = shop.file(&shop.tester, "low").await;
        let critical = shop.file(&shop.tester, "critical").await;
        let inbox = shop.admin.get("/api/admin/triage").await.expect(200);
        assert_eq!((&inbox["issueCount"], &inbox["cycleCount"]), (&json!(2), &json!(1)));
        let order: Vec<_> = ids(&inbox["items"]);
        assert_eq!(order, [critical.clone(), low.clone()]);

        // One decision is status, review and price (S0-75).
        let decided = json!({ "decisions": [
            { "issueId": critical, "decision": "approve" },
            { "issueId": low, "decision": "reject", "reason": "cannot be seen" },
        ] });
        let decided = shop.admin.post("/api/admin/triage/decide", decided).await.expect(200);
        assert_eq!(decided["results"][0]["amountMinor"], json!(1_500_000), "{decided}");
        assert_eq!(decided["results"][1]["payoutStatus"], json!("rejected"), "{decided}");
        let seen = shop.tester.get(&shop.issue_path(&critical)).await.expect(200);
        assert_eq!(seen["payoutStatus"], json!("approved"));
        assert_eq!(seen["status"], json!("triaged"));
        assert_eq!(seen["payable"], json!(true));
        shop.balance_shows(&shop.tester, 0, 1_500_000).await;

        // The admin pays the queue.
        let queue = eventually("the pay queue", || async {
            let page = shop.admin.get("/api/admin/payouts").await.expect(200);
            (page["payQueue"].as_array()?.len() == 1).then_some(page)
        })
        .await;
        assert_eq!(queue["payQueue"][0]["testerId"], json!(shop.tester.member_id));
        assert_eq!(queue["payQueue"][0]["totals"][0]["amountMinor"], json!(1_500_000));
        let paid = batch(&shop.tester, &ids_of(&queue["payQueue"][0]["issueIds"]));
        let paid = shop.admin.post("/api/admin/payouts/batch-pay", paid).await.expect(200);
        assert_eq!(paid["totals"][0]["amountMinor"], json!(1_500_000));
        assert_eq!(paid["groups"][0]["issueIds"], json!([critical]));

        // The tester sees it within a second, and downloads it.
        let balance = shop.balance_shows(&shop.tester, 1_500_000, 0).await;
        assert_eq!(balance["filedCount"], json!(2));
        assert_eq!(balance["acceptedCount"], json!(1));
        let history = shop.tester.get("/api/me/balance/history").await.expect(200);
        let line =
            history["items"].as_array().unwrap().iter().find(|line| line["method"] == "kaspi");
        assert!(line.is_some(), "{history}");
        let csv = shop.tester.get("/api/me/balance/export.csv").await;
        assert_eq!(csv.status, 200, "{}", csv.text);
        let rows: Vec<_> = csv.text.lines().collect();
        assert_eq!(rows[0], "date,cycle,issue,severity,amount,currency,method,reference");
        assert_eq!(rows.len(), 2, "{}", csv.text);
        assert!(rows[1].ends_with(",critical,15000.00,KZT,kaspi,KASPI-1"), "{}", rows[1]);

        // The issue itself follows, and cannot be paid again.
        eventually("the issue to be paid", || async {
            let issue = shop.admin.get(&shop.issue_path(&critical)).await.expect(200);
            (issue["payoutStatus"] == "paid").then_some(())
        })
        .await;
        let again = shop.admin.post(&shop.payments_path(&critical), payment()).await;
        again.refused(409, "NOT_PAYABLE");

        let books = Books::open(&world.config).await;
        let counts = books.when_quiet().await;
        assert_eq!(counts.paid_items, 1);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_of_the_seed_selects_three_testers_and_pays_them_in_one_batch() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut groups = Vec::new();
        for (name, severities) in
            [("a", vec!["critical", "low"]), ("b", vec!["high"]), ("c", vec!["medium", "medium"])]
        {
            let tester = shop.person(&format!("{name}@shop.example"), &["member"]).await;
            let mut issues = Vec::new();
            for severity in severities {
                let issue = shop.file(&tester, severity).await;
                shop.approve(&issue).await;
                issues.push(issue);
            }
            groups.push(json!({ "testerId": tester.member_id, "issueIds": issues,
                                "method": "kaspi", "reference": format!("K-{name}") }));
        }
        let body = json!({ "groups": groups });
        let paid = shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);
        assert_eq!(paid["groups"].as_array().unwrap().len(), 3);
        assert_eq!(
            paid["totals"],
            json!([{ "currency": "KZT", "amountMinor": 3_000_000, "count": 5 }])
        );
        let list = shop.admin.get("/api/admin/payouts/list").await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 3);
        let page = eventually("the totals", || async {
            let page = shop.admin.get("/api/admin/payouts").await.expect(200);
            (page["aggregate"]["paidLifetime"][0]["amountMinor"] == 3_000_000).then_some(page)
        })
        .await;
        assert_eq!(page["payQueue"], json!([]));
        assert_eq!(page["aggregate"]["topTester"]["amountMinor"], json!(1_600_000));
        world.close().await;
    }
}

fn ids(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn ids_of(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}
