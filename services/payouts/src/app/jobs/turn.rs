//! Whose turn a job is: one run of each at a time per database, whatever process it is in.

use std::fs::{File, OpenOptions};

use quittance_chassis::bus::relay::leadership::Leadership;
use quittance_chassis::db::Db;

use crate::domain::job::Job;

/// A claim to be the one that runs a job. It goes with its process, however that ends.
pub(super) enum Turn {
    /// A session lock of PostgreSQL.
    Session(Leadership),
    /// A lock on a file beside that of SQLite: `job` on the command line and a running instance
    /// are two processes on one database.
    File { path: String, held: Option<File> },
    /// A database in memory has nobody else.
    Alone,
}

impl Turn {
    pub(super) fn new(db: &Db, job: Job) -> Self {
        if db.is_postgres() {
            let role = match job {
                Job::Schedules => "job.process-schedules",
                Job::Escrow => "job.process-escrow",
            };
            return Self::Session(Leadership::new(db.clone(), role, db.service()));
        }
        let path = db.url().trim_start_matches("sqlite:").trim_start_matches("//");
        let path = path.split('?').next().unwrap_or_default();
        if path.is_empty() || path.contains(":memory:") {
            return Self::Alone;
        }
        Self::File { path: format!("{path}.{job}.lock"), held: None }
    }

    /// Takes the turn if nobody has it; asks whether it is still ours if we had it.
    pub(super) async fn holds(&mut self) -> bool {
        match self {
            Self::Session(session) => session.holds().await,
            Self::File { held: Some(_), .. } | Self::Alone => true,
            Self::File { path, held } => {
                *held = lock(path);
                held.is_some()
            }
        }
    }

    /// Gives the turn to whoever waits for it.
    pub(super) async fn resign(self) {
        if let Self::Session(session) = self {
            session.resign().await;
        }
    }
}

fn lock(path: &str) -> Option<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.inspect_err(|error| {
        tracing::warn!(path, %error, "the lock of a job cannot be made");
    });
    file.ok().filter(|file| file.try_lock().is_ok())
}
