//! Webhooks: signed, and lost, doubled, forged or late on their way if that is wished.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::Server;
use crate::books::Hook;

/// The header `Stripe-Signature` of a body, as of a time.
#[must_use]
pub fn sign(secret: &str, time: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Sends one event; the status of the answer, or 0.
pub(crate) async fn send(hook: &Hook, event: &Value, age: i64) -> u16 {
    let body = event.to_string();
    let signature = sign(&hook.secret, crate::now() - age, &body);
    let request = reqwest::Client::new()
        .post(&hook.url)
        .header("content-type", "application/json")
        .header("stripe-signature", signature)
        .body(body);
    request.send().await.map_or(0, |reply| reply.status().as_u16())
}

/// Sends the events that have happened and were not sent, in the way that is wished. They arrive
/// before the answer to the call that has caused them.
pub(crate) async fn deliver(server: &Server) {
    let (hook, events) = {
        let mut books = server.books();
        let Some(hook) = books.hook.clone() else { return };
        let mut fresh = Vec::new();
        for event in &mut books.events {
            if event["sent"].is_null() {
                fresh.push(event.clone());
                event["sent"] = true.into();
            }
        }
        (hook, fresh)
    };
    for event in events {
        match hook.mode.as_str() {
            "lost" => {}
            "doubled" => {
                send(&hook, &event, 0).await;
                send(&hook, &event, 0).await;
            }
            "forged" => {
                let hook = Hook { secret: "somebody else's".to_owned(), ..hook.clone() };
                send(&hook, &event, 0).await;
            }
            "stale" => {
                send(&hook, &event, 301).await;
            }
            _ => {
                send(&hook, &event, 0).await;
            }
        }
    }
}
