//! One active relay per database, and one active sealer, held by a session lock of PostgreSQL.
//!
//! The lock lives on a connection of its own, outside the pool: a pooled session would carry it to
//! strangers. If that connection dies, another relay may take over while this one finishes a
//! window; both then publish it, and the inboxes sort it out.

use std::time::Duration;

use sea_orm::sqlx::{self, Connection as _, PgConnection};
use tokio::time::timeout;

use crate::db::Db;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Services that share a database have a schema each, and so a relay each.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended(\
    'quittance.' || $1 || '.' || coalesce(current_schema(), ''), 0))";

/// A relay's claim to be the active one.
pub struct Leadership {
    db: Db,
    role: &'static str,
    name: &'static str,
    session: Option<PgConnection>,
    active: bool,
}

impl Leadership {
    /// `role` is what there is one of per database.
    #[must_use]
    pub fn new(db: Db, role: &'static str, name: &'static str) -> Self {
        Self { db, role, name, session: None, active: false }
    }

    /// Tells whether this relay is the active one; takes over if nobody is. Asks each time,
    /// because a lock goes silently with its session.
    pub async fn holds(&mut self) -> bool {
        if !self.db.is_postgres() {
            // A SQLite file belongs to one process, which runs one relay for it.
            return true;
        }
        let held = match timeout(ANSWER_TIMEOUT, self.ask()).await {
            Ok(Ok(held)) => held,
            Ok(Err(error)) => self.lost(&error.to_string()),
            Err(_) => self.lost("no answer in time"),
        };
        if held != self.active {
            tracing::info!(
                role = self.role,
                name = self.name,
                active = held,
                "the active one changed"
            );
            self.active = held;
        }
        held
    }

    /// Gives the claim up, so that another process need not wait for the session to be missed.
    pub async fn resign(mut self) {
        if let Some(session) = self.session.take() {
            // Closing is a courtesy; the server ends the session when the socket goes.
            drop(timeout(ANSWER_TIMEOUT, session.close()).await);
        }
    }

    async fn ask(&mut self) -> Result<bool, sqlx::Error> {
        if self.active
            && let Some(session) = &mut self.session
        {
            session.ping().await?;
            return Ok(true);
        }
        let session = match &mut self.session {
            Some(session) => session,
            None => self.session.insert(PgConnection::connect(self.db.url()).await?),
        };
        sqlx::query_scalar(TRY_LOCK).bind(self.role).fetch_one(session).await
    }

    fn lost(&mut self, error: &str) -> bool {
        self.session = None;
        tracing::warn!(
            role = self.role,
            name = self.name,
            error,
            "the lock could not be asked for"
        );
        false
    }
}
