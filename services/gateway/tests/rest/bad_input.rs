//! What is wrong is answered clearly, and reaches no service.

use axum::body::Body;
use axum::http::Request;
use quittance_kernel::Role;
use serde_json::json;

use crate::fake::Fake;
use crate::house::{House, ID};

const BATCH: &str = "/api/admin/payouts/batch-pay";

#[tokio::test]
async fn a_body_that_is_wrong_is_refused_by_its_field() {
    let house = House::new(Fake::default()).await;
    let cycle = format!("/api/test-cycles/{ID}");
    let issue = format!("{cycle}/issues/{ID}");
    let cases = [
        ("POST", BATCH, json!({}), 400, "INVALID_FIELD", "groups"),
        (
            "POST",
            BATCH,
            json!({"issueIds": [ID], "reference": "R"}),
            400,
            "INVALID_FIELD",
            "method",
        ),
        (
            "POST",
            BATCH,
            json!({"groups": [{"issueIds": [ID], "method": "barter", "reference": "R"}]}),
            400,
            "INVALID_FIELD",
            "groups[0].method",
        ),
        (
            "POST",
            BATCH,
            json!({"groups": [{"issueIds": ["42"], "method": "cash", "reference": "R"}]}),
            400,
            "INVALID_FIELD",
            "groups[0].issueIds[0]",
        ),
        (
            "POST",
            BATCH,
            json!({"groups": [{"issueIds": [ID], "method": "cash"}]}),
            400,
            "INVALID_FIELD",
            "groups[0].reference",
        ),
        ("POST", BATCH, json!({"groups": [], "colour": 1}), 400, "UNKNOWN_FIELD", "colour"),
        ("PATCH", &issue, json!({}), 400, "INVALID_FIELD", "status"),
        ("PATCH", &issue, json!({"status": "done"}), 400, "INVALID_FIELD", "status"),
        (
            "PATCH",
            &issue,
            json!({"payoutStatus": "approved", "amountMinor": 15.5}),
            400,
            "INVALID_FIELD",
            "amountMinor",
        ),
        ("PATCH", &cycle, json!({"organizationId": ID}), 400, "UNKNOWN_FIELD", "organizationId"),
    ];
    for (method, path, body, status, code, field) in cases {
        let answer = house.ask(method, path, Some(body.clone())).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{body} {answer:?}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{body}");
    }
    let preview = format!("{cycle}/verification-gate/preview");
    let answer = house.ask("POST", &preview, Some(json!({}))).await;
    assert_eq!(answer.json()["errors"][0]["field"], "requiresVerification");
    assert!(house.fake.calls().is_empty());
}

async fn raw(house: &House, kind: Option<&str>, body: Body) -> (u16, String) {
    let token = house.token(&[Role::Admin]);
    let mut request = Request::post(BATCH).header("authorization", format!("Bearer {token}"));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    house.send(request.body(body).unwrap()).await.problem()
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let house = House::new(Fake::default()).await;
    let json = Some("application/json");
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(raw(&house, json, Body::from("{")).await, refused(400, "MALFORMED_JSON"));
    assert_eq!(raw(&house, json, Body::empty()).await, refused(400, "MALFORMED_JSON"));
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = raw(&house, kind, Body::from("{}")).await;
        assert_eq!(answer, refused(415, "UNSUPPORTED_MEDIA_TYPE"));
    }
    let charset = Some("application/json; charset=utf-8");
    assert_eq!(raw(&house, charset, Body::from("{}")).await.0, 400, "it is read");
    assert!(house.fake.calls().is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let house = House::new(Fake::default()).await;
    let text = "x".repeat(1024 * 1024 + 1);
    let too_large = (413, "BODY_TOO_LARGE".to_owned());
    assert_eq!(raw(&house, Some("application/json"), Body::from(text.clone())).await, too_large);
    // Without a length given beforehand.
    let chunks = text
        .into_bytes()
        .chunks(64 * 1024)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
        .collect::<Vec<_>>();
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    assert_eq!(raw(&house, Some("application/json"), body).await, too_large);
}

#[tokio::test]
async fn an_address_that_is_wrong_is_refused() {
    let house = House::new(Fake::default()).await;
    for (method, path, status, code) in [
        ("GET", "/api/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/", 307, ""),
        ("DELETE", "/api/products", 405, "METHOD_NOT_ALLOWED_HERE"),
        ("GET", "/api/products/42", 404, "NOT_FOUND"),
        ("GET", "/api/test-cycles/../issues/x", 404, "NOT_FOUND"),
        ("GET", "/api/issues?colour=red", 400, "UNKNOWN_FIELD"),
        ("GET", "/api/issues?pageSize=many", 400, "INVALID_FIELD"),
        ("GET", "/api/issues?status=done", 400, "INVALID_FIELD"),
        ("GET", "/api/me/balance?asOf=yesterday", 400, "INVALID_FIELD"),
        ("GET", "/api/me/balance?at=2026-01-01", 400, "UNKNOWN_FIELD"),
        ("GET", "/api/me/balance/statement?period=2026-02&format=pdf", 400, "INVALID_FIELD"),
        ("GET", "/api/me/balance/export.csv?from=yesterday", 400, "INVALID_FIELD"),
    ] {
        let answer = house.ask(method, path, None).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {answer:?}");
        if !code.is_empty() {
            assert_eq!(answer.problem().1, code, "{method} {path}");
        }
    }
    let answer = house.ask("DELETE", "/api/products", None).await;
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let answer = house.ask("GET", "/api/issues?pageSize=many", None).await;
    assert_eq!(answer.json()["errors"][0]["field"], "pageSize");
    assert!(house.fake.calls().is_empty());
}

#[tokio::test]
async fn a_header_that_is_wrong_is_refused() {
    let house = House::new(Fake::default()).await;
    let cycle = format!("/api/test-cycles/{ID}");
    let long = "k".repeat(256);
    for (header, value, status) in [
        ("idempotency-key", "\"open", 400),
        ("idempotency-key", &long, 400),
        ("if-match", "7", 412),
    ] {
        let body = Some(json!({"name": "Sweep"}));
        let answer = house.ask_with("PATCH", &cycle, body, &[(header, value)]).await;
        assert_eq!(answer.problem().0, status, "{header} {value}");
    }
    assert!(house.fake.calls().is_empty());
}
