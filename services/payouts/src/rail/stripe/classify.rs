//! What a reply of Stripe means. Whatever is not understood is unknown, and asked for.

use serde_json::Value;

use super::http::Reply;
use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;

/// The longest code that is kept.
const MAX_CODE: usize = 64;

/// What a refusal comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was not done and never will be.
    Final(String),
    /// It was not done, and may be the next time.
    Passing(String),
    Unknown,
}

/// Sorts a reply that is no success.
pub(super) fn refusal(status: u16, body: &Value) -> Refusal {
    let error = &body["error"];
    let kind = error["type"].as_str().unwrap_or_default();
    let code = code(error);
    match status {
        // Something was sent under this key already: that has to be found, not repeated.
        _ if kind == "idempotency_error" => Refusal::Unknown,
        // An answer that does not say what was wrong is no answer.
        400 | 402 | 404 if kind.is_empty() => Refusal::Unknown,
        400 if code == "balance_insufficient" => Refusal::Passing(code),
        400 | 402 | 404 => Refusal::Final(code),
        401 => Refusal::Passing("key_refused".to_owned()),
        403 => Refusal::Passing("permission_refused".to_owned()),
        429 if code == "lock_timeout" => Refusal::Passing(code),
        429 => Refusal::Passing("rate_limited".to_owned()),
        // 409: a call under the same key is under way. 5xx: it may have been done nevertheless.
        _ => Refusal::Unknown,
    }
}

/// The code of an error, as far as a payer may know it.
fn code(error: &Value) -> String {
    let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty());
    let code = match text("decline_code") {
        // Whoever uses a stolen card is not to be told that this is known.
        Some("fraudulent" | "lost_card" | "stolen_card" | "merchant_blacklist" | "pickup_card") => {
            "generic_decline"
        }
        Some(code) => code,
        None => text("code").or_else(|| text("type")).unwrap_or("refused"),
    };
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(MAX_CODE).collect()
}

