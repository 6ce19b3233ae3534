//! Charges and transfers, and giving them back.

use serde_json::{Value, json};

use crate::behaviour::word;
use crate::books::{Books, Params, metadata};
use crate::keys::{Answer, refusal};
use crate::now;

const INVALID: &str = "invalid_request_error";

fn text<'a>(params: &'a Params, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

fn minor(params: &Params) -> Option<i64> {
    text(params, "amount").parse().ok().filter(|amount| *amount > 0)
}

pub(crate) fn transfer(books: &mut Books, params: &Params) -> Answer {
    let destination = text(params, "destination");
    let Some(amount) = minor(params) else {
        return refusal(400, INVALID, "parameter_invalid_integer");
    };
    let source = text(params, "source_transaction");
    if !source.is_empty() {
        let Some(charge) = books.find(source) else {
            return refusal(404, INVALID, "resource_missing");
        };
        let spent: i64 = books
            .objects
            .iter()
            .filter(|one| one["object"] == "transfer" && one["source_transaction"] == source)
            .filter_map(|one| one["amount"].as_i64())
            .sum();
        if charge["amount"].as_i64() < Some(spent + amount) {
            return refusal(400, INVALID, "transfer_source_balance_parameters_mismatch");
        }
    }
    let set_up = books.find(destination).is_some_and(|to| to["payouts_enabled"] == true);
    match word(destination) {
        "decline" => return refusal(400, INVALID, "account_invalid"),
        "transferfail" => {
            return refusal(400, INVALID, "insufficient_capabilities_for_transfer");
        }
        "pending" if !set_up => {
            return refusal(400, INVALID, "insufficient_capabilities_for_transfer");
        }
        "poor" if books.count(&format!("poor {destination}")) < 2 => {
            return refusal(400, INVALID, "balance_insufficient");
        }
        _ => {}
    }
    let made = json!({
        "id": books.id("tr"), "object": "transfer", "amount": amount, "amount_reversed": 0,
        "currency": text(params, "currency"), "destination": destination, "reversed": false,
        "source_transaction": Some(source).filter(|source| !source.is_empty()),
        "transfer_group": text(params, "transfer_group"), "metadata": metadata(params),
        "created": now(),
    });
    books.objects.push(made.clone());
    books.happened("transfer.created", &made);
    (200, made)
}

pub(crate) fn reverse(books: &mut Books, id: &str, params: &Params) -> Answer {
    let Some(transfer) = books.find(id).cloned() else {
        return refusal(404, INVALID, "resource_missing");
    };
    let amount = minor(params).or_else(|| transfer["amount"].as_i64()).unwrap_or_default();
    let reversed = transfer["amount_reversed"].as_i64().unwrap_or_default() + amount;
    if transfer["amount"].as_i64() < Some(reversed) {
        return refusal(400, INVALID, "transfer_reversal_exceeds_amount");
    }
    let made = json!({
        "id": books.id("trr"), "object": "transfer_reversal", "amount": amount, "transfer": id,
        "currency": transfer["currency"], "metadata": metadata(params), "created": now(),
    });
    books.objects.push(made.clone());
    if let Some(transfer) = books.find_mut(id) {
        transfer["amount_reversed"] = reversed.into();
        transfer["reversed"] = (transfer["amount"] == reversed).into();
        let transfer = transfer.clone();
        books.happened("transfer.reversed", &transfer);
    }
    (200, made)
}

