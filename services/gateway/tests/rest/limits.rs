//! How much and how often the gateway may be asked, and by which sites.

use axum::body::Body;
use axum::http::Request;
use quittance_kernel::Role;
use quittance_proto::issues::v1 as issues;

use crate::fake::Fake;
use crate::house::{Answer, House, ID, config};

const GET_PRODUCT: &str = "/quittance.issues.v1.ProductService/GetProduct";

async fn get(house: &House, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_member_who_asks_too_often_is_refused_and_nobody_else() {
    let (fake, _) = Fake::default().serve().await;
    let mut config = config("http://127.0.0.1:9");
    config.gateway.requests_per_minute_by_member = 2;
    let house = House::over(fake, &config);
    let dana = format!("Bearer {}", house.token(&[Role::Member]));
    let ask = async || get(&house, "/api/me", &[("authorization", &dana)]).await;
    let first = ask().await;
    assert_eq!(first.status, 200);
    assert_eq!(first.headers["ratelimit-policy"], "\"member\";q=2;w=60");
    assert_eq!(first.headers["ratelimit"], "\"member\";r=1;t=30");
    ask().await;
    let refused = ask().await;
    assert_eq!(refused.problem(), (429, "RATE_LIMITED".to_owned()));
    let wait = refused.json()["retryAfterSeconds"].as_u64().unwrap();
    assert_eq!(refused.headers["retry-after"], wait.to_string());
    assert!((1..=31).contains(&wait), "{wait}");
    let aibek = format!("Bearer {}", house.token(&[Role::Member]));
    assert_eq!(get(&house, "/api/me", &[("authorization", &aibek)]).await.status, 200);
}

#[tokio::test]
async fn an_address_is_limited_before_anybody_is_known_but_probes_are_answered() {
    let (fake, _) = Fake::default().serve().await;
    let mut config = config("http://127.0.0.1:9");
    config.gateway.requests_per_minute_by_address = 1;
    config.gateway.trusted_proxies = 1;
    let house = House::over(fake, &config);
    let from = async |address: &str| {
        get(&house, "/api/me", &[("x-forwarded-for", address)]).await.status.as_u16()
    };
    assert_eq!(from("203.0.113.7").await, 401);
    assert_eq!(from("203.0.113.7").await, 429);
    // What the client wrote before our proxy did changes nothing.
    assert_eq!(from("198.51.100.1, 203.0.113.7").await, 429);
    assert_eq!(from("203.0.113.8").await, 401);
    let page = get(&house, "/app/issues", &[("x-forwarded-for", "203.0.113.7")]).await;
    assert_eq!(page.status, 429);
    for probe in ["/healthz", "/healthz", "/app/assets/app.css", "/api/openapi.json"] {
        let answer = get(&house, probe, &[("x-forwarded-for", "203.0.113.7")]).await;
        assert_eq!(answer.status, 200, "{probe}");
    }
}

#[tokio::test]
async fn what_is_too_long_to_be_looked_at_is_refused() {
    let (fake, _) = Fake::default().serve().await;
    let house = House::over(fake, &config("http://127.0.0.1:9"));
    let long = format!("/api/issues?q={}", "x".repeat(9 * 1024));
    assert_eq!(get(&house, &long, &[]).await.problem(), (414, "URI_TOO_LONG".to_owned()));
    let padding = "x".repeat(33 * 1024);
    let refused = get(&house, "/api/me", &[("x-padding", &padding)]).await;
    assert_eq!(refused.problem(), (431, "HEADERS_TOO_LARGE".to_owned()));
}

#[tokio::test]
async fn no_other_site_may_ask_unless_it_is_named() {
    let (fake, _) = Fake::default().serve().await;
    let preflight = |origin: &str| {
        Request::options("/api/issues")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, idempotency-key")
            .body(Body::empty())
            .unwrap()
    };
    let closed = House::over(std::sync::Arc::clone(&fake), &config("http://127.0.0.1:9"));
    let answer = closed.send(preflight("https://ops.example.com")).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer:?}");
    let mut config = config("http://127.0.0.1:9");
    config.gateway.cors_origins = "https://ops.example.com".to_owned();
    let open = House::over(fake, &config);
    let named = open.send(preflight("https://ops.example.com")).await;
    assert_eq!(named.headers["access-control-allow-origin"], "https://ops.example.com");
    assert!(!named.headers.contains_key("access-control-allow-credentials"));
    let other = open.send(preflight("https://evil.example")).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"), "{other:?}");
    // A refusal can be read, too.
    let refused = get(&open, "/api/me", &[("origin", "https://ops.example.com")]).await;
    assert_eq!(refused.problem().0, 401);
    assert!(refused.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_version_that_is_known_is_not_sent_again() {
    let names = std::sync::Mutex::new(vec!["Shop", "Stall", "Stall", "Stall"]);
    let fake = Fake::default().on(GET_PRODUCT, move |request: issues::GetProductRequest| {
        let name = names.lock().unwrap().pop().unwrap_or_default().to_owned();
        let product = issues::Product {
            product_id: request.product_id,
            name,
            version: 4,
            ..issues::Product::default()
        };
        Ok(issues::GetProductResponse { product: Some(product) })
    });
    let house = House::new(fake).await;
    let path = format!("/api/products/{ID}");
    let first = house.ask("GET", &path, None).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let seen = house.ask_with("GET", &path, None, &[("if-none-match", tag)]).await;
    assert_eq!((seen.status.as_u16(), seen.text.as_str()), (304, ""));
    assert_eq!(seen.headers["etag"], tag);
    let older = house.ask_with("GET", &path, None, &[("if-none-match", "\"3\"")]).await;
    assert_eq!(older.status, 200);
    // The same version, but not the same answer: what surrounds it has changed.
    let other = house.ask_with("GET", &path, None, &[("if-none-match", tag)]).await;
    assert_eq!((other.status.as_u16(), other.json()["name"].as_str()), (200, Some("Shop")));
}
