//! Calls and their idempotency keys: what was begun is answered the same way for ever.

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use serde_json::{Value, json};

use crate::Server;
use crate::behaviour::{Before, HANG, SLOW, before, subject, word};
use crate::books::{Params, Remembered};
use crate::{money, people, webhooks};
use axum::http;

/// An answer: its status and its body.
pub(crate) type Answer = (u16, Value);

pub(crate) fn refusal(status: u16, kind: &str, code: &str) -> Answer {
    (
        status,
        json!({ "error": { "type": kind, "code": code, "message": "as this account wishes" } }),
    )
}

pub(crate) fn error(status: u16, kind: &str, code: &str) -> Response {
    let (status, body) = refusal(status, kind, code);
    respond(status, &body, false)
}

fn respond(status: u16, body: &Value, replayed: bool) -> Response {
    let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    if replayed {
        headers.insert("idempotent-replayed", http::HeaderValue::from_static("true"));
    }
    if status == http::StatusCode::TOO_MANY_REQUESTS {
        headers.insert("retry-after", http::HeaderValue::from_static("0.05"));
    }
    response
}

fn garbled() -> Response {
    "<html>Everything is fine".into_response()
}

fn fields(text: &[u8]) -> Params {
    form_urlencoded::parse(text).into_owned().collect()
}

fn header(parts: &Parts, name: &str) -> String {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Answers a call.
pub(crate) async fn answer(server: Server, parts: Parts, body: Bytes) -> Response {
    let path = parts.uri.path().trim_start_matches("/v1/").to_owned();
    let is_post = parts.method == http::Method::POST;
    let params =
        if is_post { fields(&body) } else { fields(parts.uri.query().unwrap_or("").as_bytes()) };
    let (key, version) = (header(&parts, "idempotency-key"), header(&parts, "stripe-version"));
    server.books().calls.push(json!({
        "method": parts.method.as_str(), "path": path, "key": key, "version": version,
        "params": params,
    }));
    if !header(&parts, "authorization").starts_with("Bearer sk_test_") {
        return error(401, "invalid_request_error", "");
    }
    if version.is_empty() {
        return error(400, "invalid_request_error", "version_missing");
    }
    if !is_post {
        let (status, body) = read(&server, &path, &params);
        return respond(status, &body, false);
    }
    once(&server, &path, &key, &params).await
}

/// Does a call unless its key has been used.
async fn once(server: &Server, path: &str, key: &str, params: &Params) -> Response {
    let subject = subject(path, params).to_owned();
    let word = word(&subject).to_owned();
    let about = format!("{path} {params:?}");
    // In one look, so that of two calls at once only one goes on.
    let (known, stage) = {
        let mut books = server.books();
        let known = books.keys.get(key).map(|known| (known.about == about, known.answer.clone()));
        let stage = if known.is_some() {
            Before::GoOn
        } else {
            before(&word, books.count(&format!("before {subject}")))
        };
        if known.is_none() && !key.is_empty() && matches!(stage, Before::GoOn) {
            books.keys.insert(key.to_owned(), Remembered { about, answer: None });
        }
        (known, stage)
    };
    match known {
        Some((false, _)) => return error(400, "idempotency_error", "idempotency_key_reused"),
        Some((true, None)) => return error(409, "idempotency_error", "idempotency_key_in_use"),
        Some((true, Some((status, body)))) => return respond(status, &body, true),
        None => {}
    }
    match stage {
        Before::GoOn => {}
        Before::Refuse(429) => return error(429, "invalid_request_error", "rate_limit"),
        Before::Refuse(status) => return error(status, "api_error", ""),
        Before::Garble => return garbled(),
        Before::Hang => {
            tokio::time::sleep(HANG).await;
            return error(500, "api_error", "");
        }
    }
    if word == "slow" {
        tokio::time::sleep(SLOW).await;
    }
    let done = if word == "500saved" {
        refusal(500, "api_error", "")
    } else {
        write(server, path, params)
    };
    let said = if word == "500after" { refusal(500, "api_error", "") } else { done };
    {
        let mut books = server.books();
        // Who was too busy has begun nothing.
        if said.0 == 429 {
            books.keys.remove(key);
        } else if let Some(known) = books.keys.get_mut(key) {
            known.answer = Some(said.clone());
        }
    }
    webhooks::deliver(server).await;
    match word.as_str() {
        "timeoutafter" => {
            tokio::time::sleep(HANG).await;
            error(500, "api_error", "")
        }
        "garbled" => garbled(),
        _ => respond(said.0, &said.1, false),
    }
}

fn write(server: &Server, path: &str, params: &Params) -> Answer {
    let mut books = server.books();
    match path.split('/').collect::<Vec<_>>()[..] {
        ["transfers"] => money::transfer(&mut books, params),
        ["transfers", id, "reversals"] => money::reverse(&mut books, id, params),
        ["payment_intents"] => money::charge(&mut books, params),
        ["payment_intents", id, "confirm"] => money::confirm(&mut books, id, params),
        ["refunds"] => money::refund(&mut books, params),
        ["accounts"] => people::open(&mut books, params),
        ["account_links"] => people::link(&mut books, params),
        ["customers"] => people::customer(&mut books, params),
        ["setup_intents"] => people::set_up(&mut books, params),
        _ => refusal(404, "invalid_request_error", "url_unknown"),
    }
}

fn read(server: &Server, path: &str, params: &Params) -> Answer {
    let mut books = server.books();
    let is = |object: &Value, name: &str| {
        params.get(name).is_none_or(|wanted| object[name] == wanted.as_str())
    };
    match path.split('/').collect::<Vec<_>>()[..] {
        ["transfers"] => {
            let found = books.list("transfer", params, |one| {
                is(one, "transfer_group") && is(one, "destination")
            });
            (200, found)
        }
        ["transfers", id, "reversals"] => {
            (200, books.list("transfer_reversal", params, |one| one["transfer"] == id))
        }
        ["payment_intents"] => {
            let since = params.get("created[gte]").and_then(|text| text.parse().ok()).unwrap_or(0);
            let found = books.list("payment_intent", params, |one| {
                is(one, "customer") && one["created"].as_i64() >= Some(since)
            });
            (200, found)
        }
        ["payment_intents", id] => match books.find(id) {
            Some(found) => (200, found.clone()),
            None => refusal(404, "invalid_request_error", "resource_missing"),
        },
        ["refunds"] => {
            let found =
                books.list("refund", params, |one| is(one, "charge") && is(one, "payment_intent"));
            (200, found)
        }
        ["accounts", id] => people::account(&mut books, id),
        ["payment_methods", id] => people::payment_method(&mut books, id),
        _ => refusal(404, "invalid_request_error", "url_unknown"),
    }
}
