use super::*;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.org";
const AUDIENCE: &str = "quittance";
const DEV_SECRET: &str = "a development secret of decent length";

/// A key of an identity provider.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: &'static str,
}

impl Signer {
    fn ed25519(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self { algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_der(der.as_ref()), kid }
    }

    fn p256(kid: &'static str) -> Self {
        let rng = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        Self { algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(der.as_ref()), kid }
    }

    fn rsa(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let label = "PRIVATE KEY";
        let pem =
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(&*der));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        Self { algorithm: Algorithm::RS256, key, kid }
    }

    fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// An identity provider that counts how often it is asked.
#[derive(Clone, Default)]
struct Provider {
    asked: Arc<AtomicUsize>,
    keys: Arc<Mutex<Vec<Jwk>>>,
}

impl Provider {
    async fn start(keys: Vec<Jwk>) -> (Self, SocketAddr) {
        crate::run::install_tls();
        let provider = Self { keys: Arc::new(Mutex::new(keys)), ..Self::default() };
        let answering = provider.clone();
        let keys = move || {
            answering.asked.fetch_add(1, Ordering::SeqCst);
            let keys = answering.keys.lock().unwrap().clone();
            async move { axum::Json(json!({ "keys": keys })) }
        };
        let routes = axum::Router::new().route("/jwks", axum::routing::get(keys));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (provider, address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn settings(jwks: Option<SocketAddr>) -> config::Auth {
    config::Auth {
        dev_secret: Some(DEV_SECRET.into()),
        jwks_url: jwks.map(|address| format!("http://{address}/jwks")),
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        session_secret: None,
        service_token: None,
        oidc: config::Oidc::default(),
    }
}

fn development(jwks: Option<SocketAddr>) -> Arc<Verifier> {
    Verifier::from_config(&settings(jwks), Mode::Development).unwrap()
}

fn somebody() -> Principal {
    Principal {
        organization: OrganizationId::new(),
        member: MemberId::new(),
        roles: Roles::new([Role::Lead, Role::Admin]),
        email: Some("lead@example.org".to_owned()),
        impersonator: None,
    }
}

fn claims() -> Value {
    json!({
        "sub": MemberId::new().to_string(),
        "org": OrganizationId::new().to_string(),
        "roles": ["member", "superuser"],
        "iss": ISSUER,
        "aud": [AUDIENCE, "other"],
        "exp": now().timestamp() + 600,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hs256(claims: &Value, secret: &[u8]) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn dev(claims: &Value) -> String {
    hs256(claims, DEV_SECRET.as_bytes())
}

#[tokio::test]
async fn a_minted_token_says_who_it_was_minted_for() {
    let verifier = development(None);
    let mut principal = somebody();
    for impersonator in [None, Some(MemberId::new())] {
        principal.impersonator = impersonator;
        let token = verifier.mint(&principal, Duration::from_mins(1)).unwrap();
        assert_eq!(verifier.verify(&token).await.unwrap(), principal);
        assert_eq!(verifier.verify(&token).await.unwrap(), principal, "from the cache");
    }
}

#[tokio::test]
async fn a_role_that_is_not_ours_grants_nothing() {
    let principal = development(None).verify(&dev(&claims())).await.unwrap();
    assert_eq!(principal.roles, Roles::new([Role::Member]));
}

#[tokio::test]
async fn claims_that_are_wrong_are_refused() {
    let now = now().timestamp();
    let invalid = AuthError::Invalid;
    let verifier = development(None);
    for (claims, why) in [
        (with("exp", json!(now - 31)), AuthError::Expired),
        (with("nbf", json!(now + 90)), invalid("nbf")),
        (with("aud", json!("somebody else")), invalid("aud")),
        (with("iss", json!("https://evil.example.org")), invalid("iss")),
        (with("sub", json!("root")), invalid("sub")),
        (with("org", json!("")), invalid("org")),
        (with("act", json!({"sub": "root"})), invalid("sub")),
        (without("aud"), invalid("missing claim")),
        (without("iss"), invalid("missing claim")),
        (without("exp"), invalid("malformed")),
        (without("sub"), invalid("malformed")),
        (without("org"), invalid("malformed")),
    ] {
        let token = dev(&claims);
        assert_eq!(verifier.verify(&token).await.unwrap_err(), why, "{claims}");
        assert_eq!(why.code(), Code::Unauthenticated);
    }
    let lenient = dev(&with("exp", json!(now - 5)));
    assert!(verifier.verify(&lenient).await.is_ok(), "clocks differ a little");
}

#[tokio::test]
async fn tokens_that_are_forged_are_refused() {
    let verifier = development(None);
    let good = dev(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = encode(&json!({"alg": "none", "typ": "JWT"}));
    let crit = encode(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}));
    let admin = encode(&with("roles", json!(["admin"])));
    for (token, what) in [
        (format!("{none}.{}.", parts[1]), "alg none"),
        (format!("{none}.{}.{}", parts[1], parts[2]), "alg none, signed"),
        (format!("{}.{admin}.{}", parts[0], parts[2]), "tampered claims"),
        (format!("{crit}.{}.{}", parts[1], parts[2]), "unknown critical header"),
        (format!("{}.{}.", parts[0], parts[1]), "no signature"),
        (hs256(&claims(), b"another secret of a decent length"), "another secret"),
        (format!("{good}{}", "A".repeat(9 * 1024)), "9 KiB"),
        ("...".to_owned(), "dots"),
        (String::new(), "nothing"),
    ] {
        let refused = verifier.verify(&token).await;
        assert!(matches!(refused, Err(AuthError::Invalid(_))), "{what}: {refused:?}");
    }
    assert!(verifier.verify(&good).await.is_ok());
}

#[tokio::test]
async fn published_keys_verify_each_with_its_own_algorithm() {
    let signers = [Signer::ed25519("ed"), Signer::rsa("rsa"), Signer::p256("ec")];
    let (provider, address) = Provider::start(signers.iter().map(Signer::public).collect()).await;
    let verifier = development(Some(address));
    for signer in &signers {
        let token = signer.sign(&claims());
        assert!(verifier.verify(&token).await.is_ok(), "{}", signer.kid);
        let mut nameless = Header::new(signer.algorithm);
        nameless.kid = None;
        let nameless = jsonwebtoken::encode(&nameless, &claims(), &signer.key).unwrap();
        assert_eq!(verifier.verify(&nameless).await, Err(AuthError::Invalid("kid")));
    }
    let stolen = Signer { kid: "rsa", ..Signer::ed25519("ed") };
    let refused = verifier.verify(&stolen.sign(&claims())).await;
    assert_eq!(refused, Err(AuthError::Invalid("algorithm")));
    let imposter = Signer::ed25519("ed");
    let refused = verifier.verify(&imposter.sign(&claims())).await;
    assert_eq!(refused, Err(AuthError::Invalid("signature")));
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn an_identity_is_what_the_provider_says_and_never_a_session_of_ours() {
    let signer = Signer::ed25519("ed");
    let (_provider, address) = Provider::start(vec![signer.public()]).await;
    let secret = Some("a session secret of a decent length".into());
    let jwks = settings(Some(address));
    let auth = config::Auth { dev_secret: None, session_secret: secret, ..jwks };
    let production = Verifier::from_config(&auth, Mode::Production).unwrap();
    let mut says = with("sub", json!("user_29"));
    for (verified, believed) in
        [(json!(true), true), (json!("true"), false), (json!(1), false), (json!(null), false)]
    {
        says["email_verified"] = verified;
        let identity = production.identity(&signer.sign(&says)).await.unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), (ISSUER, "user_29"));
        assert_eq!(identity.email_verified, believed);
    }
    // It says nothing of a member, so that it opens nothing but the sign-in.
    let refused = production.verify(&signer.sign(&says)).await;
    assert_eq!(refused, Err(AuthError::Invalid("sub")));

    let somebody = somebody();
    let session = production.mint(&somebody, Duration::from_mins(1)).unwrap();
    assert_eq!(production.verify(&session).await, Ok(somebody));
    assert_eq!(production.identity(&session).await, Err(AuthError::Invalid("algorithm")));
    assert_eq!(production.impersonation(&session).await, Ok(None));
    let forged = dev(&says);
    assert_eq!(production.identity(&forged).await, Err(AuthError::Invalid("algorithm")));
    // A secret of ours signs sessions; whoever has another one does not.
    let other = Some("another secret of a decent length!".into());
    let auth = config::Auth { session_secret: other, ..auth };
    let other = Verifier::from_config(&auth, Mode::Production).unwrap();
    assert_eq!(other.verify(&session).await, Err(AuthError::Invalid("signature")));
}

#[tokio::test]
async fn a_token_names_the_impersonation_that_it_ends_with() {
    let verifier = development(None);
    let principal = Principal { impersonator: Some(MemberId::new()), ..somebody() };
    let (id, until) = (Uuid::now_v7(), now() + Duration::from_mins(5));
    let token = verifier.mint_impersonation(&principal, id, until).unwrap();
    assert_eq!(verifier.verify(&token).await.unwrap(), principal);
    assert_eq!(verifier.impersonation(&token).await, Ok(Some(id)));
    assert_eq!(verifier.expiry(&token).await.unwrap().timestamp(), until.timestamp());
}

#[tokio::test]
async fn a_public_key_is_not_a_shared_secret() {
    let signer = Signer::rsa("rsa");
    let (_provider, address) = Provider::start(vec![signer.public()]).await;
    let auth = config::Auth { dev_secret: None, ..settings(Some(address)) };
    let production = Verifier::from_config(&auth, Mode::Production).unwrap();
    assert!(production.verify(&signer.sign(&claims())).await.is_ok());
    let public = serde_json::to_value(signer.public()).unwrap();
    let modulus = public["n"].as_str().unwrap();
    for secret in [modulus.as_bytes(), &URL_SAFE_NO_PAD.decode(modulus).unwrap()] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("rsa".to_owned());
        let key = EncodingKey::from_secret(secret);
        let forged = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        let refused = production.verify(&forged).await;
        assert_eq!(refused, Err(AuthError::Invalid("algorithm")));
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_provider_once() {
    let (provider, address) = Provider::start(Vec::new()).await;
    let verifier = development(Some(address));
    let key = Signer::ed25519("made up").key;
    let flood = (0..50).map(|number| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(format!("made up {number}"));
        let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        let verifier = Arc::clone(&verifier);
        async move { verifier.verify(&token).await }
    });
    for refused in futures_util::future::join_all(flood).await {
        assert_eq!(refused, Err(AuthError::Invalid("unknown kid")));
    }
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_forgotten() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let (provider, address) = Provider::start(vec![old.public()]).await;
    let verifier = development(Some(address));
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());

    *provider.keys.lock().unwrap() = vec![new.public()];
    let early = verifier.verify(&new.sign(&claims())).await;
    assert_eq!(early, Err(AuthError::Invalid("unknown kid")), "asked less than 30 s ago");
    pass(31).await;
    assert!(verifier.verify(&new.sign(&claims())).await.is_ok());
    assert_eq!(provider.asked(), 2);
    let withdrawn = verifier.verify(&old.sign(&claims())).await;
    assert_eq!(withdrawn, Err(AuthError::Invalid("unknown kid")));
}

#[tokio::test]
async fn a_key_that_was_withdrawn_stops_being_believed() {
    let old = Signer::ed25519("old");
    let (provider, address) = Provider::start(vec![old.public()]).await;
    let verifier = development(Some(address));
    assert!(verifier.verify(&old.sign(&claims())).await.is_ok());

    provider.keys.lock().unwrap().clear();
    pass(601).await;
    let refused = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            // The old keys are in use until the provider has answered.
            if let Err(refused) = verifier.verify(&old.sign(&claims())).await {
                break refused;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(refused.await.unwrap(), AuthError::Invalid("unknown kid"));
}

#[tokio::test]
async fn a_provider_that_is_down_is_not_the_callers_fault() {
    crate::run::install_tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let verifier = development(Some(address));
    for _ in 0..2 {
        let refused = verifier.verify(&Signer::ed25519("ed").sign(&claims())).await;
        assert_eq!(refused, Err(AuthError::KeysUnavailable));
    }
}

#[test]
fn production_refuses_what_development_may_do() {
    crate::run::install_tls();
    let refused = |auth: &config::Auth| {
        Verifier::from_config(auth, Mode::Production).map(|_| ()).unwrap_err().to_string()
    };
    let auth = settings(None);
    assert!(refused(&auth).contains("auth.dev_secret"));
    let auth = config::Auth { dev_secret: None, ..auth };
    assert!(refused(&auth).contains("auth.jwks_url"));
    let keys = Some("https://id.example.org/keys".to_owned());
    let auth = config::Auth { dev_secret: None, jwks_url: keys, ..auth };
    let production = Verifier::from_config(&auth, Mode::Production).unwrap();
    let minted = production.mint(&somebody(), Duration::from_mins(1));
    assert_eq!(minted, Err(AuthError::MintDisabled));
}

/// Lets the clock of the runtime jump.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
