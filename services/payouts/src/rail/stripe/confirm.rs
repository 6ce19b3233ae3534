//! Payers who have to confirm a charge: the page on which their bank hears from them.

use serde_json::Value;

use super::Stripe;
use super::accounts::success;
use super::classify;
use super::http::Form;
use crate::domain::charge::Charged;
use crate::domain::onboarding::ProviderError;
use crate::rail::Charge;

impl Stripe {
    /// Has a payment confirmed while its payer is there; nothing when no page is needed for it.
    ///
    /// The payment is the same one, so that it takes money at most once; and it is confirmed once per
    /// key, so that a payment which has failed since is not begun anew. Its client secret stays with
    /// us: with it a browser could have it paid by another card after we have given it up.
    pub(super) async fn confirm(
        &self,
        charge: &Charge,
        intent: &str,
    ) -> Result<Option<String>, ProviderError> {
        let path = format!("/v1/payment_intents/{intent}");
        let seen = success(self.get(&path, &Form::default()).await)?;
        let waits = matches!(classify::intent(&seen), Charged::NeedsAction { .. });
        if !waits || seen["status"].as_str() != Some("requires_payment_method") {
            return Ok(page(&seen));
        }
        let form = Form::default()
            .with("payment_method", &charge.payment_method)
            .with("return_url", &self.0.return_url);
        let key = format!("{}-confirm", charge.attempt);
        let path = format!("{path}/confirm");
        Ok(page(&success(self.post(&path, &form, Some(&key)).await)?))
    }
}

fn page(intent: &Value) -> Option<String> {
    let url = intent["next_action"]["redirect_to_url"]["url"].as_str()?;
    url.starts_with("https://").then(|| url.to_owned())
}
