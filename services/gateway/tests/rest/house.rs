//! The gateway in front of the fake services.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use quittance_chassis::auth::Verifier;
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::run::Start;
use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fake::Fake;

pub(crate) const SECRET: &str = "a secret of the tests, long enough for HS256";
pub(crate) const ID: &str = "0198c0de-0000-7000-8000-000000000001";
pub(crate) const OTHER: &str = "0198c0de-0000-7000-8000-000000000002";

pub(crate) struct House {
    pub(crate) fake: Arc<Fake>,
    routes: Router,
    verifier: Arc<Verifier>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status.as_u16());
        (self.status.as_u16(), document["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn config(url: &str) -> Config {
    let mut config = Config::default();
    config.auth.dev_secret = Some(SECRET.into());
    for backend in [&mut config.issues, &mut config.payouts, &mut config.balance] {
        url.clone_into(&mut backend.url);
    }
    config
}

impl House {
    pub(crate) async fn new(fake: Fake) -> Self {
        let (fake, addr) = fake.serve().await;
        Self::over(fake, &config(&format!("http://{addr}")))
    }

    pub(crate) fn over(fake: Arc<Fake>, config: &Config) -> Self {
        let routes = quittance_gateway::router(config, &Start::default()).unwrap();
        let auth = self::config("http://unused").auth;
        let verifier = Verifier::from_config(&auth, Mode::Development).unwrap();
        Self { fake, routes, verifier }
    }

    pub(crate) fn token(&self, roles: &[Role]) -> String {
        self.token_as(roles, None)
    }

    pub(crate) fn token_as(&self, roles: &[Role], impersonator: Option<MemberId>) -> String {
        let principal = Principal {
            organization: OrganizationId::new(),
            member: MemberId::new(),
            roles: Roles::new(roles.iter().copied()),
            email: None,
            impersonator,
        };
        let minute = Duration::from_mins(1);
        if impersonator.is_none() {
            return self.verifier.mint(&principal, minute).unwrap();
        }
        let until = quittance_chassis::clock::now() + minute;
        self.verifier.mint_impersonation(&principal, ID.parse().unwrap(), until).unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: head.status, headers: head.headers, text }
    }

    /// Asks as an admin.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(method, path, body, &[]).await
    }

    /// Asks as an admin, with further headers.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let token = self.token(&[Role::Admin]);
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }
}

/// Signs claims with a secret of one's choice.
pub(crate) fn forged(secret: &str, expires_in: i64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = json!({
        "sub": ID, "org": OTHER, "roles": ["admin"],
        "exp": i64::try_from(now).unwrap() + expires_in,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}
