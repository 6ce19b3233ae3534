//! What tests ask of the server, and have it do.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::Server;
use crate::books::Hook;
use crate::{money, people, webhooks};

/// Every call, in order.
pub(crate) async fn calls(State(server): State<Server>) -> Json<Value> {
    Json(server.books().calls.clone().into())
}

/// Every object: charges that took money, transfers that moved it, and the rest.
pub(crate) async fn made(State(server): State<Server>) -> Json<Value> {
    Json(server.books().objects.clone().into())
}

pub(crate) async fn events(State(server): State<Server>) -> Json<Value> {
    Json(server.books().events.clone().into())
}

/// Forgets all keys, as happens after a day.
pub(crate) async fn forget(State(server): State<Server>) -> Json<Value> {
    server.books().keys.clear();
    Json(json!({}))
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

/// `{url, secret, mode: once|lost|doubled|forged|stale}`: sends what happens from now on.
pub(crate) async fn webhooks(State(server): State<Server>, Json(body): Json<Value>) -> Json<Value> {
    let (url, secret, mode) = (text(&body, "url"), text(&body, "secret"), text(&body, "mode"));
    let mut books = server.books();
    for event in &mut books.events {
        event["sent"] = true.into();
    }
    books.hook = Some(Hook { url, secret, mode });
    Json(json!({}))
}

/// `{url, secret, event, age}`: sends an event that has happened, or any other one.
pub(crate) async fn send(State(server): State<Server>, Json(body): Json<Value>) -> Json<Value> {
    let event = match body["event"].as_str() {
        Some(id) => {
            let books = server.books();
            books.events.iter().find(|event| event["id"] == id).cloned().unwrap_or_default()
        }
        None => body["event"].clone(),
    };
    let hook = Hook { url: text(&body, "url"), secret: text(&body, "secret"), mode: String::new() };
    let status = webhooks::send(&hook, &event, body["age"].as_i64().unwrap_or_default()).await;
    Json(json!({ "status": status }))
}

/// Sets up an account, or changes what is in the body.
pub(crate) async fn account(
    State(server): State<Server>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let account = {
        let mut books = server.books();
        people::account(&mut books, &id);
        let Some(account) = books.find_mut(&id) else { return Json(Value::Null) };
        if body.as_object().is_none_or(serde_json::Map::is_empty) {
            people::onboarded(account);
        }
        for (name, value) in body.as_object().cloned().unwrap_or_default() {
            account[name] = value;
        }
        let account = account.clone();
        books.happened("account.updated", &account);
        account
    };
    webhooks::deliver(&server).await;
    Json(account)
}

/// The payer confirms a payment at their bank; `{"outcome": "declined"}` if they do not.
pub(crate) async fn confirm(
    State(server): State<Server>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let intent = {
        let mut books = server.books();
        let known = books.find(&id).ok_or(StatusCode::NOT_FOUND)?;
        if known["status"] == "succeeded" {
            // Whoever confirms twice has paid once.
            return Ok(Json(known.clone()));
        }
        if body["outcome"] == "declined" {
            let intent = books.find_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
            intent["status"] = "requires_payment_method".into();
            intent["next_action"] = Value::Null;
            intent["last_payment_error"] =
                json!({ "code": "payment_intent_authentication_failure" });
            let intent = intent.clone();
            books.happened("payment_intent.payment_failed", &intent);
            intent
        } else {
            money::succeed(&mut books, &id)
        }
    };
    webhooks::deliver(&server).await;
    Ok(Json(intent))
}
