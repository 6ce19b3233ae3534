//! What the bus delivers: events are read here, and projected by `app::project`.

pub(crate) mod facts;
mod partners;

use async_trait::async_trait;
use quittance_chassis::bus::{HandleError, Handler, Message};
use quittance_chassis::clock;
use quittance_chassis::db::WriteError;
use quittance_chassis::problem::chain;
use quittance_events::queue;
use quittance_kernel::{Ctx, OrganizationId, Principal};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr};
use uuid::Uuid;

use crate::app::{Balances, Fact, ProjectError};

/// The queue of the projections.
pub const QUEUE: &str = queue::BALANCE.name;

/// The events that they are made of.
pub const KINDS: &[&str] = queue::BALANCE.kinds;

/// Projects what is delivered.
#[derive(Clone, Debug)]
pub struct Projections {
    balances: Balances,
}

impl Projections {
    /// Projects into these balances.
    #[must_use]
    pub fn new(balances: Balances) -> Self {
        Self { balances }
    }
}

#[async_trait]
impl Handler for Projections {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        let facts: Vec<Vec<Fact>> = messages
            .iter()
            .map(facts::read)
            .collect::<Result<_, _>>()
            .map_err(HandleError::Poison)?;
        let facts: Vec<Fact> = facts.into_iter().flatten().collect();
        if facts.is_empty() {
            return Ok(());
        }
        // A batch is of many organizations; each row takes its own from its event.
        let principal = Principal::service(OrganizationId(Uuid::nil()));
        let ctx = Ctx::new(principal, clock::now(), QUEUE.to_owned());
        self.balances.project(&ctx, &facts).await.map_err(|error| verdict(&error))
    }
}

/// Whether it may go better another time. What the database refuses because of the data will be
/// refused again.
fn verdict(error: &ProjectError) -> HandleError {
    let hopeless = match error {
        ProjectError::Ledger(_) => true,
        ProjectError::Write(WriteError::Database(cause)) => is_refused_data(cause),
        ProjectError::Write(WriteError::Duplicate(_) | WriteError::Stale) => false,
    };
    let text = chain(error);
    if hopeless { HandleError::Poison(text) } else { HandleError::Transient(text) }
}

/// A value out of range, a text that cannot be stored, a check that failed: PostgreSQL's classes 22
/// and 23, and SQLite's codes for a failed check and a wrong type.
fn is_refused_data(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    let code = cause.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| {
        (code.len() == 5 && (code.starts_with("22") || code.starts_with("23")))
            || matches!(code.as_ref(), "275" | "20")
    })
}
