//! Signing in at an identity provider, which is a little one of our own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use quittance_proto::issues::v1 as issues;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::fake::Fake;
use crate::house::{Answer, House, ID, OTHER, config};

const SIGN_IN: &str = "/quittance.issues.v1.IdentityService/SignIn";

/// What the provider knows of a code that it gave out.
struct Grant {
    challenge: String,
    claims: Value,
}

#[derive(Clone)]
struct Provider {
    issuer: String,
    key: EncodingKey,
    public: Value,
    grants: Arc<Mutex<HashMap<String, Grant>>>,
}

fn key_pair() -> (EncodingKey, Value) {
    let rng = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
    let key = EncodingKey::from_ec_der(der.as_ref());
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    public.common.key_id = Some("one".to_owned());
    (key, serde_json::to_value(public).unwrap())
}

async fn discovery(State(provider): State<Provider>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn jwks(State(provider): State<Provider>) -> Json<Value> {
    Json(json!({ "keys": [provider.public] }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    let refused = (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    let basic = format!("Basic {}", STANDARD.encode("quittance:hunter2"));
    if headers["authorization"] != basic.as_str() {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" })));
    }
    let Some(grant) = provider.grants.lock().unwrap().remove(&form["code"]) else {
        return refused;
    };
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    if proof != grant.challenge {
        return refused;
    }
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
    let id_token = jsonwebtoken::encode(&header, &grant.claims, &provider.key).unwrap();
    let answer = json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token });
    (StatusCode::OK, Json(answer))
}

impl Provider {
    async fn start() -> Self {
        quittance_chassis::run::install_tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (key, public) = key_pair();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { issuer, key, public, grants: Arc::default() };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// Somebody signs in there: gives out a code. The claims given here win.
    fn grant(&self, url: &str, changed: &Value) -> String {
        let asked = query(url);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "aud": "quittance", "sub": "user_1", "org": OTHER,
            "email": "dana@example.com", "email_verified": true, "nonce": asked["nonce"],
            "iat": now, "exp": now + 60,
        });
        for (name, value) in changed.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let challenge = asked["code_challenge"].clone();
        let code = format!("code-{}", self.grants.lock().unwrap().len());
        self.grants.lock().unwrap().insert(code.clone(), Grant { challenge, claims });
        code
    }
}

fn query(url: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(url).unwrap();
    url.query_pairs().into_owned().collect()
}

async fn house(provider: &Provider) -> House {
    let fake = Fake::default().on(SIGN_IN, |asked: issues::SignInRequest| {
        assert_eq!((asked.subject.as_str(), asked.organization_id.as_str()), ("user_1", OTHER));
        assert!(asked.email_verified);
        let member = issues::Member {
            member_id: ID.to_owned(),
            organization_id: asked.organization_id,
            email: asked.email,
            roles: vec!["member".to_owned()],
            ..issues::Member::default()
        };
        Ok(issues::SignInResponse { member: Some(member), linked: true })
    });
    let (fake, addr) = fake.serve().await;
    let mut config = config(&format!("http://{addr}"));
    config.auth.oidc.issuer = Some(provider.issuer.clone());
    config.auth.oidc.client_id = Some("quittance".to_owned());
    config.auth.oidc.client_secret = Some("hunter2".into());
    config.auth.oidc.redirect_url = Some("https://pay.example/app/sign-in/callback".to_owned());
    House::over(fake, &config)
}

async fn open(house: &House, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty());
    house.send(request.unwrap()).await
}

