//! One delivery over HTTP: signed as Standard Webhooks says, and to nobody's own network.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use quittance_chassis::config::Webhooks;
use quittance_chassis::problem::chain;
use quittance_kernel::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use sha2::Sha256;

use crate::app::SECRET;
use crate::domain::webhook::{Outcome, is_public};
use crate::store::delivery::Due;

/// How long a receiver may take for all of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much of an answer is read, so that the connection can be used again.
const MAX_ANSWER: usize = 16 * 1024;

/// How much is kept of what went wrong.
const MAX_ERROR: usize = 300;

const GONE: u16 = 410;

/// Why nothing is sent to an address.
#[derive(Debug, thiserror::Error)]
#[error("the address leads into a private network")]
struct Inside;

/// Resolves names, and leaves out addresses that are nobody's business: what is connected to is what was
/// looked at, so that a name cannot be pointed elsewhere in between.
struct Outside;

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|at| is_public(at.ip())).collect();
            if public.is_empty() {
                return Err(Inside.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Sends deliveries.
pub(super) struct Sender {
    client: Client,
    allow_private: bool,
}

impl Sender {
    pub(super) fn new(config: &Webhooks) -> anyhow::Result<Self> {
        let mut client = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            // A receiver could send us on to where we would not go.
            .redirect(redirect::Policy::none())
            // A proxy would resolve names itself.
            .no_proxy()
            .user_agent(concat!("quittance-webhooks/", env!("CARGO_PKG_VERSION")));
        if !config.allow_private {
            client = client.dns_resolver(Arc::new(Outside));
        }
        Ok(Self { client: client.build()?, allow_private: config.allow_private })
    }

    /// Sends one. Every answer but 2xx is a failure.
    pub(super) async fn send(&self, due: &Due, now: Timestamp) -> Outcome {
        match self.try_send(due, now).await {
            Ok(status) if (200..300).contains(&status) => Outcome::Delivered(status),
            Ok(GONE) => Outcome::Gone,
            Ok(status) => Outcome::Failed { status, error: format!("answered {status}") },
            Err(error) => {
                // The address may hold a secret of the receiver.
                let text: String = error.replace(&due.url, "…").chars().take(MAX_ERROR).collect();
                Outcome::Failed { status: 0, error: text }
            }
        }
    }

    async fn try_send(&self, due: &Due, now: Timestamp) -> Result<u16, String> {
        let url = Url::parse(&due.url).map_err(|error| chain(&error))?;
        // A number is resolved by nobody.
        let number = url.host_str().map(|host| host.trim_matches(['[', ']']).parse::<IpAddr>());
        if let Some(Ok(address)) = number
            && !self.allow_private
            && !is_public(address)
        {
            return Err(Inside.to_string());
        }
        let (id, at) = (due.event_id.to_string(), now.timestamp());
        let signature = sign(&due.secret, &id, at, &due.body)?;
        let request = self
            .client
            .post(url)
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .body(due.body.clone());
        let mut answer = request.send().await.map_err(|error| chain(&error.without_url()))?;
        let status = answer.status().as_u16();
        let mut read = 0;
        while read < MAX_ANSWER
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            read += chunk.len();
        }
        Ok(status)
    }
}

/// `v1,` and the HMAC over id, time and body (Standard Webhooks, symmetric).
fn sign(secret: &str, id: &str, at: i64, body: &str) -> Result<String, String> {
    let key = secret.strip_prefix(SECRET).unwrap_or(secret);
    let key = STANDARD.decode(key).map_err(|_| "the secret cannot be read".to_owned())?;
    let mac = Hmac::<Sha256>::new_from_slice(&key);
    let mut mac = mac.map_err(|_| "the secret cannot be used".to_owned())?;
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body.as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_delivery_is_signed_as_the_standard_says() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
        let signed = sign(secret, id, at, "{\"test\": 2432232314}").unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    fn due(url: &str) -> Due {
        let id = uuid::Uuid::now_v7();
        Due {
            id,
            organization_id: id,
            endpoint_id: id,
            event_id: id,
            body: "{}".to_owned(),
            tries: 1,
            url: url.to_owned(),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_into_a_network_of_our_own() {
        quittance_chassis::run::install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sender = Sender::new(&Webhooks::default()).unwrap();
        let now = quittance_chassis::clock::now();
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            format!("http://[::1]:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://2130706433:{port}/"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
        ] {
            let outcome = sender.send(&due(&url), now).await;
            let Outcome::Failed { status: 0, error } = outcome else { panic!("{url}") };
            assert!(error.contains("private network"), "{url}: {error}");
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
    }
}
