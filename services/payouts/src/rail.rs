//! Rails that we move money on ourselves. Manual rails are not here: a person moves the money and
//! records it.

mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use quittance_chassis::db::Db;
use quittance_kernel::{Method, Money, PayoutId};
use uuid::Uuid;

use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;

pub(crate) use sandbox::Sandbox;

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
    /// Takes a transfer back, at most once per key; the reference is that of the reversal.
    async fn reverse(&self, back: &GiveBack) -> Answer;
    /// Gives a charge back to its payer, at most once per key; the reference is that of the refund.
    async fn refund(&self, back: &GiveBack) -> Answer;
    /// The payment method of a product for which nobody is named, where play money will do.
    fn test_payer(&self) -> Option<&'static str> {
        None
    }
}

/// The rails of this installation. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Rails {
    db: Db,
}

impl Rails {
    /// The sandbox alone.
    #[must_use]
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    /// The rail that serves a method; none for what people record. Stripe itself takes the
    /// sandbox's place here once it is configured.
    #[must_use]
    pub(crate) fn of(&self, method: Method) -> Option<Arc<dyn Rail>> {
        (!method.is_manual()).then(|| Arc::new(Sandbox::new(self.db.clone())) as Arc<dyn Rail>)
    }
}
