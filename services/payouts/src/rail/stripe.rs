//! Stripe Connect, over its HTTP API: the platform charges payers, and pays connected accounts by
//! transfers ("separate charges and transfers").
//!
//! **Once per key.** A call carries our key twice: as `Idempotency-Key`, and in `metadata[attempt]` of
//! what it makes. What became of a call is looked up by the second one, among the transfers of a
//! group or the payments of a customer: lists are complete at once, the search of Stripe is not.
//! What is not found is sent again under the same key. Stripe forgets keys after a day at the
//! earliest; by then a list has long shown whatever arrived. So a payment could only be doubled if
//! a list still missed an object that is a day old.
//!
//! A failure of Stripe itself (5xx) is stored under the key and replayed. Then nothing is found and
//! nothing is sent until the key is forgotten: such an attempt stays unknown for a day, is alerted,
//! and never guessed about.

mod accounts;
mod classify;
mod confirm;
mod event;
mod http;
mod look;
mod signature;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use quittance_chassis::config::{Config, ConfigError, Mode};
use quittance_kernel::Money;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Asked, AskedCharge, Charge, GiveBack, Rail, Transfer};
use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;
use crate::domain::onboarding::ProviderError;
use http::Form;

pub(crate) use accounts::AccountLink;
pub(crate) use event::{About, ProviderEvent};

/// The version of the API that this is written against; requests and webhooks are in it.
pub(crate) const VERSION: &str = "2026-11-18.endive";

const DEFAULT_URL: &str = "https://api.stripe.com";

/// The worker gives up on a call after ten seconds; this has to end before.
const LONGEST: u64 = 9_500;

/// A connection to Stripe. Clones share it.
#[derive(Clone)]
pub(crate) struct Stripe(Arc<Shared>);

struct Shared {
    client: reqwest::Client,
    base: String,
    key: SecretString,
    webhook_secrets: Vec<SecretString>,
    return_url: String,
    patience: Duration,
    /// Until when Stripe has asked us to wait.
    paused: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stripe").field(&self.0.base).finish()
    }
}

fn refused(key: &'static str, problem: &str) -> ConfigError {
    ConfigError::Refused { key, problem: problem.to_owned() }
}

impl Stripe {
    /// Prepares the connection if there is a key. Nothing is called yet.
    pub(crate) fn from_config(config: &Config) -> Result<Option<Self>, ConfigError> {
        let of = &config.rails.stripe;
        let Some(key) = of.secret_key.clone() else { return Ok(None) };
        check_key(key.expose_secret(), config.mode)?;
        let base = of.base_url.as_deref().unwrap_or(DEFAULT_URL).trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base)
            .map_err(|_| refused("rails.stripe.base_url", "is not a URL"))?;
        if config.mode == Mode::Production && url.scheme() != "https" {
            return Err(refused("rails.stripe.base_url", "must be https:// in production"));
        }
        if reqwest::Url::parse(&of.return_url).is_err() {
            return Err(refused("rails.stripe.return_url", "is not a URL"));
        }
        if !(1..=LONGEST).contains(&of.timeout_ms) {
            return Err(refused("rails.stripe.timeout_ms", "must be between 1 and 9500"));
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("quittance/", env!("CARGO_PKG_VERSION")))
            // The key goes to the address that is configured and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| refused("rails.stripe.base_url", "cannot be called"))?;
        let secrets = of.webhook_secret.as_ref().map_or("", |secret| secret.expose_secret());
        let secrets = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty());
        Ok(Some(Self(Arc::new(Shared {
            client,
            base,
            key,
            webhook_secrets: secrets.map(SecretString::from).collect(),
            return_url: of.return_url.clone(),
            patience: Duration::from_millis(of.timeout_ms),
            paused: Mutex::new(None),
        }))))
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.0.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause_until(&self, until: Instant) {
        let mut paused = self.0.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |other| other.max(until)));
    }
}

/// Live keys are for production; a test key there moves no money, which may be meant.
fn check_key(key: &str, mode: Mode) -> Result<(), ConfigError> {
    let name = "rails.stripe.secret_key";
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused(name, "has characters that no key has"));
    }
    let is_live = key.starts_with("sk_live_") || key.starts_with("rk_live_");
    if is_live && mode == Mode::Development {
        return Err(refused(name, "is a live key: development mode moves no real money"));
    }
    if !is_live && mode == Mode::Production {
        tracing::warn!("rails.stripe.secret_key is no live key: no real money moves");
    }
    Ok(())
}

