//! Bad input gets a clear answer and changes nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use quittance_proto::payouts::v1::BatchPayRequest;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::check::{Books, number};
use system_tests::http::answer;
use system_tests::story::{Shop, batch, payment};
use system_tests::world::{BOTH, Bus, Store, World};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use uuid::Uuid;

const BATCH: &str = "/api/admin/payouts/batch-pay";

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_batch_is_refused_by_name_and_pays_nothing() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let other = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let foreign = other.approved(1).await;
        let books = Books::open(&world.config).await;
        let pay = |body: Value| shop.admin.post(BATCH, body);
        let with = |change: &dyn Fn(&mut Value)| {
            let mut body = batch(&shop.tester, &issues);
            change(&mut body["groups"][0]);
            body
        };

        pay(json!({ "groups": [] })).await.refused(400, "EMPTY_BATCH");
        pay(with(&|g| g["issueIds"] = json!([]))).await.refused(400, "EMPTY_BATCH");
        let twice = with(&|g| g["issueIds"] = json!([issues[0], issues[0]]));
        pay(twice).await.refused(400, "DUPLICATE_ISSUE");
        let many: Vec<_> = (0..10_001).map(|_| Uuid::now_v7().to_string()).collect();
        pay(with(&|g| g["issueIds"] = json!(many))).await.refused(400, "BATCH_TOO_LARGE");
        let problem =
            pay(with(&|g| g["reference"] = json!("  "))).await.refused(400, "INVALID_FIELD");
        assert_eq!(problem["errors"][0]["field"], json!("groups[0].reference"), "{problem}");
        let problem = pay(with(&|g| g["method"] = json!("barter"))).await;
        assert_eq!(problem.status, 400, "{}", problem.text);
        let mut mixed = with(&|g| g["method"] = json!("stripe"));
        let by_hand = with(&|_| {})["groups"][0].clone();
        mixed["groups"].as_array_mut().unwrap().push(by_hand);
        pay(mixed).await.refused(400, "METHOD_NOT_ALLOWED");
        let no_method = with(&|g| {
            g.as_object_mut().unwrap().remove("method");
        });
        assert_eq!(pay(no_method).await.status, 400);
        pay(with(&|g| g["issueIds"] = json!(["42"]))).await.refused(400, "INVALID_FIELD");

        // Unknown and foreign issues look the same.
        let unknown = pay(with(&|g| g["issueIds"] = json!([Uuid::now_v7()]))).await;
        unknown.refused(404, "ISSUE_NOT_FOUND");
        let crossed = pay(with(&|g| g["issueIds"] = json!(foreign))).await;
        crossed.refused(404, "ISSUE_NOT_FOUND");
        let one_foreign = with(&|g| g["issueIds"] = json!([issues[0], foreign[0]]));
        pay(one_foreign).await.refused(404, "ISSUE_NOT_FOUND");
        // Somebody else's work is not this tester's.
        let wrong_payee = with(&|g| g["testerId"] = json!(shop.admin.member_id));
        pay(wrong_payee).await.refused(409, "NOT_PAYABLE");

        assert_eq!(number(&books.payouts, "SELECT count(*) FROM payouts").await, 0);
        assert_eq!(number(&books.payouts, "SELECT count(*) FROM payout_items").await, 0);
        pay(batch(&shop.tester, &issues)).await.expect(200);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_states_and_ids_are_checked() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issue = shop.file(&shop.tester, "high").await;
        let path = shop.issue_path(&issue);
        let approve = |amount: Value, currency: &str| {
            shop.admin.patch(
                &path,
                json!({ "payoutStatus": "approved", "amountMinor": amount, "currency": currency }),
            )
        };
        for amount in [json!(0), json!(-5)] {
            approve(amount, "KZT").await.refused(400, "INVALID_AMOUNT");
        }
        for amount in [json!(1.5), json!("100"), json!(9_223_372_036_854_775_808_u64)] {
            let answer = approve(amount, "KZT").await;
            assert_eq!(answer.status, 400, "{}", answer.text);
        }
        let answer = approve(json!(100), "TENGE").await;
        assert_eq!(answer.status, 400, "{}", answer.text);

        // A wrong state names from, to and what is allowed.
        let problem = shop.admin.patch(&path, json!({ "status": "draft" })).await;
        let problem = problem.refused(409, "INVALID_TRANSITION");
        assert_eq!(problem["from"], json!("open"), "{problem}");
        assert_eq!(problem["to"], json!("draft"));
        assert!(
            problem["allowed"].as_array().is_some_and(|all| all.contains(&json!("triaged"))),
            "{problem}"
        );
        shop.admin.post(&shop.payments_path(&issue), payment()).await.refused(409, "NOT_PAYABLE");

        // Ids that are unknown, foreign or no ids at all.
        let other = Shop::open(&world).await;
        for path in [
            shop.issue_path(&Uuid::now_v7().to_string()),
            shop.issue_path("42"),
            other.issue_path(&issue),
        ] {
            let answer = shop.admin.get(&path).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        }
        other.admin.get(&shop.issue_path(&issue)).await.refused(404, "ISSUE_NOT_FOUND");
        other
            .admin
            .patch(&shop.issue_path(&issue), json!({ "status": "triaged" }))
            .await
            .refused(404, "ISSUE_NOT_FOUND");
        let stranger = shop.person("stranger@shop.example", &["member"]).await;
        stranger.get(&shop.issue_path(&issue)).await.refused(404, "ISSUE_NOT_FOUND");

        // Rates of another currency must be complete (INC-11).
        let rates = json!({ "payoutRates": { "high": 5_000, "currency": "USD" } });
        let cycle = format!("/api/test-cycles/{}", shop.cycle);
        shop.admin.patch(&cycle, rates).await.refused(422, "RATES_INCOMPLETE");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mixed_currencies_are_split_and_never_summed() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let tenge = shop.approved(1).await.remove(0);
        let dollars = shop.file(&shop.tester, "low").await;
        let custom = json!({ "payoutStatus": "approved", "amountMinor": 5_000, "currency": "USD" });
        shop.admin.patch(&shop.issue_path(&dollars), custom).await.expect(200);
        let body = batch(&shop.tester, &[tenge, dollars]);
        let paid = shop.admin.post(BATCH, body).await.expect(200);
        assert_eq!(
            paid["totals"],
            json!([
                { "currency": "KZT", "amountMinor": 800_000, "count": 1 },
                { "currency": "USD", "amountMinor": 5_000, "count": 1 },
            ])
        );
        let list = shop.admin.get("/api/admin/payouts/list").await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 2, "one payout per currency");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_routes_and_tokens_are_checked() {
    let world = World::start(BOTH[0].0, BOTH[0].1).await;
    let shop = Shop::open(&world).await;
    let raw = |body: &str, kind: &str| {
        let request = shop.admin.request(Method::POST, BATCH);
        answer(request.header("content-type", kind.to_owned()).body(body.to_owned()))
    };
    raw("{", "application/json").await.unwrap().refused(400, "MALFORMED_JSON");
    raw("{}", "text/plain").await.unwrap().refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let unknown = raw(r#"{"groupz": []}"#, "application/json").await.unwrap();
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    let huge = format!("{{\"groups\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    raw(&huge, "application/json").await.unwrap().refused(413, "BODY_TOO_LARGE");
    shop.admin.get("/api/nothing").await.refused(404, "ROUTE_NOT_FOUND");
    let wrong = answer(shop.admin.request(Method::DELETE, BATCH)).await.unwrap();
    wrong.refused(405, "METHOD_NOT_ALLOWED_HERE");

    // No token, a forged one, `alg: none`, an expired one.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwIn0.";
    let mut forged = shop.admin.token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    let middle = forged.len() / 2;
    forged.replace_range(middle..=middle, if &forged[middle..=middle] == "x" { "y" } else { "x" });
    let old = expired(&world, &shop);
    let bad = [("", "TOKEN_MISSING"), ("x", "TOKEN_INVALID"), (none, "TOKEN_INVALID")];
    for (token, code) in
        bad.into_iter().chain([(forged.as_str(), "TOKEN_INVALID"), (old.as_str(), "TOKEN_EXPIRED")])
    {
        let answer = shop.admin.with_token(token).get("/api/me").await;
        answer.refused(401, code);
        assert!(answer.headers.contains_key("www-authenticate"));
    }

    // A member is no admin.
    shop.tester.post(BATCH, batch(&shop.tester, &[])).await.refused(403, "ROLE_REQUIRED");
    shop.tester.get("/api/admin/triage").await.refused(403, "ROLE_REQUIRED");
    world.close().await;
}

/// A token that is properly signed and whose time is over.
fn expired(world: &World, shop: &Shop) -> String {
    use secrecy::ExposeSecret as _;
    let secret = world.config.auth.dev_secret.as_ref().unwrap().expose_secret();
    let claims = json!({
        "sub": shop.admin.member_id, "org": shop.admin.organization_id, "roles": ["admin"],
        "iss": "quittance-development", "iat": 1_700_000_000, "exp": 1_700_000_060,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_or_pays_their_own_work() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let own = shop.file(&shop.admin, "high").await;
        let approve = json!({ "payoutStatus": "approved" });
        shop.admin
            .patch(&shop.issue_path(&own), approve.clone())
            .await
            .refused(403, "SELF_APPROVAL");
        let second = shop.person("second@shop.example", &["admin"]).await;
        second.patch(&shop.issue_path(&own), approve).await.expect(200);
        shop.admin.post(&shop.payments_path(&own), payment()).await.refused(403, "SELF_APPROVAL");
        second.post(&shop.payments_path(&own), payment()).await.expect(201);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_cycle_takes_no_reports_and_leaves_the_inbox() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        shop.file(&shop.tester, "high").await;
        let draft = json!({ "title": "Later", "severity": "low", "status": "draft" });
        let path = format!("/api/test-cycles/{}/issues", shop.cycle);
        shop.tester.post(&path, draft.clone()).await.expect(201);
        let inbox = shop.admin.get("/api/admin/triage").await.expect(200);
        assert_eq!(inbox["issueCount"], json!(1), "a draft is not in the inbox");
        let close = json!({ "status": "closed" });
        shop.admin.patch(&format!("/api/test-cycles/{}", shop.cycle), close).await.expect(200);
        shop.tester.post(&path, draft).await.refused(409, "CYCLE_CLOSED");
        let inbox = shop.admin.get("/api/admin/triage").await.expect(200);
        assert_eq!((&inbox["issueCount"], &inbox["cycleCount"]), (&json!(0), &json!(0)));
        world.close().await;
    }
}

/// A body that is small on the wire and huge once it is unpacked is refused by what it unpacks to.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_unpacks_to_more_than_may_be_sent_is_refused() {
    let world = World::start(Store::Sqlite, Bus::InProcess).await;
    let shop = Shop::open(&world).await;
    let channel = quittance_chassis::grpc::client(&world.config.payouts.url).unwrap();
    let mut payouts = PayoutServiceClient::new(channel)
        .send_compressed(CompressionEncoding::Gzip)
        .max_encoding_message_size(usize::MAX);
    let mut send = async |bytes: usize| {
        let message = BatchPayRequest { request_id: "a".repeat(bytes), ..Default::default() };
        let mut request = tonic::Request::new(message);
        let bearer = format!("Bearer {}", shop.admin.token);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        payouts.batch_pay(request).await.unwrap_err().code()
    };
    let refused = send(64 << 20).await;
    assert!(matches!(refused, Code::OutOfRange | Code::ResourceExhausted), "{refused:?}");
    // It lives, and reads what is packed honestly.
    assert_eq!(send(8).await, Code::InvalidArgument);
    world.close().await;
}
