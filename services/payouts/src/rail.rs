//! Rails that we move money on ourselves. Manual rails are not here: a person moves the money and
//! records it.

mod sandbox;
mod stripe;

use std::sync::Arc;

use async_trait::async_trait;
use quittance_chassis::config::{Config, ConfigError};
use quittance_chassis::db::Db;
use quittance_kernel::{Method, Money, PayoutId};
use uuid::Uuid;

use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;
use crate::domain::onboarding::ProviderError;

pub(crate) use sandbox::Sandbox;
pub(crate) use stripe::{About, AccountLink, ProviderEvent, Stripe};

/// What a provider is asked to pay to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    /// The idempotency key: a provider moves money at most once for it.
    pub(crate) attempt: Uuid,
    pub(crate) payout: PayoutId,
    pub(crate) account: String,
    pub(crate) amount: Money,
    /// The provider's name of the charge that this pays out; none when the money is the
    /// platform's own.
    pub(crate) charge: Option<String>,
}

impl Transfer {
    /// Groups a charge and its transfer at the provider.
    #[must_use]
    pub(crate) fn group(&self) -> String {
        self.payout.to_string()
    }
}

/// What a payer is charged.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    /// The idempotency key: a payer is charged at most once for it.
    pub(crate) attempt: Uuid,
    /// The provider's name of the payer; empty where it needs none.
    pub(crate) customer: String,
    pub(crate) payment_method: String,
    pub(crate) amount: Money,
    /// The payout, the top-up or the bounty that is paid for.
    pub(crate) group: String,
}

/// A transfer that is taken back, or a charge that is given back.
#[derive(Clone, Debug)]
pub(crate) struct GiveBack {
    /// The idempotency key.
    pub(crate) attempt: Uuid,
    /// The provider's name of what is undone.
    pub(crate) reference: String,
    pub(crate) amount: Money,
}

/// What a provider knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Known(Answer),
    /// The call never arrived: it may be sent, under the same key.
    NeverArrived,
    Unclear,
}

/// What a provider knows of the key of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AskedCharge {
    Known(Charged),
    /// The call never arrived: it may be sent, under the same key.
    NeverArrived,
    Unclear,
}

/// A provider.
#[async_trait]
pub(crate) trait Rail: Send + Sync {
    /// Moves money to somebody, at most once per key.
    async fn send(&self, transfer: &Transfer) -> Answer;
    /// Asks what became of a transfer, without moving anything. It is given whole: a provider may
    /// have to look for the key among the transfers of a group.
    async fn ask(&self, transfer: &Transfer) -> Asked;
    /// Takes money from a payer, at most once per key.
    async fn charge(&self, charge: &Charge) -> Charged;
    /// Asks what became of a charge, without moving anything.
    async fn ask_charge(&self, charge: &Charge) -> AskedCharge;
    /// Where a payer goes who has to confirm a charge; nothing where there is no such page, or no more
    /// need for it. `reference` is the provider's name of the charge.
    async fn confirmation(
        &self,
        _charge: &Charge,
        _reference: &str,
    ) -> Result<Option<String>, ProviderError> {
        Ok(None)
    }
    /// Takes a transfer back, at most once per key; the reference is that of the reversal.
    async fn reverse(&self, back: &GiveBack) -> Answer;
    /// Gives a charge back to its payer, at most once per key; the reference is that of the refund.
    async fn refund(&self, back: &GiveBack) -> Answer;
    /// The payment method of a product for which nobody is named, where play money will do.
    fn test_payer(&self) -> Option<&'static str> {
        None
    }
}

/// What the sandbox and Stripe are called where it matters who has said something.
pub(crate) const SANDBOX: &str = "sandbox";
pub(crate) const STRIPE: &str = "stripe";

/// The rails of this installation. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Rails {
    db: Db,
    stripe: Option<Stripe>,
}

impl Rails {
    /// The sandbox alone.
    #[must_use]
    pub(crate) fn new(db: Db) -> Self {
        Self { db, stripe: None }
    }

    /// The same, with Stripe in the sandbox's place if it is configured.
    pub(crate) fn configured(self, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { stripe: Stripe::from_config(config)?, ..self })
    }

    /// The rail that serves a method; none for what people record.
    #[must_use]
    pub(crate) fn of(&self, method: Method) -> Option<Arc<dyn Rail>> {
        if method.is_manual() {
            return None;
        }
        match &self.stripe {
            Some(stripe) => Some(Arc::new(stripe.clone())),
            None => Some(Arc::new(Sandbox::new(self.db.clone()))),
        }
    }

    /// Stripe, where it moves the money.
    #[must_use]
    pub(crate) fn stripe(&self) -> Option<&Stripe> {
        self.stripe.as_ref()
    }

    /// Who says how accounts stand.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        if self.stripe.is_some() { STRIPE } else { SANDBOX }
    }
}
