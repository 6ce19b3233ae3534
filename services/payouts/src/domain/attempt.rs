//! One call to a provider for a payout (product.md, "State machines").
//!
//! ```text
//! created (committed before the call) ─▶ submitted ─▶ succeeded | failed_retryable | failed_terminal | unknown
//! unknown ─▶ succeeded | failed_retryable | failed_terminal, by asking
//! ```
//! While nothing is known the provider is asked, and called again only under the same key.

use quittance_kernel::{Money, PayoutId, Timestamp};
use uuid::Uuid;

use super::payout_machine::{Command, InvalidTransition};

/// How often a provider is called for a payout before it failed. Unknown outcomes do not count:
/// they stay one attempt.
pub(crate) const MAX_ATTEMPTS: i64 = 3;

/// The pause before the second attempt; doubled for the third.
const RETRY_MS: i64 = 250;
/// The pause before an unknown outcome is asked for; doubled each time.
const ASK_MS: i64 = 250;
const LONGEST_ASK_MS: i64 = 300_000;

macro_rules! states {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Where an attempt stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum AttemptState { $($name),+ }

        impl AttemptState {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

states! {
    Created = "created",
    Submitted = "submitted",
    Succeeded = "succeeded",
    FailedRetryable = "failed_retryable",
    FailedTerminal = "failed_terminal",
    Unknown = "unknown",
}

/// What a provider says of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The money moved; the provider's name for it.
    Sent { reference: String },
    /// It never will.
    Declined { code: String },
    /// It did not, and may the next time.
    Retryable { code: String },
    /// Nobody can tell.
    Unknown,
}

/// An attempt, with what its provider needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Also the provider's idempotency key.
    pub(crate) id: Uuid,
    pub(crate) payout: PayoutId,
    /// From 1.
    pub(crate) number: i64,
    pub(crate) state: AttemptState,
    pub(crate) rail: String,
    pub(crate) account: String,
    pub(crate) amount: Money,
    /// How often its outcome was asked for in vain.
    pub(crate) asked: i64,
    pub(crate) version: i64,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conclusion {
    pub(crate) state: AttemptState,
    /// What becomes of the payout; nothing when it waits on.
    pub(crate) payout: Option<Command>,
    /// When to ask, or to try anew.
    pub(crate) again_at: Option<Timestamp>,
    /// Whether another attempt follows.
    pub(crate) another: bool,
}

fn onward(from: AttemptState) -> &'static [AttemptState] {
    use AttemptState::{Created, FailedRetryable, FailedTerminal, Submitted, Succeeded, Unknown};
    match from {
        Created => &[Submitted],
        Submitted => &[Succeeded, FailedRetryable, FailedTerminal, Unknown],
        Unknown => &[Succeeded, FailedRetryable, FailedTerminal],
        Succeeded | FailedRetryable | FailedTerminal => &[],
    }
}

/// Takes one step, or tells which there are.
pub(crate) fn step(
    from: AttemptState,
    to: AttemptState,
) -> Result<AttemptState, InvalidTransition> {
    let allowed = onward(from);
    if allowed.contains(&to) {
        return Ok(to);
    }
    Err(InvalidTransition {
        entity: "attempt",
        from: from.as_str(),
        to: to.as_str(),
        allowed: allowed.iter().map(|state| state.as_str()).collect(),
    })
}

/// Decides what follows from an answer, for the attempt and for its payout.
pub(crate) fn conclude(
    attempt: &Attempt,
    answer: &Answer,
    now: Timestamp,
) -> Result<Conclusion, InvalidTransition> {
    let was_unknown = attempt.state == AttemptState::Unknown;
    let done = |to, payout| {
        let state = step(attempt.state, to)?;
        Ok(Conclusion { state, payout: Some(payout), again_at: None, another: false })
    };
    match answer {
        Answer::Sent { .. } => done(AttemptState::Succeeded, Command::Settle),
        Answer::Declined { .. } => done(AttemptState::FailedTerminal, Command::Fail),
        // A payout that was unknown is paid or failed next: an admin decides about another call.
        Answer::Retryable { .. } if was_unknown || attempt.number >= MAX_ATTEMPTS => {
            done(AttemptState::FailedRetryable, Command::Fail)
        }
        Answer::Retryable { .. } => {
            let state = step(attempt.state, AttemptState::FailedRetryable)?;
            let again_at = Some(later(now, RETRY_MS, attempt.number - 1));
            Ok(Conclusion { state, payout: None, again_at, another: true })
        }
        Answer::Unknown => {
            let state = if attempt.state == AttemptState::Unknown {
                AttemptState::Unknown
            } else {
                step(attempt.state, AttemptState::Unknown)?
            };
            let payout = (!was_unknown).then_some(Command::LoseSight);
            let again_at = Some(later(now, ASK_MS, attempt.asked));
            Ok(Conclusion { state, payout, again_at, another: false })
        }
    }
}

pub(super) fn later(now: Timestamp, first: i64, times: i64) -> Timestamp {
    let factor = 1_i64 << times.clamp(0, 20);
    now + chrono::TimeDelta::milliseconds(first.saturating_mul(factor).min(LONGEST_ASK_MS))
}

/// How a batch ended.
#[must_use]
pub(crate) fn batch_state(paid: i64, failed: i64) -> &'static str {
    match (paid, failed) {
        (_, 0) => "completed",
        (0, _) => "failed",
        _ => "partially_completed",
    }
}

/// What the payee may read of a code.
#[must_use]
pub(crate) fn told(code: &str) -> String {
    format!("The provider did not pay: {}", code.replace('_', " "))
}

#[cfg(test)]
mod tests;
