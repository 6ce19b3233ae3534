//! What Stripe tells us by itself. It is a reason to look, never a fact: what an event says may be
//! old by the time it arrives, so that it is only read for whom it is about.

use serde_json::Value;
use uuid::Uuid;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A charge of ours, by its key.
    Charge(Uuid),
    /// A transfer of ours, by its key.
    Transfer(Uuid),
    /// A connected account, by its id.
    Account(String),
    /// Money that went back: to the platform by a reversal, or to a payer.
    TakenBack {
        /// The transfer or charge it was taken of.
        reference: String,
        amount_minor: i64,
    },
    /// Nothing that anybody waits for.
    Nothing,
}

/// An event of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderEvent {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) about: About,
}

impl ProviderEvent {
    /// Its id among those of the inbox.
    #[must_use]
    pub(crate) fn key(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("stripe:{}", self.id).as_bytes())
    }

    /// Reads the body of a webhook; nothing if it is none.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(payload).ok()?;
        let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
        let (id, kind) = (text("id")?, text("type")?);
        let object = &event["data"]["object"];
        if !object.is_object() || id.len() > 255 {
            return None;
        }
        let about = about(kind, object);
        Some(Self {
            id: id.to_owned(),
            kind: kind.to_owned(),
            about: about.unwrap_or(About::Nothing),
        })
    }
}

/// Nothing is what is not ours: others may use the same platform account.
fn about(kind: &str, object: &Value) -> Option<About> {
    let text = |name: &str| object[name].as_str().or_else(|| object[name]["id"].as_str());
    let attempt = || object["metadata"]["attempt"].as_str()?.parse::<Uuid>().ok();
    match kind {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.requires_action"
        | "payment_intent.canceled"
        | "payment_intent.processing" => attempt().map(About::Charge),
        "transfer.created" | "transfer.updated" => attempt().map(About::Transfer),
        "account.updated" => text("id").map(|id| About::Account(id.to_owned())),
        "transfer.reversed" => Some(About::TakenBack {
            reference: text("id")?.to_owned(),
            amount_minor: object["amount_reversed"].as_i64()?,
        }),
        "charge.refunded" => Some(About::TakenBack {
            reference: text("id")?.to_owned(),
            amount_minor: object["amount_refunded"].as_i64()?,
        }),
        "charge.dispute.created" | "charge.dispute.closed" => Some(About::TakenBack {
            reference: text("charge")?.to_owned(),
            amount_minor: object["amount"].as_i64()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(kind: &str, object: &Value) -> Option<ProviderEvent> {
        let event = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
        ProviderEvent::parse(event.to_string().as_bytes())
    }

    #[test]
    fn an_event_is_read_for_whom_it_is_about() {
        let attempt = Uuid::now_v7();
        let ours = json!({ "id": "x_1", "metadata": { "attempt": attempt.to_string() },
            "amount": 5, "amount_reversed": 7, "amount_refunded": 9, "charge": "ch_1" });
        let taken = |reference: &str, amount_minor| About::TakenBack {
            reference: reference.to_owned(),
            amount_minor,
        };
        for (kind, expected) in [
            ("payment_intent.succeeded", About::Charge(attempt)),
            ("payment_intent.payment_failed", About::Charge(attempt)),
            ("payment_intent.requires_action", About::Charge(attempt)),
            ("transfer.created", About::Transfer(attempt)),
            ("transfer.reversed", taken("x_1", 7)),
            ("charge.refunded", taken("x_1", 9)),
            ("charge.dispute.created", taken("ch_1", 5)),
            ("account.updated", About::Account("x_1".to_owned())),
            ("invoice.paid", About::Nothing),
        ] {
            assert_eq!(parse(kind, &ours).unwrap().about, expected, "{kind}");
        }
        let others = json!({ "id": "pi_1", "metadata": {} });
        assert_eq!(parse("payment_intent.succeeded", &others).unwrap().about, About::Nothing);
    }

    #[test]
    fn what_is_no_event_is_not_read_as_one() {
        for body in
            ["", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":"","type":"x","data":{"object":{}}}"#]
        {
            assert_eq!(ProviderEvent::parse(body.as_bytes()), None, "{body}");
        }
        assert_eq!(parse("account.updated", &json!(1)), None);
    }

    #[test]
    fn an_event_has_one_place_in_the_inbox() {
        let one = parse("invoice.paid", &json!({})).unwrap();
        assert_eq!(one.key(), parse("other", &json!({})).unwrap().key());
    }
}
