//! A person with a token, and what the gateway answers them.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// Someone who is signed in.
#[derive(Clone)]
pub struct Person {
    pub base: String,
    pub token: String,
    pub member_id: String,
    pub organization_id: String,
    client: Client,
}

/// An answer of the gateway.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The stable code of a problem.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body of an answer that must have this status.
    #[expect(clippy::must_use_candidate, reason = "it is an assertion first")]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Asserts a problem with this status and code.
    #[expect(clippy::must_use_candidate, reason = "it is an assertion first")]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text);
        let kind = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(kind, Some("application/problem+json"), "{}", self.text);
        self.json()
    }
}

/// A client that does not share connections with other tests.
#[must_use]
pub fn client() -> Client {
    quittance_chassis::run::install_tls();
    Client::builder().timeout(Duration::from_mins(1)).build().unwrap()
}

impl Person {
    /// Signs in through the development route, creating what is missing.
    pub async fn sign_in(base: &str, organization: &str, email: &str, roles: &[&str]) -> Self {
        let client = client();
        let body = json!({ "email": email, "organization": organization, "roles": roles });
        let reply = client
            .post(format!("{base}/api/auth/dev-token"))
            .json(&body)
            .send()
            .await
            .expect("the gateway answers");
        let status = reply.status().as_u16();
        let body: Value = reply.json().await.unwrap_or_default();
        assert_eq!(status, 200, "dev-token: {body}");
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Self {
            base: base.to_owned(),
            token: text("token"),
            member_id: text("memberId"),
            organization_id: text("organizationId"),
            client,
        }
    }

    /// The same person with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same person at another address (after a restart).
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), client: client(), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await.expect("the gateway answers")
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await.expect("the gateway answers")
    }

    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.try_post_once(path, key, body).await.expect("the gateway answers")
    }

    /// Any write with a key.
    pub async fn write_once(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(method, path).header("idempotency-key", key).json(body);
        answer(request).await.expect("the gateway answers")
    }

    /// A post that may find nobody there.
    pub async fn try_post_once(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        answer(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await.expect("the gateway answers")
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await.expect("the gateway answers")
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(&body)).await.expect("the gateway answers")
    }
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let reply = request.send().await?;
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Ok(Answer { status, headers, text: reply.text().await? })
}