fn id(object: &Value) -> Option<String> {
    object["id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// What an object is that was made for a key: a transfer, a reversal, a refund.
pub(super) fn made(object: &Value, kind: &str) -> Answer {
    // What Stripe calls a reversal of a transfer.
    let name = if kind == "reversal" { "transfer_reversal" } else { kind };
    if object["object"].as_str() != Some(name) {
        return Answer::Unknown;
    }
    match (object["status"].as_str(), id(object)) {
        // Only refunds have one: the money comes back to the platform.
        (Some("failed" | "canceled"), _) => {
            let code = object["failure_reason"].as_str().unwrap_or("refund_failed");
            Answer::Declined { code: code.to_owned() }
        }
        (_, Some(reference)) => Answer::Sent { reference },
        (_, None) => Answer::Unknown,
    }
}

/// The answer to a call that makes something.
pub(super) fn answer(reply: &Reply, kind: &str) -> Answer {
    let Reply::Said { status, body } = reply else { return Answer::Unknown };
    if (200..300).contains(status) {
        return made(body, kind);
    }
    match refusal(*status, body) {
        Refusal::Final(code) => Answer::Declined { code },
        Refusal::Passing(code) => Answer::Retryable { code },
        Refusal::Unknown => Answer::Unknown,
    }
}

/// The answer to a charge.
pub(super) fn charged(reply: &Reply) -> Charged {
    let Reply::Said { status, body } = reply else { return Charged::Unknown };
    if (200..300).contains(status) {
        return intent(body);
    }
    let error = &body["error"];
    if *status == 402
        && error["code"].as_str() == Some(NEEDS_ACTION)
        && let Some(reference) = id(&error["payment_intent"])
    {
        return Charged::NeedsAction { reference };
    }
    match refusal(*status, body) {
        Refusal::Final(code) => Charged::Declined { code },
        Refusal::Passing(code) => Charged::Retryable { code },
        Refusal::Unknown => Charged::Unknown,
    }
}

/// The payer's bank wants to hear from them.
const NEEDS_ACTION: &str = "authentication_required";

/// Where a payment stands.
pub(super) fn intent(object: &Value) -> Charged {
    let is_intent = object["object"].as_str() == Some("payment_intent");
    let Some(reference) = id(object).filter(|_| is_intent) else { return Charged::Unknown };
    let error = &object["last_payment_error"];
    match object["status"].as_str().unwrap_or_default() {
        "succeeded" => {
            let charge = &object["latest_charge"];
            let charge = charge.as_str().map(str::to_owned).or_else(|| id(charge));
            // Transfers are tied to the charge.
            Charged::Succeeded { reference: charge.unwrap_or(reference) }
        }
        "requires_action" => Charged::NeedsAction { reference },
        "requires_payment_method" if error["code"].as_str() == Some(NEEDS_ACTION) => {
            Charged::NeedsAction { reference }
        }
        // Nobody but us could confirm it once more, and we make another one.
        "requires_payment_method" if error.is_object() => Charged::Declined { code: code(error) },
        "canceled" => Charged::Declined { code: "canceled".to_owned() },
        // Processing, or left half way by a failure: it may still succeed.
        _ => Charged::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(status: u16, body: Value) -> Reply {
        Reply::Said { status, body }
    }

    fn error(kind: &str, code: &str) -> Value {
        json!({ "error": { "type": kind, "code": code } })
    }

    #[test]
    fn only_what_stripe_says_for_certain_is_a_failure() {
        let declined = |code: &str| Answer::Declined { code: code.to_owned() };
        let retryable = |code: &str| Answer::Retryable { code: code.to_owned() };
        let invalid = "invalid_request_error";
        for (reply, expected) in [
            (said(400, error(invalid, "account_invalid")), declined("account_invalid")),
            (said(404, error(invalid, "resource_missing")), declined("resource_missing")),
            (said(400, error(invalid, "balance_insufficient")), retryable("balance_insufficient")),
            (said(401, error(invalid, "")), retryable("key_refused")),
            (said(403, error(invalid, "")), retryable("permission_refused")),
            (said(429, error(invalid, "lock_timeout")), retryable("lock_timeout")),
            (said(429, Value::Null), retryable("rate_limited")),
            (said(409, error("idempotency_error", "idempotency_key_in_use")), Answer::Unknown),
            (said(400, error("idempotency_error", "")), Answer::Unknown),
            (said(400, Value::Null), Answer::Unknown),
            (said(402, json!("declined")), Answer::Unknown),
            (said(500, error("api_error", "")), Answer::Unknown),
            (said(503, Value::Null), Answer::Unknown),
            (said(424, Value::Null), Answer::Unknown),
            (said(302, Value::Null), Answer::Unknown),
            (said(200, Value::Null), Answer::Unknown),
            (said(200, json!({ "object": "transfer" })), Answer::Unknown),
            (said(200, json!({ "object": "list", "id": "tr_1" })), Answer::Unknown),
            (Reply::Lost, Answer::Unknown),
        ] {
            assert_eq!(answer(&reply, "transfer"), expected, "{reply:?}");
        }
        let done = said(200, json!({ "object": "transfer", "id": "tr_1" }));
        assert_eq!(answer(&done, "transfer"), Answer::Sent { reference: "tr_1".to_owned() });
    }

    #[test]
    fn a_refund_that_failed_is_not_a_refund() {
        let refund = |status: &str| json!({ "object": "refund", "id": "re_1", "status": status });
        let sent = Answer::Sent { reference: "re_1".to_owned() };
        for status in ["succeeded", "pending", "requires_action"] {
            assert_eq!(made(&refund(status), "refund"), sent);
        }
        assert!(matches!(made(&refund("failed"), "refund"), Answer::Declined { .. }));
        let reversal = json!({ "object": "transfer_reversal", "id": "trr_1" });
        assert!(matches!(made(&reversal, "reversal"), Answer::Sent { .. }));
    }

    #[test]
    fn a_card_is_declined_by_its_code_and_a_thief_learns_nothing() {
        let card = |code: &str| {
            said(
                402,
                json!({ "error": { "type": "card_error", "code": "card_declined",
                "decline_code": code, "payment_intent": { "id": "pi_1" } } }),
            )
        };
        let declined = |code: &str| Charged::Declined { code: code.to_owned() };
        assert_eq!(charged(&card("insufficient_funds")), declined("insufficient_funds"));
        for code in ["fraudulent", "stolen_card", "lost_card", "pickup_card"] {
            assert_eq!(charged(&card(code)), declined("generic_decline"));
        }
    }

    #[test]
    fn a_payment_is_what_its_status_says() {
        let of = |status: &str, more: Value| {
            let mut object = json!({ "object": "payment_intent", "id": "pi_1", "status": status });
            for (name, value) in more.as_object().cloned().unwrap_or_default() {
                object[name] = value;
            }
            intent(&object)
        };
        let paid = Charged::Succeeded { reference: "ch_1".to_owned() };
        assert_eq!(of("succeeded", json!({ "latest_charge": "ch_1" })), paid);
        assert_eq!(of("succeeded", json!({ "latest_charge": { "id": "ch_1" } })), paid);
        let waits = Charged::NeedsAction { reference: "pi_1".to_owned() };
        assert_eq!(of("requires_action", Value::Null), waits);
        let error = |code: &str| json!({ "last_payment_error": { "code": code } });
        assert_eq!(of("requires_payment_method", error("authentication_required")), waits);
        let declined = of("requires_payment_method", error("expired_card"));
        assert_eq!(declined, Charged::Declined { code: "expired_card".to_owned() });
        assert!(matches!(of("canceled", Value::Null), Charged::Declined { .. }));
        for status in ["processing", "requires_confirmation", "requires_capture", "new_word"] {
            assert_eq!(of(status, Value::Null), Charged::Unknown, "{status}");
        }
        assert_eq!(of("requires_payment_method", Value::Null), Charged::Unknown);
        let wanted = json!({ "error": { "type": "card_error", "code": "authentication_required",
            "payment_intent": { "id": "pi_1" } } });
        assert_eq!(charged(&said(402, wanted)), waits);
        assert_eq!(intent(&json!({ "object": "charge", "id": "ch_1" })), Charged::Unknown);
    }
}
