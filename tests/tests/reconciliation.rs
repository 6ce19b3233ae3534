//! Projections that drift are found and made anew; payouts are matched with what a bank says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use system_tests::Person;
use system_tests::check::{Books, number};
use system_tests::cluster::{Cluster, Node};
use system_tests::http::answer;
use system_tests::story::{Shop, batch, id};
use system_tests::world::{BOTH, World, eventually};
use uuid::Uuid;

const REPORT: &str = "/api/admin/reconciliation";
const PAYOUTS: &str = "/api/admin/payouts";

async fn compare(who: &Person, deep: bool) -> Value {
    who.post(REPORT, json!({ "deep": deep })).await.expect(200)
}

/// One of everything that has to do with money.
async fn everything_there_is(shop: &Shop) {
    let admin = &shop.admin;
    let issues = shop.approved(6).await;
    shop.file(&shop.tester, "low").await;
    let paid = admin.post("/api/admin/payouts/batch-pay", batch(&shop.tester, &issues[..3])).await;
    let paid = paid.expect(200)["groups"][0]["payoutId"].as_str().unwrap().to_owned();
    let void = json!({ "reason": "Sent twice" });
    admin.post(&format!("{PAYOUTS}/{paid}/void"), void).await.expect(200);
    admin
        .post("/api/admin/payouts/batch-pay", batch(&shop.tester, &issues[3..4]))
        .await
        .expect(200);
    let rule = json!({ "basisPoints": 1_000, "partnerId": shop.tester.member_id });
    admin.post("/api/admin/commissions/rules", rule).await.expect(201);
    let sale = json!({ "externalId": "order-1", "partnerId": shop.tester.member_id,
        "productId": shop.product, "amountMinor": 100_000, "currency": "KZT",
        "occurredAt": "2026-02-03T10:00:00Z" });
    admin.post("/api/admin/attributions", sale).await.expect(201);
    let period = json!({ "period": "2026-02", "partnerIds": [shop.tester.member_id] });
    let made = admin.post("/api/admin/commissions/create-payouts", period).await.expect(200);
    let covering = id(&made["payouts"][0]);
    let agreed = json!({ "partnerId": shop.tester.member_id, "amountMinor": 7_000,
        "currency": "KZT", "period": "2026-02", "notes": "Talk" });
    let manual = id(&admin.post(PAYOUTS, agreed).await.expect(201));
    for payout in [&covering, &manual] {
        admin.post(&format!("{PAYOUTS}/{payout}/approve"), json!({})).await.expect(200);
        let transfer = json!({ "method": "kaspi", "reference": "K-7" });
        admin.post(&format!("{PAYOUTS}/{payout}/mark-paid"), transfer).await.expect(200);
    }
    let void = json!({ "reason": "Not agreed" });
    admin.post(&format!("{PAYOUTS}/{manual}/void"), void).await.expect(200);
    let keeper = shop.person("keeper@shop.example", &["platform_admin"]).await;
    let schedule = json!({ "placementId": Uuid::now_v7(), "payeeId": shop.tester.member_id,
        "amountMinor": 100, "currency": "USD", "method": "bank",
        "scheduledDate": "2026-01-01T00:00:00Z" });
    let schedule = id(&keeper.post("/api/v2/payout-schedules", schedule).await.expect(201));
    let path = format!("/api/v2/payout-schedules/{schedule}/trigger");
    keeper.post(&path, json!({})).await.expect(200);
}

/// Waits until all events have arrived, and returns the deep comparison, which found nothing.
async fn at_rest(shop: &Shop) -> Value {
    eventually("agreement", || async {
        let report = compare(&shop.admin, true).await;
        let agrees = report["sums"].as_array().unwrap().iter().all(|sum| sum["agrees"] == true);
        (agrees && report["driftCount"] == 0 && report["underWayCount"] == 0).then_some(report)
    })
    .await
}

