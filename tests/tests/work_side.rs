//! The work side over REST: verifying many, the history of rates, members, duplicates and search.

use serde_json::{Value, json};
use system_tests::Shop;
use system_tests::story::{id, payment};
use system_tests::world::{BOTH, World};

const BULK_VERIFY: &str = "/api/issues/bulk-verify";

async fn second_cycle(shop: &Shop) -> String {
    let cycle = json!({ "productId": shop.product, "name": "Second sweep" });
    id(&shop.admin.post("/api/test-cycles", cycle).await.expect(201))
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_verify_verifies_each_issue_by_itself_and_once_per_key() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let lead = shop.person("lead@shop.example", &["lead"]).await;
        let cycle = format!("/api/test-cycles/{}", shop.cycle);
        let gate = json!({ "requiresVerification": true, "leadIds": [lead.member_id] });
        let _ = shop.admin.patch(&cycle, gate).await.expect(200);
        let mut issues = shop.approved(2).await;
        issues.push(shop.file(&shop.tester, "low").await);
        let other = second_cycle(&shop).await;
        issues.push(shop.file_in(&other, &shop.tester, "low", "Elsewhere").await);

        // A lead verifies in the cycles that they lead; of others they know nothing.
        let body = json!({ "issueIds": issues });
        let done = lead.post_once(BULK_VERIFY, "verify-1", &body).await;
        let done = done.expect(200);
        let results = done["results"].as_array().unwrap();
        let ok: Vec<&Value> = results.iter().map(|result| &result["ok"]).collect();
        assert_eq!(ok, [true, true, false, false], "{done}");
        assert_eq!(results[0]["issueId"], json!(issues[0]));
        assert_eq!(results[0]["verifiedBy"], json!(lead.member_id), "{done}");
        assert_eq!(results[0]["payable"], json!(true), "{done}");
        assert!(results[0]["resolvedAt"].is_string(), "{done}");
        assert_eq!(results[2]["code"], json!("INVALID_TRANSITION"), "{done}");
        assert_eq!(results[3]["code"], json!("ISSUE_NOT_FOUND"), "{done}");

        // Again with the same key: the same answer, and nothing happens. With another: refused.
        let again = lead.post_once(BULK_VERIFY, "verify-1", &body).await;
        assert!(again.headers.contains_key("idempotency-replayed"), "{again:?}");
        assert_eq!(again.expect(200), done);
        let reused = json!({ "issueIds": issues[..1] });
        let reused = lead.post_once(BULK_VERIFY, "verify-1", &reused).await;
        reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
        let late = lead.post(BULK_VERIFY, json!({ "issueIds": issues[..1] })).await.expect(200);
        assert_eq!(late["results"][0]["code"], json!("INVALID_TRANSITION"), "{late}");

        // S1-33: who and when stands on the issue; and it can be paid.
        let seen = shop.tester.get(&shop.issue_path(&issues[0])).await.expect(200);
        assert_eq!(seen["verifiedBy"], json!(lead.member_id), "{seen}");
        assert_eq!(seen["resolvedAt"], results[0]["resolvedAt"], "{seen}");
        let _ = shop.admin.post(&shop.payments_path(&issues[0]), payment()).await.expect(201);

        let none = shop.admin.post(BULK_VERIFY, json!({ "issueIds": [] })).await;
        none.refused(400, "COUNT_OUT_OF_RANGE");
        let twice = json!({ "issueIds": [issues[2], issues[2]] });
        shop.admin.post(BULK_VERIFY, twice).await.refused(400, "DUPLICATE_ID");
        let many = vec![issues[2].clone(); 101];
        let many = shop.admin.post(BULK_VERIFY, json!({ "issueIds": many })).await;
        many.refused(400, "COUNT_OUT_OF_RANGE");
        let tester = shop.tester.post(BULK_VERIFY, json!({ "issueIds": issues })).await;
        tester.refused(403, "ROLE_REQUIRED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_rates_is_kept_and_the_suggestion_explains_itself() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let cycle = format!("/api/test-cycles/{}", shop.cycle);
        let issue = shop.file(&shop.tester, "high").await;
        let rule = async || {
            let seen = shop.tester.get(&shop.issue_path(&issue)).await.expect(200);
            seen["suggestedRule"].as_str().unwrap().to_owned()
        };
        assert_eq!(rule().await, "default rate, high, ₸8,000.00");
        let rates = json!({ "payoutRates": { "high": 900_000 } });
        let _ = shop.admin.patch(&cycle, rates).await.expect(200);
        assert_eq!(rule().await, "cycle override, high, ₸9,000.00");
        let yen = json!({ "payoutRates": {
            "critical": 90_000, "high": 12_000, "medium": 500, "low": 100, "currency": "JPY" } });
        let _ = shop.admin.patch(&cycle, yen).await.expect(200);
        assert_eq!(rule().await, "cycle override, high, ¥12,000");
        // Neither of these changes the rates.
        let _ = shop.admin.patch(&cycle, json!({ "name": "Renamed" })).await.expect(200);
        let refused = json!({ "payoutRates": { "high": 1, "currency": "USD" } });
        shop.admin.patch(&cycle, refused).await.refused(422, "RATES_INCOMPLETE");

        let path = format!("{cycle}/rates/history");
        let first = shop.admin.get(&format!("{path}?pageSize=1")).await.expect(200);
        let newest = &first["items"][0];
        assert_eq!(newest["after"]["currency"], json!("JPY"), "{first}");
        assert_eq!(newest["before"]["high"], json!(900_000), "{first}");
        assert_eq!(newest["changedBy"], json!(shop.admin.member_id), "{first}");
        assert_eq!(newest["changedByName"], json!("admin"), "{first}");
        assert!(newest["changedAt"].is_string(), "{first}");
        let token = first["nextPageToken"].as_str().unwrap();
        let rest = shop.admin.get(&format!("{path}?pageToken={token}")).await.expect(200);
        assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
        assert_eq!(rest["items"][0]["before"], Value::Null, "{rest}");
        assert_eq!(rest["nextPageToken"], Value::Null, "{rest}");

        let lead = shop.person("lead@shop.example", &["lead"]).await;
        lead.get(&path).await.refused(404, "CYCLE_NOT_FOUND");
        shop.tester.get(&path).await.refused(403, "ROLE_REQUIRED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_gives_roles_and_cycles_but_never_takes_the_last_admin_away() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let tester = format!("/api/admin/members/{}", shop.tester.member_id);
        let seen = shop.admin.get(&tester).await.expect(200);
        assert_eq!((&seen["name"], &seen["roles"]), (&json!("tester"), &json!(["member"])));
        assert_eq!(seen["cycles"]["items"], json!([]), "{seen}");

        let boss = format!("/api/admin/members/{}", shop.admin.member_id);
        let gives_up = json!({ "roles": ["member"] });
        shop.admin.patch(&boss, gives_up.clone()).await.refused(409, "LAST_ADMIN");
        let roles = json!({ "name": "Aibek", "roles": ["member", "lead", "admin"] });
        let changed = shop.admin.patch(&tester, roles.clone()).await;
        assert!(changed.headers["etag"].to_str().unwrap().starts_with("\"2-"));
        let changed = changed.expect(200);
        assert_eq!(changed["name"], json!("Aibek"), "{changed}");
        assert_eq!(changed["roles"], json!(["member", "lead", "admin"]), "{changed}");
        let stale = shop.admin.request(reqwest::Method::PATCH, &tester);
        let stale = stale.header("if-match", "\"1\"").json(&roles);
        let stale = system_tests::http::answer(stale).await.unwrap();
        stale.refused(412, "STALE_VERSION");
        for bad in [json!([]), json!(["king"]), json!(["platform_admin"])] {
            let bad = shop.admin.patch(&tester, json!({ "roles": bad })).await;
            bad.refused(400, "INVALID_FIELD");
        }
        // Now there is another admin.
        let _ = shop.admin.patch(&boss, gives_up).await.expect(200);

        let second = second_cycle(&shop).await;
        let path = |cycle: &str| format!("{tester}/cycles/{cycle}");
        let led = shop.admin.put(&path(&shop.cycle), json!({ "lead": true })).await.expect(200);
        assert_eq!(led["lead"], json!(true), "{led}");
        assert_eq!(led["cycle"]["leadIds"], json!([shop.tester.member_id]), "{led}");
        let _ = shop.admin.put(&path(&second), json!({ "lead": false })).await.expect(200);
        let seen = shop.admin.get(&tester).await.expect(200);
        let cycles = seen["cycles"]["items"].as_array().unwrap();
        let cycles: Vec<_> = cycles.iter().map(|c| (id(&c["cycle"]), c["lead"].clone())).collect();
        assert_eq!(cycles, [(second.clone(), json!(false)), (shop.cycle.clone(), json!(true))]);

        // Leading takes effect at once: the lead triages in their cycle and in no other.
        let leading = shop.person("tester@shop.example", &["member", "lead"]).await;
        let reporter = shop.person("reporter@shop.example", &["member"]).await;
        let ours = shop.file(&reporter, "low").await;
        let body = json!({ "payoutStatus": "approved" });
        let _ = leading.patch(&shop.issue_path(&ours), body.clone()).await.expect(200);
        let theirs = shop.file_in(&second, &reporter, "low", "Not theirs").await;
        let theirs = format!("/api/test-cycles/{second}/issues/{theirs}");
        leading.patch(&theirs, body.clone()).await.refused(404, "ISSUE_NOT_FOUND");
        let gone = shop.admin.delete(&path(&shop.cycle)).await;
        assert_eq!((gone.status, gone.text.as_str()), (204, ""));
        assert_eq!(shop.admin.delete(&path(&shop.cycle)).await.status, 204);
        leading.patch(&shop.issue_path(&ours), body).await.refused(404, "ISSUE_NOT_FOUND");

        reporter.get(&tester).await.refused(403, "ROLE_REQUIRED");
        leading.patch(&boss, json!({ "roles": ["admin"] })).await.refused(403, "ROLE_REQUIRED");
        let spy = world.person("Elsewhere", "spy@other.example", &["admin"]).await;
        spy.get(&tester).await.refused(404, "MEMBER_NOT_FOUND");
        spy.patch(&tester, json!({ "name": "x" })).await.refused(404, "MEMBER_NOT_FOUND");
        spy.delete(&path(&second)).await.refused(404, "CYCLE_NOT_FOUND");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_names_its_original_and_no_circle_is_made() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let first = shop.file(&shop.tester, "low").await;
        let second = shop.file(&shop.tester, "low").await;
        let path = shop.issue_path(&second);
        let repeats = |original: &str| json!({ "status": "duplicate", "duplicateOf": original });
        for bad in [&second, &uuid::Uuid::now_v7().to_string()] {
            let refused = shop.admin.patch(&path, repeats(bad)).await.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], json!("duplicateOf"), "{refused}");
        }
        let other = json!({ "status": "rejected", "duplicateOf": first });
        shop.admin.patch(&path, other).await.refused(400, "INVALID_FIELD");
        let ended = shop.admin.patch(&path, repeats(&first)).await.expect(200);
        assert_eq!(ended["duplicateOf"], json!(first), "{ended}");
        assert_eq!(ended["payoutStatus"], json!("rejected"), "{ended}");
        let circle = shop.admin.patch(&shop.issue_path(&first), repeats(&second)).await;
        circle.refused(409, "DUPLICATE_LOOP");
        let seen = shop.tester.get(&path).await.expect(200);
        assert_eq!(seen["duplicateOf"], json!(first), "{seen}");
        let reopened = json!({ "status": "open", "reason": "another cause" });
        let reopened = shop.admin.patch(&path, reopened).await.expect(200);
        assert_eq!(reopened["duplicateOf"], Value::Null, "{reopened}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_words_and_likely_duplicates_are_suggested_with_a_link() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let file = async |title: &str| shop.file_in(&shop.cycle, &shop.tester, "low", title).await;
        let first = file("Payment fails on mobile Safari").await;
        let second = file("Mobile Safari: payment fails").await;
        file("The logo is blurred").await;
        let list = async |query: &str| {
            let page = shop.admin.get(&format!("/api/issues?q={query}")).await.expect(200);
            page["items"].as_array().unwrap().len()
        };
        assert_eq!(list("SAFARI%20pay").await, 2);
        assert_eq!(list("pay%20safari").await, 0);
        assert_eq!(list("blur").await, 1);
        assert_eq!(list("%25").await, 0);

        let similar = shop.admin.get(&format!("/api/issues/{first}/similar")).await.expect(200);
        let items = similar["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{similar}");
        assert_eq!(items[0]["id"], json!(second), "{similar}");
        let score = items[0]["score"].as_f64().unwrap();
        assert!(0.8 < score && score < 1.0, "{similar}");
        let linked = shop.admin.get(items[0]["href"].as_str().unwrap()).await.expect(200);
        assert_eq!(linked["number"], items[0]["number"]);
        let stranger = shop.person("stranger@shop.example", &["member"]).await;
        let unseen = stranger.get(&format!("/api/issues/{first}/similar")).await;
        unseen.refused(404, "ISSUE_NOT_FOUND");
        world.close().await;
    }
}
