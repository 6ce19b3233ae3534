//! A balance that explains itself, and the book behind it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::{Value, json};
use system_tests::http::{Person, answer};
use system_tests::story::{Shop, batch};
use system_tests::world::{BOTH, World};

fn minor(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// A figure as the balance says it, and the sum of its lines.
async fn explained(who: &Person, figure: &str) -> (i64, i64, Vec<Value>) {
    let path = format!("/api/me/balance/explain?figure={figure}");
    let found = who.get(&path).await.expect(200);
    let lines = found["lines"].as_array().unwrap().clone();
    let sum = lines.iter().map(|line| minor(&line["amount"]["amountMinor"])).sum();
    (found["totals"][0]["amountMinor"].as_i64().unwrap_or_default(), sum, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_explains_itself_and_the_book_behind_it_is_proven() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(3).await;
        let open = shop.file(&shop.tester, "low").await;
        shop.balance_shows(&shop.tester, 0, 2_400_000).await;
        let before = shop.tester.get("/api/me/balance").await.expect(200);
        let before = before["asOf"].as_str().unwrap().to_owned();
        let paid = batch(&shop.tester, &issues[..2]);
        shop.admin.post("/api/admin/payouts/batch-pay", paid).await.expect(200);
        shop.balance_shows(&shop.tester, 1_600_000, 800_000).await;

        // Every figure opens to its lines.
        let (figure, sum, lines) = explained(&shop.tester, "earned").await;
        assert_eq!((figure, sum, lines.len()), (1_600_000, 1_600_000, 2));
        assert_eq!(lines[0]["why"], json!("default rate, high"));
        let kinds: Vec<&str> = lines[0]["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds.first(), Some(&"issue.created"));
        assert!(kinds.contains(&"issue.approved"), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&"payout.issue_paid"));
        let (figure, sum, lines) = explained(&shop.tester, "awaiting").await;
        assert_eq!((figure, sum), (100_000, 100_000));
        assert_eq!(lines[0]["issueId"], json!(open));
        let cycle = format!("cycle:{}", shop.cycle);
        assert_eq!(explained(&shop.tester, &cycle).await.0, 1_600_000);
        let unknown = shop.tester.get("/api/me/balance/explain?figure=luck").await;
        unknown.refused(400, "INVALID_FIELD");

        // The balance before the payment is still known.
        let path = format!("/api/me/balance?asOf={before}");
        let past = shop.tester.get(&path).await.expect(200);
        assert_eq!(past["totals"][0]["pendingMinor"], json!(2_400_000));
        assert_eq!(past["totals"][0]["earnedMinor"], json!(0));

        statements(&shop).await;
        book(&shop).await;
        charts(&shop).await;
        proven_file(&shop).await;
        world.close().await;
    }
}

/// The statement of this month, as JSON, as CSV and as a page.
async fn statements(shop: &Shop) {
    let now = shop.tester.get("/api/me/balance").await.expect(200);
    let month = now["asOf"].as_str().unwrap()[..7].to_owned();
    let path = format!("/api/me/balance/statement?period={month}");
    let statement = shop.tester.get(&format!("{path}&format=json")).await.expect(200);
    assert_eq!(statement["opening"], json!([]));
    assert_eq!(statement["closing"][0]["paidMinor"], json!(1_600_000));
    assert_eq!(statement["closing"][0]["owedMinor"], json!(800_000));
    let change = |name: &str| -> i64 {
        let lines = statement["lines"].as_array().unwrap();
        lines.iter().map(|line| minor(&line["change"][name])).sum()
    };
    assert_eq!((change("paidMinor"), change("owedMinor")), (1_600_000, 800_000));
    let csv = shop.tester.request(reqwest::Method::GET, &path).header("accept", "text/csv");
    let csv = answer(csv).await.unwrap();
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.text.lines().last().unwrap().contains("closing,,KZT,8000.00,16000.00,0.00"));
    let page = shop.tester.get(&path).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert!(page.text.contains("₸16,000.00"), "{}", page.text);
    shop.tester.get("/api/me/balance/statement?period=2026").await.refused(400, "INVALID_FIELD");
}

/// What the treasury sees, and a member does not.
async fn book(shop: &Shop) {
    let accounts = shop.admin.get("/api/admin/ledger/accounts").await.expect(200);
    let held = |name: &str| {
        let items = accounts["items"].as_array().unwrap();
        items.iter().find(|account| account["account"] == name).map(|a| minor(&a["balanceMinor"]))
    };
    let payable = format!("payable:{}:KZT", shop.tester.member_id);
    assert_eq!(held("payer_due:organization:KZT"), Some(2_400_000));
    assert_eq!(held("rail:kaspi:KZT"), Some(-1_600_000));
    assert_eq!(held(&payable), Some(-800_000));
    let entries = format!("/api/admin/ledger/accounts/{payable}/entries?pageSize=2");
    let entries = shop.admin.get(&entries).await.expect(200);
    assert_eq!(entries["items"][0]["eventType"], json!("payout.issue_paid"));
    assert_eq!(entries["items"][0]["balanceMinor"], json!(-800_000));
    assert!(entries["nextPageToken"].is_string());
    let proof = shop.admin.get("/api/admin/ledger/verify").await.expect(200);
    assert_eq!(proof["ok"], json!(true), "{proof}");
    assert_eq!((&proof["entries"], &proof["sums"][0]["sumMinor"]), (&json!(5), &json!(0)));
    shop.tester.get("/api/admin/ledger/accounts").await.refused(403, "ROLE_REQUIRED");
    let stranger = Shop::open_at(&shop.admin.base).await;
    let nothing = stranger.admin.get("/api/admin/ledger/accounts").await.expect(200);
    assert_eq!(nothing["items"], json!([]));
}

/// What was paid this month, and who earned the most.
async fn charts(shop: &Shop) {
    let path = "/api/admin/stats/earnings?interval=month";
    let chart = shop.admin.get(path).await.expect(200);
    let paid: i64 =
        chart["buckets"].as_array().unwrap().iter().map(|b| minor(&b["paidMinor"])).sum();
    assert_eq!(paid, 1_600_000, "{chart}");
    let top = shop.admin.get("/api/admin/stats/top-earners?currency=KZT").await.expect(200);
    assert_eq!(top["items"][0]["memberId"], json!(shop.tester.member_id));
    assert_eq!(top["items"][0]["earned"]["amountMinor"], json!(1_600_000));
    shop.tester.get(path).await.refused(403, "ROLE_REQUIRED");
    let year = shop.admin.get("/api/admin/stats/earnings?interval=year").await;
    year.refused(400, "INVALID_FIELD");
}

/// The export is checked by nothing but itself.
async fn proven_file(shop: &Shop) {
    let file = shop.tester.get("/api/me/balance/export.csv?trailer=true").await;
    let proof = quittance_balance::command::prove(file.text.as_bytes()).unwrap().unwrap();
    assert_eq!((proof.rows, proof.sums[0].minor()), (2, 1_600_000));
    let changed = file.text.replace("8000.00", "9000.00");
    assert!(quittance_balance::command::prove(changed.as_bytes()).unwrap().is_err());
}