/// What a tester and the treasury see.
async fn seen(shop: &Shop) -> Vec<Value> {
    let mut all = Vec::new();
    for (who, path) in [
        (&shop.tester, "/api/me/balance"),
        (&shop.tester, "/api/me/balance/history?pageSize=50"),
        (&shop.admin, "/api/admin/ledger/accounts"),
        (&shop.admin, "/api/admin/stats/earnings?interval=day"),
        (&shop.admin, "/api/admin/stats/top-earners?currency=KZT"),
    ] {
        let mut body = who.get(path).await.expect(200);
        body.as_object_mut().unwrap().remove("asOf");
        all.push(body);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_goes_on_and_cures_what_has_drifted() {
    let binary = Path::new(env!("CARGO_BIN_EXE_node"));
    for (store, bus) in BOTH {
        let cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
        let shop = Shop::open_at(&cluster.base).await;
        let books = Books::open(&cluster.config).await;
        everything_there_is(&shop).await;
        let clean = at_rest(&shop).await;
        assert!(clean["checkedCount"].as_i64().unwrap() > 15, "{clean}");
        let before = seen(&shop).await;

        // Somebody edits a row of the projections.
        let damage = "UPDATE member_money SET earned = earned + 700";
        books.balance.conn().execute_unprepared(damage).await.unwrap();
        let found = compare(&shop.admin, false).await;
        assert_eq!(found["findings"][0]["kind"], "sum", "{found}");
        assert_eq!(found["findings"][0]["entity"], "member_money");
        let last = shop.admin.get(REPORT).await.expect(200);
        assert_eq!(last["reconciliation"]["id"], found["id"]);
        shop.tester.get(REPORT).await.refused(403, "ROLE_REQUIRED");
        let (code, said, _) = cluster.command(Node::Balance, &["job", "reconcile"], None).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("sum member_money"), "{said}");

        // A rebuild that dies half way changes nothing, and the next one goes on with it.
        let point = Some("rebuild::page=2*off->1*return");
        let (code, ..) = cluster.command(Node::Balance, &["rebuild"], point).await;
        assert_ne!(code, Some(0));
        assert_eq!(number(&books.balance, "SELECT count(*) FROM rebuilds").await, 1);
        let more = shop.approved(1).await;
        let (code, said, error) = cluster.command(Node::Balance, &["rebuild"], None).await;
        assert_eq!(code, Some(0), "{said} {error}");
        assert!(said.contains("0 ledger entries corrected"), "{said}");
        let undo = json!({ "reason": "Not for this test" });
        let body = json!({ "issueIds": more, "reason": undo["reason"] });
        let undone = shop.admin.post("/api/admin/earnings/void", body).await;
        assert!(undone.status < 500, "{}", undone.text);
        at_rest(&shop).await;
        let (code, said, _) = cluster.command(Node::Balance, &["job", "reconcile"], None).await;
        assert_eq!(code, Some(0), "{said}");
        let after = seen(&shop).await;
        assert_eq!(after[0]["totals"][0]["earnedMinor"], before[0]["totals"][0]["earnedMinor"]);
        assert_eq!(after[3], before[3]);
        let ours = "SELECT count(*) FROM audit_log WHERE action = 'balance.rebuilt'";
        assert_eq!(number(&books.balance, ours).await, 1);
        cluster.close().await;
    }
}

const CAMT: &str = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Acct><Id><IBAN>KZ86125KZT5004100100</IBAN></Id></Acct><Ntry><Amt Ccy="KZT">16000.00</Amt>
<CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>DAY</Dt></BookgDt><NtryDtls><TxDtls><RmtInf><Ustrd>Run MAY-2026</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="KZT">12.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>DAY</Dt></BookgDt></Ntry></Stmt></BkToCstmrStmt></Document>"#;

async fn import(who: &Person, query: &str, content: &str) -> system_tests::http::Answer {
    let path = format!("{REPORT}/import?{query}");
    let request = who.request(reqwest::Method::POST, &path).body(content.to_owned());
    answer(request.header("content-type", "application/octet-stream")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_leaves_as_a_payment_file_and_comes_back_as_a_statement() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        shop.approved(2).await;
        shop.balance_shows(&shop.tester, 0, 1_600_000).await;
        let run = |dry: bool| json!({ "method": "bank", "reference": "MAY-2026", "dryRun": dry });
        let plan = eventually("the plan", || async {
            let plan = shop.admin.post("/api/admin/payouts/run-batch", run(true)).await.expect(200);
            (plan["totals"][0]["amountMinor"] == 1_600_000).then_some(plan)
        })
        .await;
        let plan = plan["planId"].as_str().unwrap().to_owned();
        let payer = "debtorName=Hackorda&debtorIban=KZ86125KZT5004100100";
        let path = format!("/api/admin/payout-plans/{plan}/pain001.xml?{payer}");

        // Without an account there is no file, and who lacks one is named.
        let refused = shop.admin.get(&path).await.refused(409, "PAYEE_WITHOUT_ACCOUNT");
        assert_eq!(refused["memberIds"], json!(shop.tester.member_id), "{refused}");
        let iban = json!({ "method": "bank", "iban": "DE89 3704 0044 0532 0130 00" });
        shop.tester.put("/api/me/payout-account", iban).await.expect(200);
        shop.tester.get(&path).await.refused(403, "ROLE_REQUIRED");
        let file = shop.admin.get(&path).await;
        assert_eq!(file.headers["content-type"], "application/xml; charset=utf-8");
        assert!(file.text.contains("<IBAN>DE89370400440532013000</IBAN>"), "{}", file.text);
        assert!(file.text.contains("<InstdAmt Ccy=\"KZT\">16000.00</InstdAmt>"), "{}", file.text);
        assert!(file.text.contains("<Ustrd>MAY-2026</Ustrd>"), "{}", file.text);
        let audit = shop.admin.get("/api/admin/audit?action=plan.payment_file").await.expect(200);
        assert_eq!(audit["items"].as_array().unwrap().len(), 1, "{audit}");
        assert!(!audit.to_string().contains("DE8937"), "{audit}");
        let commit = format!("/api/admin/payout-plans/{plan}/commit");
        shop.admin.post(&commit, json!({})).await.expect(200);

        // What the bank says of it is matched by the reference in its text.
        let today = shop.admin.get("/api/me/balance").await.expect(200);
        let statement = CAMT.replace("DAY", &today["asOf"].as_str().unwrap()[..10]);
        let imported = import(&shop.admin, "format=camt053&method=bank", &statement).await;
        let body = imported.expect(201);
        assert_eq!((&body["lineCount"], &body["matchedCount"]), (&json!(2), &json!(1)), "{body}");
        assert_eq!(body["lines"][0]["matchedBy"], "reference");
        assert_eq!(body["lines"][1]["matchedBy"], Value::Null);
        assert_eq!(body["unmatchedPayouts"], json!([]));
        let again = import(&shop.admin, "format=camt053&method=bank", &statement).await;
        assert_eq!(again.expect(200)["id"], body["id"]);
        let path = format!("{REPORT}/statements/{}", id(&body));
        assert_eq!(shop.admin.get(&path).await.expect(200)["lines"], body["lines"]);
        let listed = shop.admin.get(&format!("{REPORT}/statements")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><Document>&b;</Document>";
        let bomb = import(&shop.admin, "format=camt053", bomb).await;
        bomb.refused(400, "BANK_STATEMENT_INVALID");
        let long = "x".repeat(3 * 1024 * 1024 + 1);
        import(&shop.admin, "format=camt053", &long).await.refused(413, "BODY_TOO_LARGE");
        let csv = import(&shop.admin, "format=csv", "a,b\n").await;
        csv.refused(400, "INVALID_FIELD");
        shop.tester.get(&format!("{REPORT}/statements")).await.refused(403, "ROLE_REQUIRED");
        world.close().await;
    }
}
