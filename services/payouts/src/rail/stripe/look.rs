//! Finding what a key has made: pages of a list are read until it is there or the list ends.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::http::{Form, Reply};
use super::{Stripe, classify};
use crate::domain::charge::Charged;
use crate::rail::{Asked, AskedCharge, Charge, Transfer};

/// Objects per page, and how many pages are read before we give up.
const PAGE: &str = "100";
const PAGES: usize = 20;

/// Our clock may be ahead of theirs.
const SKEW: Duration = Duration::from_mins(5);

/// What was found for a key.
pub(super) enum Found<T> {
    Is(T),
    /// The whole list was read, and it is not there.
    Nothing,
    Unclear,
}

impl Stripe {
    pub(super) async fn look_for_transfer(&self, transfer: &Transfer) -> Asked {
        let of = Form::default().with("transfer_group", &transfer.group());
        let read = |found: &Value| classify::made(found, "transfer");
        match self.look("/v1/transfers", of, transfer.attempt, read).await {
            Found::Is(answer) => Asked::Known(answer),
            Found::Nothing => Asked::NeverArrived,
            Found::Unclear => Asked::Unclear,
        }
    }

    pub(super) async fn look_for_charge(&self, attempt: Uuid, customer: &str) -> AskedCharge {
        let of = since(attempt, Form::default().with("customer", customer));
        match self.look("/v1/payment_intents", of, attempt, classify::intent).await {
            Found::Is(charged) => AskedCharge::Known(charged),
            Found::Nothing => AskedCharge::NeverArrived,
            Found::Unclear => AskedCharge::Unclear,
        }
    }

    /// Looks through a list for the object that carries this key.
    pub(super) async fn look<T>(
        &self,
        path: &str,
        of: Form,
        attempt: Uuid,
        read: impl Fn(&Value) -> T,
    ) -> Found<T> {
        let wanted = attempt.to_string();
        let of = of.with("limit", PAGE);
        let mut query = of.clone();
        for _ in 0..PAGES {
            let Reply::Said { status: 200, body } = self.get(path, &query).await else {
                return Found::Unclear;
            };
            let Some(objects) = body["data"].as_array() else { return Found::Unclear };
            let is_wanted = |object: &&Value| object["metadata"]["attempt"] == wanted.as_str();
            if let Some(found) = objects.iter().find(is_wanted) {
                return Found::Is(read(found));
            }
            match (body["has_more"].as_bool(), objects.last().and_then(|last| last["id"].as_str()))
            {
                (Some(false), _) => return Found::Nothing,
                (Some(true), Some(last)) => query = of.clone().with("starting_after", last),
                (Some(true) | None, _) => return Found::Unclear,
            }
        }
        Found::Unclear
    }

    /// The customer whom a payment method belongs to: named with it, or known to Stripe.
    pub(super) async fn customer_of(&self, charge: &Charge) -> Result<String, Charged> {
        if !charge.customer.is_empty() {
            return Ok(charge.customer.clone());
        }
        let path = format!("/v1/payment_methods/{}", charge.payment_method);
        let reply = self.get(&path, &Form::default()).await;
        let Reply::Said { status, body } = &reply else { return Err(Charged::Unknown) };
        if *status != 200 {
            return Err(classify::charged(&reply));
        }
        let customer = body["customer"].as_str().or_else(|| body["customer"]["id"].as_str());
        customer
            .map(str::to_owned)
            .ok_or_else(|| Charged::Declined { code: "payment_method_without_customer".to_owned() })
    }
}

/// Keys carry the time at which they were made: nothing older has to be read.
fn since(attempt: Uuid, form: Form) -> Form {
    let Some(made) = attempt.get_timestamp() else { return form };
    let seconds = made.to_unix().0.saturating_sub(SKEW.as_secs());
    form.with("created[gte]", &seconds.to_string())
}
