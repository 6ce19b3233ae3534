//! Taking money from whoever pays for a product (product.md, rule 10): a fact of its own beside the
//! transfer that it pays for.
//!
//! ```text
//! created (committed before the call) ─▶ submitted ─▶ succeeded | needs_action | declined | failed_retryable | unknown
//! unknown ─▶ succeeded | needs_action | declined | failed_retryable, by asking
//! needs_action ─▶ succeeded | declined, by asking ; succeeded ─▶ refunding ─▶ refunded
//! ```
//! While one of these may still take money, or has taken it, there is no other for the same purpose.

use quittance_kernel::{MemberId, Money, OrganizationId, ProductId, Timestamp};
use uuid::Uuid;

use super::attempt::{Answer, MAX_ATTEMPTS, later};
use super::payout_machine::InvalidTransition;
use super::quote::Quote;

/// The pause before a second charge, and before an outcome is asked for; both double.
const RETRY_MS: i64 = 250;
const ASK_MS: i64 = 250;

/// What a provider says of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charged {
    /// The money was taken; the provider's name for it.
    Succeeded { reference: String },
    /// The payer has to confirm it at their bank first.
    NeedsAction { reference: String },
    /// It never will be.
    Declined { code: String },
    /// It was not, and may be the next time.
    Retryable { code: String },
    /// Nobody can tell.
    Unknown,
}

macro_rules! words {
    ($(#[$doc:meta])* $enum:ident { $($(#[$of:meta])* $name:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $enum { $($(#[$of])* $name),+ }

        impl $enum {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            pub(crate) fn read(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// Where a charge stands.
    ChargeState {
        Created = "created",
        Submitted = "submitted",
        NeedsAction = "needs_action",
        Unknown = "unknown",
        Succeeded = "succeeded",
        Declined = "declined",
        FailedRetryable = "failed_retryable",
        /// It is to be given back, and the provider has not said yet that it was.
        Refunding = "refunding",
        Refunded = "refunded",
    }
}

words! {
    /// What a charge is for.
    Purpose {
        /// A payout.
        Payout = "payout",
        /// The pre-funded balance of a product.
        TopUp = "top_up",
    }
}

/// A charge, with what its provider needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChargeAttempt {
    /// Also the provider's idempotency key.
    pub(crate) id: Uuid,
    pub(crate) organization: OrganizationId,
    pub(crate) purpose: Purpose,
    /// The payout or the top-up.
    pub(crate) subject: Uuid,
    pub(crate) product: ProductId,
    /// Who has caused it, and is told when it fails.
    pub(crate) payer: MemberId,
    /// From 1, for one subject.
    pub(crate) number: i64,
    pub(crate) state: ChargeState,
    pub(crate) customer: String,
    pub(crate) payment_method: String,
    /// Its total is what is charged.
    pub(crate) quote: Quote,
    pub(crate) reference: String,
    pub(crate) code: String,
    pub(crate) asked: i64,
    pub(crate) refunded: i64,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl ChargeAttempt {
    #[must_use]
    pub(crate) fn amount(&self) -> Money {
        Money::signed(self.quote.total, self.quote.currency)
    }

    /// The same charge once more, after the provider was too busy for it.
    #[must_use]
    pub(crate) fn another(&self, now: Timestamp) -> Self {
        Self {
            id: Uuid::now_v7(),
            number: self.number + 1,
            state: ChargeState::Created,
            reference: String::new(),
            code: String::new(),
            asked: 0,
            version: 1,
            created_at: now,
            updated_at: now,
            ..self.clone()
        }
    }
}

/// What follows from what was said of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Follows {
    pub(crate) state: ChargeState,
    /// Whether the money is there, or never will be; nothing while it may still come.
    pub(crate) funded: Option<bool>,
    pub(crate) again_at: Option<Timestamp>,
    /// Whether another charge follows by itself.
    pub(crate) another: bool,
}

fn onward(from: ChargeState) -> &'static [ChargeState] {
    use ChargeState::{
        Created, Declined, FailedRetryable, NeedsAction, Refunded, Refunding, Submitted, Succeeded,
        Unknown,
    };
    match from {
        Created => &[Submitted],
        Submitted => &[Succeeded, NeedsAction, Declined, FailedRetryable, Unknown],
        Unknown => &[Succeeded, NeedsAction, Declined, FailedRetryable],
        NeedsAction => &[Succeeded, Declined],
        Succeeded => &[Refunding],
        Refunding => &[Refunded, Succeeded],
        Declined | FailedRetryable | Refunded => &[],
    }
}

/// Takes one step, or tells which there are.
pub(crate) fn step(from: ChargeState, to: ChargeState) -> Result<ChargeState, InvalidTransition> {
    let allowed = onward(from);
    if allowed.contains(&to) {
        return Ok(to);
    }
    Err(InvalidTransition {
        entity: "charge",
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.iter().map(|state| state.as_str()).collect(),
    })
}

/// Decides what follows from what a provider said of a charge.
pub(crate) fn conclude(
    charge: &ChargeAttempt,
    charged: &Charged,
    now: Timestamp,
) -> Result<Follows, InvalidTransition> {
    let from = charge.state;
    let done = |to, funded| {
        let state = step(from, to)?;
        Ok(Follows { state, funded: Some(funded), again_at: None, another: false })
    };
    let waits = |state| {
        let again_at = Some(later(now, ASK_MS, charge.asked));
        Ok(Follows { state, funded: None, again_at, another: false })
    };
    match charged {
        Charged::Succeeded { .. } => done(ChargeState::Succeeded, true),
        Charged::Declined { .. } => done(ChargeState::Declined, false),
        // What has to be confirmed is there: a provider that is busy is asked again.
        Charged::NeedsAction { .. } | Charged::Retryable { .. }
            if from == ChargeState::NeedsAction =>
        {
            waits(from)
        }
        Charged::NeedsAction { .. } => waits(step(from, ChargeState::NeedsAction)?),
        Charged::Retryable { .. }
            if from == ChargeState::Unknown || MAX_ATTEMPTS <= charge.number =>
        {
            done(ChargeState::FailedRetryable, false)
        }
        Charged::Retryable { .. } => {
            let state = step(from, ChargeState::FailedRetryable)?;
            let again_at = Some(later(now, RETRY_MS, charge.number - 1));
            Ok(Follows { state, funded: None, again_at, another: true })
        }
        Charged::Unknown if matches!(from, ChargeState::Unknown | ChargeState::NeedsAction) => {
            waits(from)
        }
        Charged::Unknown => waits(step(from, ChargeState::Unknown)?),
    }
}

/// Decides what follows from what a provider said of a refund: where the charge stands then, and
/// when to say it again if nothing is known.
#[must_use]
pub(crate) fn conclude_refund(
    charge: &ChargeAttempt,
    answer: &Answer,
    now: Timestamp,
) -> (ChargeState, Option<Timestamp>) {
    match answer {
        Answer::Sent { .. } => (ChargeState::Refunded, None),
        Answer::Declined { .. } => (ChargeState::Succeeded, None),
        // Said again under the same key, which moves nothing twice.
        Answer::Retryable { .. } | Answer::Unknown => {
            (ChargeState::Refunding, Some(later(now, ASK_MS, charge.asked)))
        }
    }
}

#[cfg(test)]
mod tests;
