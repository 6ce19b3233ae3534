//! Rails that we move money on ourselves. Manual rails are not here: a person moves the money and
//! records it.

mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use quittance_chassis::db::Db;
use quittance_kernel::{Method, Money, PayoutId};
use uuid::Uuid;

use crate::domain::attempt::Answer;

pub(crate) use sandbox::Sandbox;

/// What a provider is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    /// The idempotency key: a provider moves money at most once for it.
    pub(crate) attempt: Uuid,
    pub(crate) payout: PayoutId,
    pub(crate) account: String,
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

/// A provider.
#[async_trait]
pub(crate) trait Rail: Send + Sync {
    /// Moves money, at most once per key.
    async fn send(&self, transfer: &Transfer) -> Answer;
    /// Asks what became of a call, without moving anything.
    async fn ask(&self, attempt: Uuid) -> Asked;
}

/// The rail that serves a method; none for what people record. Stripe itself takes the sandbox's
/// place here once it is configured.
pub(crate) fn of(method: Method, db: &Db) -> Option<Arc<dyn Rail>> {
    (!method.is_manual()).then(|| Arc::new(Sandbox::new(db.clone())) as Arc<dyn Rail>)
}