/// The cookies that an answer sets, by name.
fn cookies(answer: &Answer) -> HashMap<String, String> {
    let lines = answer.headers.get_all("set-cookie").iter();
    lines
        .map(|line| line.to_str().unwrap().split(';').next().unwrap())
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Begins, and returns where the browser is sent and the cookie that it keeps.
async fn begin(house: &House) -> (String, String) {
    let begun = open(house, "/app/sign-in/start?next=/app/issues", "").await;
    assert_eq!(begun.status, 303);
    let kept = cookies(&begun)["quittance-sign-in"].clone();
    let url = begun.headers["location"].to_str().unwrap().to_owned();
    (url, format!("quittance-sign-in={kept}"))
}

#[tokio::test]
async fn whoever_signs_in_at_the_provider_is_signed_in_here() {
    let provider = Provider::start().await;
    let house = house(&provider).await;
    let page = open(&house, "/app/sign-in?next=/app/issues", "").await;
    assert!(page.text.contains("/app/sign-in/start?next=/app/issues"), "{}", page.text);
    let (url, cookie) = begin(&house).await;
    let asked = query(&url);
    assert_eq!(
        (asked["response_type"].as_str(), asked["client_id"].as_str()),
        ("code", "quittance")
    );
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], "https://pay.example/app/sign-in/callback");
    assert!(asked["scope"].contains("openid"));
    let code = provider.grant(&url, &json!({}));
    let back = format!("/app/sign-in/callback?code={code}&state={}", asked["state"]);
    let done = open(&house, &back, &cookie).await;
    assert_eq!(
        (done.status.as_u16(), done.headers["location"].as_bytes()),
        (303, b"/app/issues" as _)
    );
    let session = cookies(&done)["quittance"].clone();
    assert_eq!(cookies(&done)["quittance-sign-in"], "", "what was kept is used once");
    let request = Request::get("/api/me").header("authorization", format!("Bearer {session}"));
    let me = house.send(request.body(Body::empty()).unwrap()).await.json();
    assert_eq!((&me["memberId"], &me["email"]), (&ID.into(), &"dana@example.com".into()));
    // The code was good once.
    let again = open(&house, &back, &cookie).await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_signs_nobody_in() {
    let provider = Provider::start().await;
    let house = house(&provider).await;
    let refused = async |path: &str, cookie: &str, why: &str| {
        let answer = open(&house, path, cookie).await;
        assert_eq!(answer.status, 401, "{why}");
        assert!(!cookies(&answer).contains_key("quittance"), "{why}");
        assert!(answer.text.contains("Sign in"), "{why}");
    };
    let (url, cookie) = begin(&house).await;
    let (_, other) = begin(&house).await;
    let state = query(&url)["state"].clone();
    let code = provider.grant(&url, &json!({}));
    let back = format!("/app/sign-in/callback?code={code}&state={state}");
    refused(&back, "", "no sign-in was begun by this browser").await;
    refused(&back, &other, "the state is of another sign-in").await;
    refused(&format!("/app/sign-in/callback?code={code}"), &cookie, "no state").await;
    let error = format!("/app/sign-in/callback?error=access_denied&state={state}");
    refused(&error, &cookie, "the provider refused").await;
    for (changed, why) in [
        (json!({ "nonce": "another" }), "the nonce is another"),
        (json!({ "aud": "somebody-else" }), "the token is for somebody else"),
        (json!({ "iss": "https://evil.example" }), "the issuer is another"),
        (json!({ "exp": 1 }), "the token has expired"),
        (json!({ "org": "Shop" }), "the organization is no id"),
        (json!({ "org": null }), "there is no organization"),
    ] {
        let (url, cookie) = begin(&house).await;
        let (code, state) = (provider.grant(&url, &changed), query(&url)["state"].clone());
        let back = format!("/app/sign-in/callback?code={code}&state={state}");
        refused(&back, &cookie, why).await;
    }
    // A code that was begun by another browser: its secret of PKCE does not fit.
    let (url, cookie) = begin(&house).await;
    let (stolen, _) = begin(&house).await;
    let (code, state) = (provider.grant(&stolen, &json!({})), query(&url)["state"].clone());
    let back = format!("/app/sign-in/callback?code={code}&state={state}");
    refused(&back, &cookie, "the proof does not fit").await;
    assert!(house.fake.calls().is_empty(), "no service was asked");
}

#[tokio::test]
async fn there_is_no_sign_in_at_a_provider_where_none_is_configured() {
    let (fake, _) = Fake::default().serve().await;
    let house = House::over(fake, &config("http://127.0.0.1:9"));
    let start = open(&house, "/app/sign-in/start", "").await;
    assert_eq!(start.headers["location"], "/app/sign-in");
    assert!(!open(&house, "/app/sign-in", "").await.text.contains("Sign in with your"));
}