pub(crate) fn charge(books: &mut Books, params: &Params) -> Answer {
    let method = text(params, "payment_method");
    let Some(amount) = minor(params) else {
        return refusal(400, INVALID, "parameter_invalid_integer");
    };
    if text(params, "customer").is_empty() || method.is_empty() {
        return refusal(400, INVALID, "parameter_missing");
    }
    let mut intent = json!({
        "id": books.id("pi"), "object": "payment_intent", "amount": amount,
        "currency": text(params, "currency"), "customer": text(params, "customer"),
        "payment_method": method, "transfer_group": text(params, "transfer_group"),
        "metadata": metadata(params), "created": now(), "latest_charge": null,
        "last_payment_error": null,
    });
    if word(method) == "poor" && books.count(&format!("poor {method}")) < 2 {
        return refusal(429, INVALID, "lock_timeout");
    }
    let refused = match word(method) {
        "decline" => Some(json!({ "type": "card_error", "code": "card_declined",
            "decline_code": "insufficient_funds" })),
        "action" => Some(json!({ "type": "card_error", "code": "authentication_required" })),
        _ => None,
    };
    if let Some(mut error) = refused {
        intent["status"] = "requires_payment_method".into();
        intent["last_payment_error"] = error.clone();
        books.objects.push(intent.clone());
        books.happened("payment_intent.payment_failed", &intent);
        error["payment_intent"] = intent;
        return (402, json!({ "error": error }));
    }
    let id = intent["id"].as_str().unwrap_or_default().to_owned();
    books.objects.push(intent);
    (200, succeed(books, &id))
}

/// The payer is there: their bank has a page for them.
pub(crate) fn confirm(books: &mut Books, id: &str, params: &Params) -> Answer {
    let back = text(params, "return_url");
    let Some(intent) = books.find_mut(id) else {
        return refusal(404, INVALID, "resource_missing");
    };
    if intent["status"] != "requires_payment_method" || back.is_empty() {
        return refusal(400, INVALID, "payment_intent_unexpected_state");
    }
    intent["status"] = "requires_action".into();
    intent["last_payment_error"] = Value::Null;
    let url = format!("https://hooks.stripe.example/{id}");
    intent["next_action"] = json!({ "type": "redirect_to_url",
        "redirect_to_url": { "url": url, "return_url": back } });
    let intent = intent.clone();
    books.happened("payment_intent.requires_action", &intent);
    (200, intent)
}

/// Takes the money.
pub(crate) fn succeed(books: &mut Books, id: &str) -> Value {
    let charge = books.id("ch");
    let Some(intent) = books.find_mut(id) else { return Value::Null };
    intent["status"] = "succeeded".into();
    intent["latest_charge"] = charge.as_str().into();
    intent["last_payment_error"] = Value::Null;
    intent["next_action"] = Value::Null;
    let intent = intent.clone();
    books.objects.push(json!({
        "id": charge, "object": "charge", "amount": intent["amount"], "amount_refunded": 0,
        "currency": intent["currency"], "payment_intent": id, "metadata": intent["metadata"],
        "transfer_group": intent["transfer_group"], "status": "succeeded",
    }));
    books.happened("payment_intent.succeeded", &intent);
    intent
}

pub(crate) fn refund(books: &mut Books, params: &Params) -> Answer {
    let named = text(params, "charge");
    let charge = if named.is_empty() {
        let intent = books.find(text(params, "payment_intent"));
        intent.and_then(|intent| intent["latest_charge"].as_str()).unwrap_or_default().to_owned()
    } else {
        named.to_owned()
    };
    let Some(found) = books.find(&charge).cloned() else {
        return refusal(404, INVALID, "resource_missing");
    };
    let amount = minor(params).or_else(|| found["amount"].as_i64()).unwrap_or_default();
    let refunded = found["amount_refunded"].as_i64().unwrap_or_default() + amount;
    if found["amount"].as_i64() < Some(refunded) {
        return refusal(400, INVALID, "charge_already_refunded");
    }
    let made = json!({
        "id": books.id("re"), "object": "refund", "amount": amount, "charge": charge,
        "payment_intent": found["payment_intent"], "currency": found["currency"],
        "metadata": metadata(params), "status": "succeeded", "created": now(),
    });
    books.objects.push(made.clone());
    if let Some(found) = books.find_mut(&charge) {
        found["amount_refunded"] = refunded.into();
        let found = found.clone();
        books.happened("charge.refunded", &found);
    }
    (200, made)
}
