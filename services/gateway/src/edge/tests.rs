use axum::Router;
use axum::body::{Body, to_bytes};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use quittance_chassis::config::Config;
use quittance_chassis::run::Start;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

async fn panics() {
    panic!("hunter2")
}

fn gateway() -> Gateway {
    Gateway::new(&Config::default(), &Start::default()).unwrap()
}

async fn ask(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> (Response<()>, Value) {
    let routes = Router::new()
        .route("/panics", get(panics))
        .route("/fine", get(|| async { "fine" }))
        .layer(from_fn_with_state(gateway.clone(), edge));
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(head, ()), serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn a_panic_is_an_internal_error_that_says_nothing() {
    let (response, problem) = ask(&gateway(), "/panics", &[]).await;
    assert_eq!(response.status(), 500);
    assert_eq!(problem["code"], "INTERNAL");
    assert!(!problem.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_full_house_refuses_until_somebody_leaves() {
    let gateway = gateway();
    let all = u32::try_from(MAX_IN_FLIGHT).unwrap();
    let places = Arc::clone(&gateway.places).try_acquire_many_owned(all).unwrap();
    let (response, problem) = ask(&gateway, "/fine", &[]).await;
    assert_eq!((response.status().as_u16(), &problem["code"]), (503, &"OVERLOADED".into()));
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    drop(places);
    assert_eq!(ask(&gateway, "/fine", &[]).await.0.status(), 200);
    assert_eq!(gateway.places.available_permits(), MAX_IN_FLIGHT, "every place is given back");
}

#[tokio::test]
async fn every_answer_is_guarded_and_named() {
    let (response, _) = ask(&gateway(), "/fine", &[("x-request-id", "tour-1")]).await;
    let headers = response.headers();
    assert_eq!(headers["x-request-id"], "tour-1");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
}

#[tokio::test]
async fn an_id_that_could_forge_a_log_line_is_replaced() {
    for bad in ["", "a b", &"x".repeat(129)] {
        let (response, _) = ask(&gateway(), "/fine", &[("x-request-id", bad)]).await;
        assert_ne!(response.headers()["x-request-id"], bad);
    }
}

#[tokio::test]
async fn a_problem_names_the_trace_of_its_request() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let (_, problem) = ask(&gateway(), "/panics", &[("traceparent", &parent)]).await;
    assert_eq!(problem["traceId"], trace);
    let headers = [("traceparent", "00-<b>-1-1"), ("x-request-id", "tour-2")];
    let (_, problem) = ask(&gateway(), "/panics", &headers).await;
    assert_eq!(problem["traceId"], "tour-2");
}
