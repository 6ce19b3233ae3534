//! The audit log over REST: one list, filters, the proof of the chains, and refusals.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;

use quittance_chassis::audit::command;
use quittance_chassis::db::Db;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use system_tests::Person;
use system_tests::check::{Books, number};
use system_tests::http::Answer;
use system_tests::story::{Shop, batch, payment};
use system_tests::world::{BOTH, World, eventually};
use uuid::Uuid;

const LOG: &str = "/api/admin/audit";
const PROOF: &str = "/api/admin/audit/verify";

async fn rows(who: &Person, query: &str) -> Vec<Value> {
    let page = who.get(&format!("{LOG}?pageSize=200{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

fn words(rows: &[Value], field: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_all_services_are_one_list_with_filters_and_pages() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let body = batch(&shop.tester, &issues);
        shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);

        // The mirrors of the payments are decisions too; then nothing is under way any more.
        let mirrors = || async {
            let found = rows(&shop.admin, "&action=issue.payment_mirrored").await;
            (found.len() == 2).then_some(())
        };
        eventually("the mirrors", mirrors).await;
        let all = rows(&shop.admin, "").await;
        let services = words(&all, "service");
        assert!(services.contains("issues") && services.contains("payouts"), "{services:?}");
        let times: Vec<_> = all.iter().map(|row| row["time"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
        for row in &all {
            for field in ["id", "action", "entity", "entityId", "actorRole", "requestId"] {
                assert!(row[field].is_string(), "{field}: {row}");
            }
            assert!(row.get("impersonatorId").is_some() && row.get("before").is_some());
        }

        // Two at a time are the same rows in the same order.
        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let page = shop.admin.get(&format!("{LOG}?pageSize=2{token}")).await.expect(200);
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["nextPageToken"].as_str() else { break };
            token = format!("&pageToken={next}");
        }
        let known: BTreeSet<_> = words(&all, "id");
        paged.retain(|row| known.contains(row["id"].as_str().unwrap()));
        assert_eq!(paged, all);
        let mixed = format!("{LOG}?pageSize=2&action=x{token}");
        shop.admin.get(&mixed).await.refused(400, "PAGE_TOKEN_INVALID");

        let approved = rows(&shop.admin, "&action=issue.approved").await;
        assert_eq!(words(&approved, "entityId"), issues.iter().cloned().collect());
        let one = rows(&shop.admin, &format!("&entityId={}", issues[0])).await;
        assert!(one.len() >= 2 && words(&one, "entity") == ["issue".to_owned()].into());
        let paid = rows(&shop.admin, "&service=payouts&action=payout.paid").await;
        assert_eq!(paid.len(), 1);
        assert_eq!(paid[0]["actorId"], json!(shop.admin.member_id));
        let filed = rows(&shop.admin, &format!("&actorId={}", shop.tester.member_id)).await;
        assert_eq!(words(&filed, "actorRole"), ["member".to_owned()].into());
        assert_eq!(
            words(&rows(&shop.admin, "&entity=cycle").await, "entityId"),
            [shop.cycle.clone()].into()
        );
        let from = approved[0]["time"].as_str().unwrap();
        let (later, sooner) = (
            rows(&shop.admin, &format!("&from={from}")).await,
            rows(&shop.admin, &format!("&to={from}")).await,
        );
        assert_eq!(later.len() + sooner.len(), all.len());
        assert!(later.contains(&approved[0]) && !sooner.contains(&approved[0]));
        for bad in ["&entityId=x", "&from=yesterday", "&service=mail", "&colour=red"] {
            let answer = shop.admin.get(&format!("{LOG}?pageSize=1{bad}")).await;
            assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
        }

        for role in ["member", "lead", "finance"] {
            let who = shop.person(&format!("{role}@shop.example"), &[role]).await;
            who.get(LOG).await.refused(403, "ROLE_REQUIRED");
            who.get(PROOF).await.refused(403, "ROLE_REQUIRED");
        }
        let auditor = shop.person("auditor@shop.example", &["auditor"]).await;
        assert!(rows(&auditor, "").await.len() >= all.len());
        let stranger = Shop::open(&world).await;
        let theirs = rows(&stranger.admin, "").await;
        assert!(words(&theirs, "id").is_disjoint(&known));
        world.close().await;
    }
}

async fn tamper(db: &Db, sql: &str) {
    let unguard = if db.is_postgres() {
        "ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only"
    } else {
        "DROP TRIGGER audit_log_no_update"
    };
    db.conn().execute_unprepared(unguard).await.unwrap();
    db.conn().execute_unprepared(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_proven_and_names_the_first_row_that_was_changed() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let body = batch(&shop.tester, &issues);
        shop.admin.post("/api/admin/payouts/batch-pay", body).await.expect(200);
        let proof = eventually("the seals", || async {
            let proof = shop.admin.get(PROOF).await.expect(200);
            let services = proof["services"].as_array().unwrap();
            services.iter().all(|s| s["rowsUnsealed"] == json!(0)).then_some(proof)
        })
        .await;
        assert_eq!(proof["ok"], json!(true), "{proof}");
        assert_eq!(words(proof["services"].as_array().unwrap(), "service").len(), 3);
        assert!(proof["services"][1]["rowsSealed"].as_i64().unwrap() >= 3, "{proof}");
        let books = Books::open(&world.config).await;
        command::run(&[books.issues.clone(), books.payouts.clone(), books.balance.clone()])
            .await
            .unwrap();

        let change = "UPDATE audit_log SET actor_role = 'member' WHERE action = 'payout.paid'";
        tamper(&books.payouts, change).await;
        let platform = shop.person("platform@shop.example", &["platform_admin"]).await;
        let proof = platform.get(PROOF).await.expect(200);
        assert_eq!(proof["ok"], json!(false));
        assert_eq!(proof["services"][0]["ok"], json!(true));
        let broken = &proof["services"][1]["firstBroken"];
        assert_eq!(broken["what"], json!("changed"), "{proof}");
        let row = rows(&shop.admin, "&action=payout.paid").await;
        assert_eq!(broken["auditId"], row[0]["id"]);
        let error = command::run(&[books.issues, books.payouts]).await.unwrap_err();
        assert!(error.to_string().contains("payouts") && !error.to_string().contains("issues"));
        world.close().await;
    }
}

/// Everything that a refused write must leave alone.
const KEPT: [(bool, &[&str]); 2] = [
    (false, &["products", "cycles", "issues", "members", "notifications", "idempotency_keys"]),
    (true, &["earnings", "payouts", "payout_items", "batches", "plans", "plan_items"]),
];

async fn kept(books: &Books) -> Vec<(&'static str, i64, i64)> {
    let mut all = Vec::new();
    for (money, tables) in KEPT {
        let db = if money { &books.payouts } else { &books.issues };
        for table in tables {
            let count = number(db, &format!("SELECT count(*) FROM {table}")).await;
            let versioned = ["products", "cycles", "issues", "members", "earnings", "plans"];
            let versions = if versioned.contains(table) {
                let sum = "CAST(coalesce(sum(version), 0) AS bigint)";
                number(db, &format!("SELECT {sum} FROM {table}")).await
            } else {
                0
            };
            all.push((*table, count, versions));
        }
    }
    all
}

async fn audited(books: &Books) -> i64 {
    let sql = "SELECT count(*) FROM audit_log";
    number(&books.issues, sql).await + number(&books.payouts, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refused_write_leaves_one_audit_row_and_nothing_else() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let lead = shop.person("lead@shop.example", &["lead"]).await;
        let (admin, tester) = (&shop.admin, &shop.tester);
        let own = shop.file(admin, "high").await;
        let filed = shop.file(tester, "low").await;
        let approved = shop.approved(2).await;
        admin.post(&shop.payments_path(&approved[0]), payment()).await.expect(201);
        let run = json!({ "method": "kaspi", "reference": "MAY", "dryRun": true });
        let plan = admin.post("/api/admin/payouts/run-batch", run.clone()).await.expect(200);
        let plan = format!("/api/admin/payout-plans/{}", plan["planId"].as_str().unwrap());
        admin.post(&format!("{plan}/cancel"), json!({})).await.expect(200);
        let books = Books::open(&world.config).await;
        // The mirror of the payment is a write too; it must be over.
        let mirrored = "SELECT count(*) FROM audit_log WHERE action = 'issue.payment_mirrored'";
        let seen = || async { (number(&books.issues, mirrored).await == 1).then_some(()) };
        eventually("the mirror", seen).await;

        let one = |decision: &str, issue: &str| json!({ "decisions": [{ "issueId": issue, "decision": decision }] });
        let cycle = json!({ "name": "mine now" });
        let verify = json!({ "issueIds": [filed] });
        let product = json!({ "name": "Another", "key": "SHP" });
        let posts: [(&Person, String, Value, &str, &str); 11] = [
            (tester, "/api/products".into(), product.clone(), "product.denied", "ROLE_REQUIRED"),
            (&lead, "/api/products".into(), product.clone(), "product.denied", "ROLE_REQUIRED"),
            (admin, "/api/products".into(), product, "product.denied", "PRODUCT_KEY_TAKEN"),
            (
                tester,
                "/api/admin/payouts/run-batch".into(),
                run,
                "organization.denied",
                "ROLE_REQUIRED",
            ),
            (tester, format!("{plan}/commit"), json!({}), "plan.denied", "ROLE_REQUIRED"),
            (admin, format!("{plan}/commit"), json!({}), "plan.denied", "PLAN_NOT_OPEN"),
            (admin, format!("{plan}/cancel"), json!({}), "plan.denied", "PLAN_NOT_OPEN"),
            (
                admin,
                "/api/admin/triage/decide".into(),
                one("approve", &own),
                "issue.denied",
                "SELF_APPROVAL",
            ),
            (
                admin,
                "/api/admin/triage/decide".into(),
                one("reject", &approved[0]),
                "issue.denied",
                "INVALID_TRANSITION",
            ),
            (admin, "/api/issues/bulk-verify".into(), verify, "issue.denied", ""),
            (admin, shop.payments_path(&approved[0]), payment(), "payout.refused", "already_paid"),
        ];
        let before = kept(&books).await;
        for (who, path, body, action, reason) in posts {
            let count = audited(&books).await;
            let answer = who.post(&path, body).await;
            one_row(&books, &shop, count, &answer, &path, (action, reason)).await;
        }
        let patches = [
            (tester, shop.issue_path(&filed), json!({ "status": "verified" }), "issue.denied"),
            (admin, shop.issue_path(&filed), json!({ "status": "draft" }), "issue.denied"),
            (admin, shop.issue_path(&own), json!({ "payoutStatus": "approved" }), "issue.denied"),
            (tester, format!("/api/test-cycles/{}", shop.cycle), cycle, "cycle.denied"),
        ];
        for (who, path, body, action) in patches {
            let count = audited(&books).await;
            let answer = who.patch(&path, body).await;
            one_row(&books, &shop, count, &answer, &path, (action, "")).await;
        }

        // Bad input and unknown ids are no refusals, and looking is no write.
        let count = audited(&books).await;
        assert_eq!(admin.post("/api/products", json!({ "name": 1 })).await.status, 400);
        let unknown = shop.issue_path(&Uuid::now_v7().to_string());
        assert_eq!(admin.patch(&unknown, json!({ "status": "verified" })).await.status, 404);
        assert_eq!(tester.get(LOG).await.status, 403);
        assert_eq!(audited(&books).await, count);
        assert_eq!(kept(&books).await, before);
        world.close().await;
    }
}

async fn one_row(
    books: &Books,
    shop: &Shop,
    count: i64,
    answer: &Answer,
    path: &str,
    (action, reason): (&str, &str),
) {
    let refused = answer.status >= 400 || answer.json()["results"][0]["ok"] == json!(false);
    assert!(refused && answer.status < 500, "{path}: {}", answer.text);
    assert_eq!(audited(books).await, count + 1, "{path}: {}", answer.text);
    let last = rows(&shop.admin, &format!("&action={action}")).await;
    let told = last[0]["reason"].as_str().unwrap_or_default();
    assert!(!told.is_empty() && told.contains(reason), "{path}: {}", last[0]);
}
