//! Who gets past the gateway.

use axum::body::Body;
use axum::http::Request;
use quittance_chassis::config::Mode;
use quittance_kernel::{MemberId, Role};
use quittance_proto::audit::v1 as audit;
use quittance_proto::issues::v1 as issues;
use serde_json::{Value, json};
use tonic::Status;

use crate::fake::Fake;
use crate::house::{Answer, House, ID, OTHER, SECRET, config, forged};

const DENIAL: &str = "/quittance.audit.v1.AuditService/NoteDenial";
const PREVIEW: &str = "/quittance.issues.v1.CycleService/PreviewGate";
const NOTE: &str = "/quittance.issues.v1.ImpersonationService/NoteImpersonation";
const ENSURE: &str = "/quittance.issues.v1.MemberService/EnsureMember";

async fn with_token(house: &House, method: &str, path: &str, token: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    house.send(request).await
}

#[tokio::test]
async fn only_a_good_token_gets_in() {
    let house = House::new(Fake::default()).await;
    let good = forged(SECRET, 60);
    assert_eq!(with_token(&house, "GET", "/api/me", &good, json!({})).await.status, 200);
    let claims = good.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.");
    let other_signature = forged("another secret that nobody has given out", 60);
    let mixed = format!(
        "{}.{claims}.{}",
        good.split('.').next().unwrap(),
        other_signature.split('.').nth(2).unwrap()
    );
    for (token, code) in [
        (forged(SECRET, -3600), "TOKEN_EXPIRED"),
        (other_signature.clone(), "TOKEN_INVALID"),
        (unsigned, "TOKEN_INVALID"),
        (mixed, "TOKEN_INVALID"),
        ("nonsense".to_owned(), "TOKEN_INVALID"),
        ("x".repeat(9 * 1024), "TOKEN_INVALID"),
    ] {
        let answer = with_token(&house, "GET", "/api/issues", &token, json!({})).await;
        assert_eq!(answer.problem(), (401, code.to_owned()));
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
    let request = Request::get("/api/issues").body(Body::empty()).unwrap();
    let answer = house.send(request).await;
    assert_eq!(answer.problem(), (401, "TOKEN_MISSING".to_owned()));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert!(house.fake.calls().is_empty());
}

#[tokio::test]
async fn a_role_opens_its_routes_only() {
    let house = House::new(Fake::default()).await;
    for (role, method, path) in [
        (Role::Member, "POST", "/api/admin/payouts/batch-pay"),
        (Role::Lead, "POST", "/api/admin/payouts/batch-pay"),
        (Role::Finance, "POST", "/api/admin/payouts/batch-pay"),
        (Role::Auditor, "POST", "/api/admin/triage/decide"),
        (Role::Member, "GET", "/api/admin/payouts"),
        (Role::Member, "GET", "/api/admin/audit"),
        (Role::Service, "GET", "/api/issues"),
    ] {
        let token = house.token(&[role]);
        let answer = with_token(&house, method, path, &token, json!({})).await;
        assert_eq!(answer.problem(), (403, "ROLE_REQUIRED".to_owned()), "{role} {path}");
    }
    // A refused write is noted, a refused look is not; nothing else is asked of any service.
    let calls = house.fake.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.path == DENIAL), "{calls:?}");
    let noted: audit::NoteDenialRequest = calls[0].message();
    assert_eq!(noted.request, "POST /api/admin/payouts/batch-pay");
    assert_eq!(noted.reason, "ROLE_REQUIRED");
}

