//! Payees' accounts, and payers with their cards.

use serde_json::{Value, json};

use crate::behaviour::word;
use crate::books::{Books, Params, metadata};
use crate::keys::{Answer, refusal};

fn incomplete(id: &str, data: &Value) -> Value {
    json!({
        "id": id, "object": "account", "payouts_enabled": false, "charges_enabled": false,
        "details_submitted": false, "capabilities": { "transfers": "inactive" },
        "requirements": { "currently_due": ["external_account"],
            "disabled_reason": "requirements.past_due" },
        "metadata": data,
    })
}

pub(crate) fn onboarded(account: &mut Value) {
    account["payouts_enabled"] = true.into();
    account["details_submitted"] = true.into();
    account["capabilities"]["transfers"] = "active".into();
    account["requirements"] = json!({ "currently_due": [], "disabled_reason": null });
}

pub(crate) fn open(books: &mut Books, params: &Params) -> Answer {
    let id = books.id("acct");
    let account = incomplete(&id, &metadata(params));
    books.objects.push(account.clone());
    (200, account)
}

/// An account; one that nobody has opened is there nevertheless, as its id says.
pub(crate) fn account(books: &mut Books, id: &str) -> Answer {
    if let Some(found) = books.find(id) {
        return (200, found.clone());
    }
    if word(id) == "missing" {
        return refusal(403, "invalid_request_error", "account_invalid");
    }
    let mut made = incomplete(id, &json!({}));
    if word(id) != "pending" {
        onboarded(&mut made);
    }
    books.objects.push(made.clone());
    (200, made)
}

pub(crate) fn link(books: &mut Books, params: &Params) -> Answer {
    let id = params.get("account").cloned().unwrap_or_default();
    let (status, found) = account(books, &id);
    if status != 200 {
        return (status, found);
    }
    let expires_at = crate::now() + 300;
    let url = format!("https://connect.stripe.example/setup/e/{id}");
    (200, json!({ "object": "account_link", "url": url, "expires_at": expires_at }))
}

pub(crate) fn customer(books: &mut Books, params: &Params) -> Answer {
    let made = json!({ "id": books.id("cus"), "object": "customer", "metadata": metadata(params) });
    books.objects.push(made.clone());
    (200, made)
}

/// A payment method; one that nobody has attached belongs to a customer of its own, but for
/// `pm_…_loose`.
pub(crate) fn payment_method(books: &mut Books, id: &str) -> Answer {
    if let Some(found) = books.find(id) {
        return (200, found.clone());
    }
    let customer = (!id.ends_with("_loose")).then(|| format!("cus_of_{id}"));
    let made = json!({ "id": id, "object": "payment_method", "customer": customer });
    books.objects.push(made.clone());
    (200, made)
}

pub(crate) fn set_up(books: &mut Books, params: &Params) -> Answer {
    let text = |name: &str| params.get(name).cloned().unwrap_or_default();
    let method = text("payment_method");
    if word(&method) == "decline" {
        return refusal(402, "card_error", "card_declined");
    }
    payment_method(books, &method);
    if let Some(found) = books.find_mut(&method) {
        found["customer"] = text("customer").into();
    }
    let status = if word(&method) == "action" { "requires_action" } else { "succeeded" };
    let made = json!({ "id": books.id("seti"), "object": "setup_intent", "status": status,
        "customer": text("customer"), "payment_method": method });
    books.objects.push(made.clone());
    (200, made)
}
