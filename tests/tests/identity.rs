//! Who somebody is: identities of a provider, and admins who view as members.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::SystemTime;

use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use system_tests::Shop;
use system_tests::http::{Answer, Person};
use system_tests::story::batch;
use system_tests::world::{BOTH, SECRET, World};
use uuid::Uuid;

const SIGN_IN: &str = "/api/auth/sign-in";
const IMPERSONATE: &str = "/api/admin/impersonate";
const LOG: &str = "/api/admin/impersonations";

/// A token of the identity provider, which the development secret plays.
fn identity(organization: &str, subject: &str, email: &str, verified: bool) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({
        "iss": "https://id.example", "sub": subject, "org": organization, "email": email,
        "email_verified": verified, "exp": now + 60,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

async fn sign_in(shop: &Shop, subject: &str, email: &str, verified: bool) -> Answer {
    let token = identity(&shop.admin.organization_id, subject, email, verified);
    shop.tester.with_token(&token).post(SIGN_IN, json!({})).await
}

async fn view_as(admin: &Person, member: &Person) -> Answer {
    let body = json!({ "memberId": member.member_id, "reason": "A question about a payment" });
    admin.post(IMPERSONATE, body).await
}

fn viewer(by: &Person, begun: &Value) -> Person {
    by.with_token(begun["token"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sign_in_links_an_identity_and_later_ones_find_it() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let email = "tester@shop.example";
        sign_in(&shop, "user_1", email, false).await.refused(403, "EMAIL_NOT_VERIFIED");
        sign_in(&shop, "user_1", "nobody@shop.example", true)
            .await
            .refused(404, "MEMBER_NOT_FOUND");
        let first = sign_in(&shop, "user_1", "Tester@Shop.example", true).await.expect(200);
        assert_eq!(
            (&first["memberId"], &first["linked"]),
            (&json!(shop.tester.member_id), &json!(true))
        );
        // From now on it is the subject who counts, whatever the provider says of the address.
        for (address, verified) in [(email, true), (email, false), ("new@shop.example", true)] {
            let again = sign_in(&shop, "user_1", address, verified).await.expect(200);
            let found = (&again["memberId"], &again["linked"], &again["email"]);
            assert_eq!(found, (&json!(shop.tester.member_id), &json!(false), &json!(email)));
        }
        sign_in(&shop, "user_2", email, true).await.refused(409, "IDENTITY_CONFLICT");
        // Another organization knows neither the identity nor the address.
        let other = Shop::open(&world).await;
        let there = identity(&other.admin.organization_id, "user_1", "x@shop.example", true);
        let refused = shop.tester.with_token(&there).post(SIGN_IN, json!({})).await;
        refused.refused(404, "MEMBER_NOT_FOUND");

        // The session is as good as any token; the token of the provider opens nothing else.
        let session = shop.tester.with_token(first["token"].as_str().unwrap());
        let me = session.get("/api/me").await.expect(200);
        assert_eq!(
            (&me["memberId"], &me["roles"]),
            (&json!(shop.tester.member_id), &json!(["member"]))
        );
        shop.file(&session, "high").await;
        let bare = identity(&shop.admin.organization_id, "user_1", email, true);
        let bare = shop.tester.with_token(&bare);
        bare.get("/api/me").await.refused(401, "TOKEN_INVALID");
        bare.with_token("nonsense").post(SIGN_IN, json!({})).await.refused(401, "TOKEN_INVALID");
        let nowhere = identity("Shop", "user_1", email, true);
        bare.with_token(&nowhere).post(SIGN_IN, json!({})).await.refused(401, "TOKEN_INVALID");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_views_as_a_member_reads_and_changes_nothing() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        shop.balance_shows(&shop.tester, 0, 1_600_000).await;
        let begun = view_as(&shop.admin, &shop.tester).await.expect(200);
        let viewing = viewer(&shop.admin, &begun);

        let me = viewing.get("/api/me").await.expect(200);
        assert_eq!(me["memberId"], json!(shop.tester.member_id));
        assert_eq!(me["roles"], json!(["member"]));
        assert_eq!(me["impersonator"]["memberId"], json!(shop.admin.member_id));
        assert_eq!(me["impersonator"]["name"], json!("admin"));
        assert_eq!(me["impersonator"]["reason"], json!("A question about a payment"));
        let theirs = shop.tester.get("/api/me/balance").await.expect(200);
        let seen = viewing.get("/api/me/balance").await.expect(200);
        assert_eq!((&seen["totals"], &seen["cycles"]), (&theirs["totals"], &theirs["cycles"]));
        // What the member may not see, the admin does not see as them.
        viewing.get("/api/admin/payouts").await.refused(403, "ROLE_REQUIRED");

        let file = json!({ "title": "Not mine", "severity": "low" });
        let cycle = format!("/api/test-cycles/{}/issues", shop.cycle);
        viewing.post(&cycle, file).await.refused(403, "IMPERSONATION_READ_ONLY");
        let read = "/api/me/notifications/read";
        viewing.post(read, json!({})).await.refused(403, "IMPERSONATION_READ_ONLY");

        // As another admin, money is as far away.
        let deputy = shop.person("deputy@shop.example", &["admin"]).await;
        let second = viewer(&shop.admin, &view_as(&shop.admin, &deputy).await.expect(200));
        let pay = batch(&shop.tester, &issues);
        let refused = second.post("/api/admin/payouts/batch-pay", pay).await;
        refused.refused(403, "IMPERSONATION_READ_ONLY");
        view_as(&second, &shop.tester).await.refused(403, "IMPERSONATION_READ_ONLY");
        let filed = shop.tester.get("/api/issues").await.expect(200);
        assert_eq!(filed["items"].as_array().unwrap().len(), 2);
        shop.balance_shows(&shop.tester, 0, 1_600_000).await;

        let auditor = shop.person("auditor@shop.example", &["auditor"]).await;
        let log = auditor.get(LOG).await.expect(200);
        let rows = log["items"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{log}");
        assert_eq!(rows[1]["id"], begun["impersonationId"]);
        assert_eq!(rows[1]["adminId"], json!(shop.admin.member_id));
        assert_eq!(rows[1]["memberName"], json!("tester"));
        assert_eq!((&rows[1]["reads"], &rows[1]["refusals"]), (&json!(2), &json!(3)));
        assert_eq!((&rows[0]["reads"], &rows[0]["refusals"]), (&json!(0), &json!(2)));
        assert_eq!(rows[1]["endedAt"], Value::Null);
        let page = auditor.get(&format!("{LOG}?pageSize=1")).await.expect(200);
        let next = page["nextPageToken"].as_str().unwrap();
        let page = auditor.get(&format!("{LOG}?pageSize=1&pageToken={next}")).await.expect(200);
        assert_eq!(page["items"], json!([rows[1]]));
        shop.tester.get(LOG).await.refused(403, "ROLE_REQUIRED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewing_ends_with_its_token_and_stays_inside_the_organization() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let other = Shop::open(&world).await;
        view_as(&other.admin, &shop.tester).await.refused(404, "MEMBER_NOT_FOUND");
        view_as(&shop.admin, &shop.admin).await.refused(403, "IMPERSONATION_NOT_ALLOWED");
        let operator = shop.person("operator@shop.example", &["platform_admin"]).await;
        view_as(&shop.admin, &operator).await.refused(403, "IMPERSONATION_NOT_ALLOWED");
        view_as(&shop.tester, &shop.admin).await.refused(403, "ROLE_REQUIRED");
        for (body, field) in [
            (json!({ "memberId": shop.tester.member_id, "reason": " " }), "reason"),
            (json!({ "memberId": shop.tester.member_id }), "reason"),
            (json!({ "memberId": "tester", "reason": "x" }), "memberId"),
        ] {
            let refused = shop.admin.post(IMPERSONATE, body).await.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], json!(field));
        }
        assert_eq!(shop.admin.get(LOG).await.expect(200)["items"], json!([]));

        // By the token itself.
        let first = viewer(&shop.admin, &view_as(&shop.admin, &shop.tester).await.expect(200));
        let second = viewer(&shop.admin, &view_as(&shop.admin, &shop.tester).await.expect(200));
        first.get("/api/me").await.expect(200);
        assert_eq!(first.delete(IMPERSONATE).await.status, 204);
        first.get("/api/me").await.refused(401, "IMPERSONATION_ENDED");
        first.delete(IMPERSONATE).await.refused(401, "IMPERSONATION_ENDED");
        second.get("/api/me").await.expect(200);
        // By the admin, who may have lost it; nobody else's are touched.
        assert_eq!(other.admin.delete(IMPERSONATE).await.status, 204);
        second.get("/api/me").await.expect(200);
        assert_eq!(shop.admin.delete(IMPERSONATE).await.status, 204);
        assert_eq!(shop.admin.delete(IMPERSONATE).await.status, 204);
        second.get("/api/me").await.refused(401, "IMPERSONATION_ENDED");
        // Beginning anew does not bring them back.
        let third = viewer(&shop.admin, &view_as(&shop.admin, &shop.tester).await.expect(200));
        second.get("/api/me").await.refused(401, "IMPERSONATION_ENDED");
        third.get("/api/me").await.expect(200);

        let log = shop.admin.get(LOG).await.expect(200);
        let ended = |row: usize| log["items"][row]["endedAt"].is_string();
        assert_eq!((ended(0), ended(1), ended(2)), (false, true, true));
        assert_eq!(other.admin.get(LOG).await.expect(200)["items"], json!([]));
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_of_first_sign_ins_over_rest_ends_with_one_member() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let email = "tester@shop.example";
        let subject = format!("user_{}", Uuid::new_v4().simple());
        let all = (0..20).map(|_| sign_in(&shop, &subject, email, true));
        let mut linked = 0;
        for answer in join_all(all).await {
            let session = answer.expect(200);
            assert_eq!(session["memberId"], json!(shop.tester.member_id));
            linked += u8::from(session["linked"] == json!(true));
        }
        assert_eq!(linked, 1);
        world.close().await;
    }
}