#[tokio::test]
async fn whoever_views_as_somebody_else_may_look_but_not_write() {
    let fake = Fake::default()
        .on(PREVIEW, |_: issues::PreviewGateRequest| Ok(issues::PreviewGateResponse::default()))
        .on(NOTE, |note: issues::NoteImpersonationRequest| {
            assert_eq!(note.impersonation_id, ID);
            let impersonation = issues::Impersonation {
                impersonation_id: note.impersonation_id,
                admin_name: "Madina".to_owned(),
                ..issues::Impersonation::default()
            };
            Ok(issues::NoteImpersonationResponse { impersonation: Some(impersonation) })
        });
    let house = House::new(fake).await;
    let token = house.token_as(&[Role::Admin], Some(MemberId::new()));
    let cycle = format!("/api/test-cycles/{ID}");
    let answer = with_token(&house, "PATCH", &cycle, &token, json!({"name": "x"})).await;
    assert_eq!(answer.problem(), (403, "IMPERSONATION_READ_ONLY".to_owned()));
    let calls = house.fake.calls();
    let call = |path| calls.iter().find(|call| call.path == path).unwrap();
    let note: issues::NoteImpersonationRequest = call(NOTE).message();
    let written = (note.method.as_str(), note.path.as_str(), note.refused);
    assert_eq!(written, ("PATCH", cycle.as_str(), true));
    let denial: audit::NoteDenialRequest = call(DENIAL).message();
    assert_eq!(denial.reason, "IMPERSONATION_READ_ONLY");
    let preview = format!("{cycle}/verification-gate/preview");
    let question = json!({"requiresVerification": true});
    assert_eq!(with_token(&house, "POST", &preview, &token, question).await.status, 200);
    let me = with_token(&house, "GET", "/api/me", &token, json!({})).await;
    assert!(me.json()["impersonatorId"].is_string());
    assert_eq!(me.json()["impersonator"]["name"], "Madina");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_shown_to_whoever_views() {
    let ended = || Status::unavailable("the database is away");
    let fake = Fake::default().on(NOTE, move |_: issues::NoteImpersonationRequest| {
        Err::<issues::NoteImpersonationResponse, _>(ended())
    });
    let house = House::new(fake).await;
    let token = house.token_as(&[Role::Admin], Some(MemberId::new()));
    let me = with_token(&house, "GET", "/api/me", &token, json!({})).await;
    assert_eq!(me.problem(), (503, "UNAVAILABLE".to_owned()));
}

#[tokio::test]
async fn development_signs_in_by_email() {
    let fake = Fake::default().on(ENSURE, |request: issues::EnsureMemberRequest| {
        assert_eq!(request.email, "aibek@example.com");
        Ok(issues::EnsureMemberResponse {
            member: Some(issues::Member {
                member_id: ID.to_owned(),
                organization_id: OTHER.to_owned(),
                roles: request.roles,
                ..issues::Member::default()
            }),
        })
    });
    let house = House::new(fake).await;
    let request = Request::post("/api/auth/dev-token")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"email":"aibek@example.com","roles":["admin","lead"]}"#))
        .unwrap();
    let signed_in = house.send(request).await.json();
    assert_eq!((&signed_in["memberId"], &signed_in["organizationId"]), (&ID.into(), &OTHER.into()));
    let token = signed_in["token"].as_str().unwrap();
    let me = with_token(&house, "GET", "/api/me", token, json!({})).await.json();
    assert_eq!(me["memberId"], ID);
    assert_eq!(me["roles"], json!(["lead", "admin"]));
    assert_eq!(me["impersonatorId"], Value::Null);
}

#[tokio::test]
async fn production_has_no_sign_in_by_email() {
    quittance_chassis::run::install_tls();
    let (fake, addr) = Fake::default().serve().await;
    let mut config = config(&format!("http://{addr}"));
    config.mode = Mode::Production;
    config.auth.dev_secret = None;
    config.auth.jwks_url = Some("http://127.0.0.1:9/keys".to_owned());
    let house = House::over(fake, &config);
    let request = Request::post("/api/auth/dev-token")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"email":"aibek@example.com"}"#))
        .unwrap();
    assert_eq!(house.send(request).await.problem(), (404, "NOT_FOUND".to_owned()));
    // Nor any sign-in as long as it may open no sessions.
    let request = Request::post("/api/auth/sign-in").body(Body::empty()).unwrap();
    assert_eq!(house.send(request).await.problem(), (409, "MINT_DISABLED".to_owned()));
    assert!(house.fake.calls().is_empty());
}
