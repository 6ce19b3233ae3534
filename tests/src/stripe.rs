//! Stripe's stand-in as a process of its own, and what tests ask of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use quittance_chassis::config::Config;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// What no log may tell.
pub const KEY: &str = "sk_test_that_no_log_may_tell";
pub const WEBHOOK_SECRET: &str = "whsec_that_no_log_may_tell";

/// The server; it ends when this is dropped, and outlives whatever it serves until then.
pub struct FakeStripe {
    pub base: String,
    client: reqwest::Client,
    _process: Child,
}

impl FakeStripe {
    /// Starts it. `binary` is the `fake_stripe` executable of this package.
    pub async fn start(binary: &Path) -> Self {
        let mut process = Command::new(binary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().expect("it says where it is");
        let client = crate::http::client();
        Self { base: format!("http://{address}"), client, _process: process }
    }

    /// Has an instance paid by it.
    pub fn serve(&self, config: &mut Config) {
        let stripe = &mut config.rails.stripe;
        stripe.secret_key = Some(SecretString::from(KEY));
        stripe.webhook_secret = Some(SecretString::from(WEBHOOK_SECRET));
        stripe.base_url = Some(self.base.clone());
        // Who hangs is not waited for long.
        stripe.timeout_ms = 1_000;
        config.policy.account_cooldown_hours = 0;
    }

    pub async fn get(&self, path: &str) -> Value {
        let reply = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        reply.json().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The objects of a kind.
    pub async fn made(&self, kind: &str) -> Vec<Value> {
        let all = self.get("/_made").await;
        all.as_array().unwrap().iter().filter(|one| one["object"] == kind).cloned().collect()
    }

    /// How often money was taken and sent, by the payouts that it was for.
    pub async fn moved(&self) -> BTreeMap<String, (usize, usize)> {
        let mut moved = BTreeMap::new();
        for one in self.get("/_made").await.as_array().unwrap() {
            let group = one["transfer_group"].as_str().unwrap_or_default().to_owned();
            let count: &mut (usize, usize) = match one["object"].as_str() {
                Some("charge" | "transfer") => moved.entry(group).or_default(),
                _ => continue,
            };
            if one["object"] == "charge" {
                count.0 += 1;
            } else {
                count.1 += 1;
            }
        }
        moved
    }

    /// Has it tell a gateway what happens from now on, in this way.
    pub async fn tell(&self, gateway: &str, mode: &str) {
        let url = format!("{gateway}/webhooks/stripe");
        let body = json!({ "url": url, "secret": WEBHOOK_SECRET, "mode": mode });
        self.post("/_webhooks", body).await;
    }

    /// Has it send one event, signed by this secret so many seconds ago; the status of the answer.
    pub async fn send(&self, gateway: &str, event: Value, secret: &str, age: i64) -> u64 {
        let url = format!("{gateway}/webhooks/stripe");
        let body = json!({ "url": url, "secret": secret, "event": event, "age": age });
        self.post("/_send", body).await["status"].as_u64().unwrap_or_default()
    }
}
