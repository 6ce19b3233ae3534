//! Connected accounts of payees, and payment methods of payers.

use chrono::DateTime;
use quittance_kernel::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::Stripe;
use super::classify::{Refusal, refusal};
use super::http::{Form, Reply};
use crate::domain::onboarding::{ProviderError, Seen, Standing};

/// Where somebody goes to be onboarded; it is good once, and for some minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountLink {
    pub(crate) url: String,
    pub(crate) expires_at: Timestamp,
}

/// The body of a success.
pub(super) fn success(reply: Reply) -> Result<Value, ProviderError> {
    let Reply::Said { status, body } = reply else { return Err(ProviderError::Unavailable) };
    if (200..300).contains(&status) && body.is_object() {
        return Ok(body);
    }
    match refusal(status, &body) {
        Refusal::Final(code) => Err(ProviderError::Refused(code)),
        Refusal::Passing(code) => {
            tracing::warn!(code, "Stripe refuses for now");
            Err(ProviderError::Unavailable)
        }
        Refusal::Unknown => Err(ProviderError::Unavailable),
    }
}

fn text(body: &Value, name: &str) -> Result<String, ProviderError> {
    body[name].as_str().map(str::to_owned).ok_or(ProviderError::Unavailable)
}

impl Stripe {
    /// Opens an Express account, once per key. Stripe asks its owner for everything else.
    pub(crate) async fn open_account(
        &self,
        key: Uuid,
        owner: (&str, &str),
        email: Option<&str>,
    ) -> Result<String, ProviderError> {
        let (organization, member) = owner;
        let mut form = Form::default()
            .with("controller[stripe_dashboard][type]", "express")
            .with("controller[fees][payer]", "application")
            .with("controller[losses][payments]", "application")
            .with("controller[requirement_collection]", "stripe")
            .with("capabilities[transfers][requested]", "true")
            .with("metadata[organization]", organization)
            .with("metadata[member]", member);
        if let Some(email) = email {
            form = form.with("email", email);
        }
        let key = key.to_string();
        let body = success(self.post("/v1/accounts", &form, Some(&key)).await)?;
        text(&body, "id")
    }

    /// Makes a link to the pages on which an account is set up.
    pub(crate) async fn link_account(&self, account: &str) -> Result<AccountLink, ProviderError> {
        let form = Form::default()
            .with("account", account)
            .with("type", "account_onboarding")
            .with("return_url", &self.0.return_url)
            // A link that was used or is too old leads back as well; the page offers a new one.
            .with("refresh_url", &self.0.return_url);
        let body = success(self.post("/v1/account_links", &form, None).await)?;
        let expires = body["expires_at"].as_i64().and_then(|at| DateTime::from_timestamp(at, 0));
        Ok(AccountLink {
            url: text(&body, "url")?,
            expires_at: expires.ok_or(ProviderError::Unavailable)?,
        })
    }

    /// How an account stands at this moment; nothing if Stripe cannot say.
    pub(crate) async fn standing(&self, account: &str) -> Option<Seen> {
        match self.get(&format!("/v1/accounts/{account}"), &Form::default()).await {
            Reply::Said { status: 200, body } => standing(&body),
            // An account that is not ours, or not there, is refused as forbidden.
            Reply::Said { status: 403 | 404, body } if body["error"]["type"].is_string() => {
                Some(Seen { standing: Standing::Missing, reason: "no_such_account".to_owned() })
            }
            Reply::Said { .. } | Reply::Lost => None,
        }
    }

    /// Makes sure that a payment method can be charged while its owner is away: a customer, and a
    /// card that its bank has agreed to. Returns the customer. The key makes at most one.
    pub(crate) async fn enrol(
        &self,
        key: Uuid,
        payment_method: &str,
        product: &str,
    ) -> Result<String, ProviderError> {
        let path = format!("/v1/payment_methods/{payment_method}");
        let body = success(self.get(&path, &Form::default()).await)?;
        if let Some(customer) = body["customer"].as_str() {
            return Ok(customer.to_owned());
        }
        let form = Form::default().with("metadata[product]", product);
        let made = self.post("/v1/customers", &form, Some(&key.to_string())).await;
        let customer = text(&success(made)?, "id")?;
        let form = Form::default()
            .with("customer", &customer)
            .with("payment_method", payment_method)
            .with("usage", "off_session")
            .with("confirm", "true")
            .with("automatic_payment_methods[enabled]", "true")
            .with("automatic_payment_methods[allow_redirects]", "never");
        // Without a key: it moves nothing, and a card that was declined may be tried again.
        let body = success(self.post("/v1/setup_intents", &form, None).await)?;
        match text(&body, "status")?.as_str() {
            "succeeded" => Ok(customer),
            status => Err(ProviderError::Refused(status.to_owned())),
        }
    }
}

/// Reads an account: whether it takes transfers and pays them out, and else what is in the way.
fn standing(account: &Value) -> Option<Seen> {
    if account["object"].as_str() != Some("account") {
        return None;
    }
    let takes = account["capabilities"]["transfers"].as_str() == Some("active");
    let pays = account["payouts_enabled"].as_bool() == Some(true);
    if takes && pays {
        return Some(Seen { standing: Standing::Onboarded, reason: String::new() });
    }
    let wanted = &account["requirements"];
    let disabled = wanted["disabled_reason"].as_str().unwrap_or_default();
    let due = wanted["currently_due"].as_array().and_then(|due| due.first()?.as_str());
    let standing = if disabled.starts_with("rejected") || disabled == "listed" {
        Standing::Restricted
    } else {
        Standing::Incomplete
    };
    let reason = match due {
        _ if standing == Standing::Restricted => disabled,
        Some(due) => due,
        None if disabled.is_empty() => "under_review",
        None => disabled,
    };
    Some(Seen { standing, reason: reason.chars().take(100).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_account_stands_as_its_capabilities_and_requirements_say() {
        let of = |transfers: &str, payouts: bool, wanted: Value| {
            let seen = standing(&json!({ "object": "account", "payouts_enabled": payouts,
                "capabilities": { "transfers": transfers }, "requirements": wanted }));
            seen.map(|seen| (seen.standing, seen.reason)).unwrap()
        };
        let due = json!({ "currently_due": ["external_account"], "disabled_reason": null });
        assert_eq!(of("active", true, json!({})), (Standing::Onboarded, String::new()));
        let incomplete = (Standing::Incomplete, "external_account".to_owned());
        assert_eq!(of("active", false, due.clone()), incomplete);
        assert_eq!(of("inactive", true, due), incomplete);
        let review = (Standing::Incomplete, "under_review".to_owned());
        assert_eq!(of("pending", true, json!({})), review);
        let rejected = json!({ "currently_due": ["x"], "disabled_reason": "rejected.fraud" });
        let restricted = (Standing::Restricted, "rejected.fraud".to_owned());
        assert_eq!(of("inactive", false, rejected), restricted);
        assert_eq!(standing(&json!({ "object": "customer" })), None);
    }
}
