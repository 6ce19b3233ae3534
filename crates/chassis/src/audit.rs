//! The audit log once it is written: sealed into a chain, verified, read, and told of refusals.

pub mod command;
pub(crate) mod denial;
mod instruments;
mod list;
mod record;
mod sealer;
mod service;
mod verify;

pub use denial::{denial, is_denial};
pub use sealer::spawn;
pub use service::{AuditError, service};
pub use verify::{Broken, Flaw, Verdict, verify};
