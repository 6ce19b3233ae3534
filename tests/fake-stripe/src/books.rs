//! What the server remembers.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

/// The fields of a call.
pub(crate) type Params = BTreeMap<String, String>;

/// What is known of an idempotency key.
pub(crate) struct Remembered {
    pub(crate) about: String,
    /// Absent while the call is under way.
    pub(crate) answer: Option<(u16, Value)>,
}

/// Where webhooks go, and what becomes of them on their way.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) mode: String,
}

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) calls: Vec<Value>,
    pub(crate) keys: HashMap<String, Remembered>,
    /// Every object, in the order in which they were made.
    pub(crate) objects: Vec<Value>,
    pub(crate) events: Vec<Value>,
    pub(crate) hook: Option<Hook>,
    counts: HashMap<String, u32>,
    last: u64,
}

impl Books {
    /// How often this has been counted before.
    pub(crate) fn count(&mut self, what: &str) -> u32 {
        let count = self.counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}_fake{:06}", self.last)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Value> {
        self.objects.iter().find(|object| object["id"] == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.objects.iter_mut().find(|object| object["id"] == id)
    }

    /// Objects of a kind for which this holds, the newest first, as Stripe lists them.
    pub(crate) fn list(
        &self,
        kind: &str,
        params: &Params,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let limit = params.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10);
        let mut all: Vec<&Value> = self
            .objects
            .iter()
            .rev()
            .filter(|object| object["object"] == kind && holds(object))
            .collect();
        if let Some(after) = params.get("starting_after") {
            let place = all.iter().position(|object| object["id"] == after.as_str());
            all.drain(..place.map_or(all.len(), |place| place + 1));
        }
        let has_more = all.len() > limit;
        all.truncate(limit);
        json!({ "object": "list", "data": all, "has_more": has_more })
    }

    /// Notes that something has happened.
    pub(crate) fn happened(&mut self, kind: &str, object: &Value) {
        let id = self.id("evt");
        let created = crate::now();
        self.events.push(json!({
            "id": id, "object": "event", "type": kind, "created": created, "livemode": false,
            "data": { "object": object },
        }));
    }
}

/// The metadata among the fields.
pub(crate) fn metadata(params: &Params) -> Value {
    let mut data = serde_json::Map::new();
    for (name, value) in params {
        if let Some(name) = name.strip_prefix("metadata[").and_then(|name| name.strip_suffix(']')) {
            data.insert(name.to_owned(), value.as_str().into());
        }
    }
    Value::Object(data)
}
