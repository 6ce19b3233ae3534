//! The table of pages, the tokens of forms, and the headers of every answer.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{Method, Request, StatusCode};
use quittance_chassis::auth::Verifier;
use quittance_chassis::config::Config;
use quittance_chassis::run::Start;
use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles};
use tower::ServiceExt as _;

use super::access::PAGES;
use super::session::Session;
use crate::access::{Row, Who};

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

fn config() -> Config {
    let mut config = Config::default();
    for backend in [&mut config.issues, &mut config.payouts, &mut config.balance] {
        // Nobody is there.
        "http://127.0.0.1:9".clone_into(&mut backend.url);
    }
    config
}

fn routes() -> Router {
    quittance_chassis::run::install_tls();
    crate::router(&config(), &Start::default()).unwrap()
}

fn token(roles: &[Role]) -> String {
    let config = config();
    let verifier = Verifier::from_config(&config.auth, config.mode).unwrap();
    let principal = Principal {
        organization: OrganizationId::new(),
        member: MemberId::new(),
        roles: Roles::new(roles.iter().copied()),
        email: None,
        impersonator: None,
    };
    verifier.mint(&principal, Duration::from_mins(1)).unwrap()
}

/// The address of a row with an id in each of its places.
fn address(row: &Row) -> String {
    let part = |part: &'static str| match part {
        "{name}" => "app.css",
        "{step}" => "approve",
        place if place.starts_with('{') => ID,
        word => word,
    };
    row.path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn send(method: &Method, path: &str, cookie: Option<&str>, body: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path).header("host", "pay.example");
    request = request.header("content-type", "application/x-www-form-urlencoded");
    if let Some(token) = cookie {
        request = request.header("cookie", format!("quittance={token}"));
    }
    routes().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn every_page_of_the_table_is_there_and_asks_to_sign_in() {
    for row in PAGES {
        let response = send(&row.method, &address(row), None, "").await;
        let status = response.status();
        if row.who == Who::Public {
            assert_ne!(status, StatusCode::NOT_FOUND, "{} {}", row.method, row.path);
        } else {
            assert_eq!(status, StatusCode::SEE_OTHER, "{} {}", row.method, row.path);
            let place = response.headers()["location"].to_str().unwrap();
            assert!(place.starts_with("/app/sign-in"), "{place}");
        }
    }
    let nowhere = send(&Method::GET, "/app/nowhere", Some(&token(&[Role::Admin])), "").await;
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert!(text(nowhere).await.contains("<h1>Not Found</h1>"));
}

#[tokio::test]
async fn a_role_opens_its_pages_only() {
    let roles = Role::ALL;
    for row in PAGES {
        let Who::Roles(allowed) = row.who else { continue };
        for role in roles.into_iter().filter(|role| !allowed.contains(role)) {
            if role == Role::Service || row.method == Method::POST {
                // The refusal of a write is noted by a service, which is not here.
                continue;
            }
            let response = send(&row.method, &address(row), Some(&token(&[role])), "").await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{role} {}", row.path);
            let page = text(response).await;
            assert!(page.contains("ROLE_REQUIRED"), "{page}");
        }
    }
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_does_nothing() {
    let admin = token(&[Role::Member, Role::Admin, Role::Finance, Role::PlatformAdmin]);
    let other = Session::read(
        &http::HeaderMap::from_iter([(
            http::header::COOKIE,
            http::HeaderValue::try_from(format!("quittance={}", token(&[Role::Admin]))).unwrap(),
        )]),
        config().mode,
    );
    for row in PAGES.iter().filter(|row| row.method == Method::POST) {
        for body in ["", "form=x", &format!("form={}", other.form_token())] {
            let response = send(&row.method, &address(row), Some(&admin), body).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{} {body}", row.path);
            let page = text(response).await;
            assert!(page.contains("FORM_REFUSED"), "{}: {page}", row.path);
        }
    }
}

#[tokio::test]
async fn the_form_of_another_site_is_refused_by_where_it_comes_from() {
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let request = Request::post("/app/sign-in")
            .header("host", "pay.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Body::from("email=a@b.example"))
            .unwrap();
        let response = routes().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name} {value}");
        assert!(text(response).await.contains("FORM_REFUSED"));
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let admin = token(&[Role::Admin]);
    for (path, cookie, policy) in [
        ("/app/sign-in", None, "default-src 'self'; base-uri 'none'; object-src 'none'; "),
        ("/app/assets/app.css", None, "default-src 'self'; "),
        ("/app/assets/app.js", None, "default-src 'self'; "),
        ("/app/admin/payouts", None, "default-src 'self'; "),
        ("/app/admin/payouts", Some(admin.as_str()), "default-src 'self'; "),
        ("/app/nowhere", Some(admin.as_str()), "default-src 'self'; "),
        ("/api/products", None, "default-src 'none'; base-uri 'none'; form-action 'none'; "),
        ("/", None, "default-src 'none'; "),
    ] {
        let response = send(&Method::GET, path, cookie, "").await;
        let headers = response.headers();
        let found = headers["content-security-policy"].to_str().unwrap();
        assert!(found.starts_with(policy), "{path}: {found}");
        assert!(found.contains("frame-ancestors 'none'"), "{path}: {found}");
        assert!(!found.contains("unsafe"), "{path}: {found}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        let referrer = if path.starts_with("/app") { "same-origin" } else { "no-referrer" };
        assert_eq!(headers["referrer-policy"], referrer, "{path}");
        assert!(headers.contains_key("cache-control"), "{path}");
    }
}

#[tokio::test]
async fn a_service_that_is_away_is_a_page_and_tells_nothing_of_our_insides() {
    let page = send(&Method::GET, "/app/issues", Some(&token(&[Role::Member])), "").await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(page).await;
    assert!(page.contains("Temporarily unavailable") && !page.contains("127.0.0.1"), "{page}");
}
