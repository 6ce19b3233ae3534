//! What organizations are told, and how: by a little receiver of our own. And keys of programs, end to end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use system_tests::Shop;
use system_tests::http::Person;
use system_tests::world::{BOTH, World, eventually};

const WEBHOOKS: &str = "/api/admin/webhooks";

/// What arrived.
#[derive(Clone, Debug)]
struct Arrived {
    id: String,
    at: String,
    signature: String,
    body: String,
}

/// A receiver that refuses as often as it was told.
#[derive(Clone, Default)]
struct Receiver {
    refusals: Arc<AtomicUsize>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    receiver.arrived.lock().unwrap().push(Arrived {
        id: header("webhook-id"),
        at: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    });
    let left = receiver
        .refusals
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
}

impl Receiver {
    async fn start(refusals: usize) -> (Self, String) {
        let receiver = Self { refusals: Arc::new(refusals.into()), ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (receiver, url)
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }
}

fn signed(secret: &str, arrived: &Arrived) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", arrived.id, arrived.at, arrived.body).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn deliveries(admin: &Person, webhook: &str) -> Vec<Value> {
    let log = admin.get(&format!("{WEBHOOKS}/{webhook}/deliveries")).await.expect(200);
    log["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_told_of_its_events_signed_and_until_it_has_answered() {
    for (store, bus) in BOTH {
        let world =
            World::start_with(store, bus, |config| config.webhooks.allow_private = true).await;
        let shop = Shop::open(&world).await;
        // The first one is refused, and comes again.
        let (receiver, url) = Receiver::start(1).await;
        let new = json!({ "url": url, "events": ["issue.approved"] });
        let made = shop.admin.post(WEBHOOKS, new).await.expect(201);
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        let issue = shop.file(&shop.tester, "high").await;
        shop.approve(&issue).await;
        let log = eventually("the delivery", || async {
            let log = deliveries(&shop.admin, id).await;
            (log.first()?["status"] == "delivered").then_some(log)
        })
        .await;
        assert_eq!(
            (log.len(), &log[0]["tries"], &log[0]["event"]),
            (1, &json!(2), &json!("issue.approved"))
        );
        let arrived = receiver.arrived();
        assert_eq!(arrived.len(), 2);
        assert!(arrived.iter().all(|one| one.id == log[0]["eventId"].as_str().unwrap()));
        for one in &arrived {
            assert_eq!(one.signature, signed(secret, one));
            let event: Value = serde_json::from_str(&one.body).unwrap();
            assert_eq!((&event["type"], &event["id"]), (&json!("issue.approved"), &json!(one.id)));
            assert_eq!(event["data"]["issue_id"], json!(issue));
        }
        // Again, by hand.
        let replay =
            format!("{WEBHOOKS}/{id}/deliveries/{}/replay", log[0]["id"].as_str().unwrap());
        shop.admin.post(&replay, json!({})).await.expect(200);
        eventually("the replay", || async { (receiver.arrived().len() == 3).then_some(()) }).await;
        assert_eq!(receiver.arrived()[2].id, arrived[0].id);
        // What it was not asked for is not told, nor is anybody else's.
        let events: HashMap<String, usize> =
            receiver.arrived().into_iter().fold(HashMap::new(), |mut seen, one| {
                *seen.entry(one.id).or_default() += 1;
                seen
            });
        assert_eq!(events.len(), 1);
        let spy = Shop::open(&world).await;
        spy.admin.get(&format!("{WEBHOOKS}/{id}")).await.refused(404, "WEBHOOK_NOT_FOUND");
        shop.tester.get(WEBHOOKS).await.refused(403, "ROLE_REQUIRED");
        assert!(!shop.admin.get(WEBHOOKS).await.text.contains("whsec_"));
        world.close().await;
    }
}

/// A receiver that takes connections and never says a word.
async fn dead() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    url
}