/// Amount and currency as Stripe writes them. It counts two currencies in hundredths that have
/// none, and takes no thousandths; what it cannot take has no form.
fn amount(form: Form, money: Money) -> Option<Form> {
    let code = money.currency().code();
    let minor = match code {
        "ISK" | "UGX" => money.minor().checked_mul(100)?,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" if money.minor() % 10 != 0 => return None,
        _ => money.minor(),
    };
    Some(form.with("amount", &minor.to_string()).with("currency", &code.to_ascii_lowercase()))
}

/// Whether this names a charge that a transfer can be tied to.
fn is_charge(reference: &str) -> bool {
    reference.starts_with("ch_") || reference.starts_with("py_")
}

fn not_representable() -> String {
    "amount_not_representable".to_owned()
}

#[async_trait]
impl Rail for Stripe {
    async fn send(&self, transfer: &Transfer) -> Answer {
        let mut form = Form::default()
            .with("destination", &transfer.account)
            .with("transfer_group", &transfer.group())
            .with("metadata[attempt]", &transfer.attempt.to_string())
            .with("metadata[payout]", &transfer.payout.to_string());
        // The transfer waits for the charge's own money, and fails rather than take other people's.
        if let Some(charge) = transfer.charge.as_deref().filter(|charge| is_charge(charge)) {
            form = form.with("source_transaction", charge);
        }
        let Some(form) = amount(form, transfer.amount) else {
            return Answer::Declined { code: not_representable() };
        };
        let key = transfer.attempt.to_string();
        classify::answer(&self.post("/v1/transfers", &form, Some(&key)).await, "transfer")
    }

    async fn ask(&self, transfer: &Transfer) -> Asked {
        self.look_for_transfer(transfer).await
    }

    async fn charge(&self, charge: &Charge) -> Charged {
        let customer = match self.customer_of(charge).await {
            Ok(customer) => customer,
            Err(charged) => return charged,
        };
        let form = Form::default()
            .with("customer", &customer)
            .with("payment_method", &charge.payment_method)
            .with("off_session", "true")
            .with("confirm", "true")
            .with("automatic_payment_methods[enabled]", "true")
            .with("return_url", &self.0.return_url)
            .with("transfer_group", &charge.group)
            .with("metadata[attempt]", &charge.attempt.to_string())
            .with("metadata[group]", &charge.group);
        let Some(form) = amount(form, charge.amount) else {
            return Charged::Declined { code: not_representable() };
        };
        let key = charge.attempt.to_string();
        classify::charged(&self.post("/v1/payment_intents", &form, Some(&key)).await)
    }

    async fn ask_charge(&self, charge: &Charge) -> AskedCharge {
        match self.customer_of(charge).await {
            Ok(customer) => self.look_for_charge(charge.attempt, &customer).await,
            Err(_) => AskedCharge::Unclear,
        }
    }

    async fn confirmation(
        &self,
        charge: &Charge,
        reference: &str,
    ) -> Result<Option<String>, ProviderError> {
        self.confirm(charge, reference).await
    }

    async fn reverse(&self, back: &GiveBack) -> Answer {
        let path = format!("/v1/transfers/{}/reversals", back.reference);
        self.give_back(back, path, "reversal", Form::default()).await
    }

    async fn refund(&self, back: &GiveBack) -> Answer {
        let name = if is_charge(&back.reference) { "charge" } else { "payment_intent" };
        let of = Form::default().with(name, &back.reference);
        self.give_back(back, "/v1/refunds".to_owned(), "refund", of).await
    }
}

impl Stripe {
    /// Gives back, unless this key has done so already. `of` names what is undone, in the list of
    /// earlier ones as in the call.
    async fn give_back(&self, back: &GiveBack, path: String, kind: &str, of: Form) -> Answer {
        match self.look(&path, of.clone(), back.attempt, |found| classify::made(found, kind)).await
        {
            look::Found::Is(answer) => return answer,
            look::Found::Unclear => return Answer::Unknown,
            look::Found::Nothing => {}
        }
        let form = of.with("metadata[attempt]", &back.attempt.to_string());
        let Some(form) = amount(form, back.amount) else {
            return Answer::Declined { code: not_representable() };
        };
        // Stripe takes no `currency` here: it is that of what is undone.
        let form = form.without("currency");
        // A key of its own: the attempt's may be that of the charge.
        let key = format!("{}-{kind}", back.attempt);
        classify::answer(&self.post(&path, &form, Some(&key)).await, kind)
    }
}