fn states(log: &[Value]) -> Vec<&str> {
    log.iter().map(|row| row["status"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    for (store, bus) in BOTH {
        let world =
            World::start_with(store, bus, |config| config.webhooks.allow_private = true).await;
        let shop = Shop::open(&world).await;
        let created = json!(["issue.created"]);
        let silent = json!({ "url": dead().await, "events": created });
        let silent = shop.admin.post(WEBHOOKS, silent).await.expect(201);
        let (receiver, url) = Receiver::start(0).await;
        let well = shop.admin.post(WEBHOOKS, json!({ "url": url, "events": created })).await;
        let well = well.expect(201);
        // More than one endpoint is sent at once, so that some of it waits.
        let filed = 20;
        for _ in 0..filed {
            shop.file(&shop.tester, "low").await;
        }
        eventually("all deliveries", || async {
            (receiver.arrived().len() == filed).then_some(())
        })
        .await;
        // Nobody has given up waiting for the other one yet.
        let id = silent["id"].as_str().unwrap();
        let log = deliveries(&shop.admin, id).await;
        assert_eq!((log.len(), states(&log)), (filed, vec!["pending"; filed]));
        let tried = log.iter().filter(|row| row["tries"] == 1).count();
        assert!((1..filed).contains(&tried), "{log:?}");
        // Disabled, it is told nothing of what waits, unless it is enabled and somebody asks for that.
        let path = format!("{WEBHOOKS}/{id}");
        let off = json!({ "enabled": false });
        let first = shop.admin.write_once(Method::PATCH, &path, "off", &off).await.expect(200);
        let again = shop.admin.write_once(Method::PATCH, &path, "off", &off).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(200), first);
        let log = deliveries(&shop.admin, id).await;
        assert_eq!(states(&log), vec!["failed"; filed]);
        assert_eq!(log[0]["lastError"], "the endpoint was disabled");
        let replay = format!("{path}/deliveries/{}/replay", log[0]["id"].as_str().unwrap());
        shop.admin.post(&replay, json!({})).await.refused(409, "WEBHOOK_DISABLED");
        shop.admin.patch(&path, json!({ "enabled": true, "url": url })).await.expect(200);
        shop.admin.post(&replay, json!({})).await.expect(200);
        eventually("the replay", || async {
            (receiver.arrived().len() == filed + 1).then_some(())
        })
        .await;
        let well = format!("{WEBHOOKS}/{}", well["id"].as_str().unwrap());
        shop.admin.delete(&well).await.expect(204);
        shop.admin.get(&well).await.refused(404, "WEBHOOK_NOT_FOUND");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_made_once_for_each_key_and_its_secret_is_the_same() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let new = json!({ "url": "https://hooks.invalid/one" });
        let first = shop.admin.post_once(WEBHOOKS, "one", &new).await.expect(201);
        let again = shop.admin.post_once(WEBHOOKS, "one", &new).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(201), first);
        let listed = shop.admin.get(WEBHOOKS).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        let other = json!({ "url": "https://hooks.invalid/other" });
        let reused = shop.admin.post_once(WEBHOOKS, "one", &other).await;
        reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_asks_with_a_key_until_it_is_revoked() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let new = json!({ "name": "CI", "readOnly": true, "lifetimeDays": 1 });
        let made = shop.admin.post("/api/me/api-keys", new).await.expect(201);
        let key = shop.admin.with_token(made["secret"].as_str().unwrap());
        let me = key.get("/api/me").await.expect(200);
        assert_eq!(me["memberId"], json!(shop.admin.member_id));
        assert_eq!(me["roles"], json!(["admin"]));
        let product = json!({ "name": "Other", "key": "OTH" });
        key.post("/api/products", product).await.refused(403, "API_KEY_READ_ONLY");
        key.post("/api/me/api-keys", json!({ "name": "x" }))
            .await
            .refused(403, "API_KEY_NOT_ENOUGH");
        let listed = shop.admin.get("/api/me/api-keys").await.expect(200);
        assert!(listed["items"][0]["lastUsedAt"].is_string(), "{listed}");
        assert!(!listed.to_string().contains(&key.token));
        let id = made["id"].as_str().unwrap();
        let path = format!("/api/me/api-keys/{id}");
        shop.tester.delete(&path).await.refused(404, "API_KEY_NOT_FOUND");
        shop.admin.delete(&path).await.expect(204);
        eventually("the key to be refused", || async {
            let answer = key.get("/api/me").await;
            (answer.status == 401 && answer.code() == "API_KEY_INVALID").then_some(())
        })
        .await;
        world.close().await;
    }
}
