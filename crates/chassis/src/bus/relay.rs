//! Carries the outbox to the bus, in sequence order, and removes what the bus has confirmed.
//!
//! No transaction is open while the bus is asked. A crash between the confirmation and the removal
//! publishes a window twice, which consumers expect. Rows are removed rather than a cursor kept,
//! because a sequence number can become visible after a higher one.

pub mod leadership;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::leadership::Leadership;
use super::delivery::jittered;
use super::instruments::INSTRUMENTS;
use super::{Bus, BusError};
use crate::db::{Db, outbox};
use crate::{clock, fail_point};

/// How many messages are published at once.
const WINDOW: u32 = 1000;
/// How often the outbox is looked at when no commit wakes the relay: another process may commit.
const POLL: Duration = Duration::from_millis(200);
/// The first pause after a failure; commits do not shorten it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a standby asks whether it may take over.
const STANDBY: Duration = Duration::from_secs(1);
/// How often the depth of the outbox is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// Starts the relay of one database; `name` tells relays apart in metrics and logs.
///
/// Any number of processes may run one for the same PostgreSQL database: one is active, the others
/// stand by. On shutdown it finishes its window.
pub fn spawn(
    db: Db,
    bus: Arc<dyn Bus>,
    name: &'static str,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    let relay = Relay { db, bus, name, failures: 0, measured: None };
    tokio::spawn(relay.run(shutdown))
}

struct Relay {
    db: Db,
    bus: Arc<dyn Bus>,
    name: &'static str,
    /// How many rounds in a row got nothing through.
    failures: u32,
    measured: Option<Instant>,
}

/// What one round did.
struct Round {
    read: usize,
    confirmed: usize,
    error: Option<BusError>,
}

impl Relay {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut leadership = Leadership::new(self.db.clone(), "relay", self.name);
        while !shutdown.is_cancelled() {
            if !leadership.holds().await {
                wait(jittered(STANDBY), &shutdown).await;
                continue;
            }
            let committed = self.db.committed().clone();
            // Registered before the window is read, so that no commit falls in between.
            let mut woken = pin!(committed.notified());
            woken.as_mut().enable();

            let round = self.round().await;
            self.measure().await;
            let again = self.note(round);
            if let Some(pause) = again.least {
                wait(pause, &shutdown).await;
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = &mut woken => {}
                () = tokio::time::sleep(again.most) => {}
            }
        }
        leadership.resign().await;
    }

    /// Publishes one window and removes what was confirmed.
    async fn round(&self) -> Result<Round, DbErr> {
        let window = outbox::window(&self.db, WINDOW).await?;
        if window.is_empty() {
            return Ok(Round { read: 0, confirmed: 0, error: None });
        }
        let (sequence, messages): (Vec<i64>, Vec<_>) = window.into_iter().unzip();
        let published = self.bus.publish(&messages).await;
        fail_point!("relay::published");

        let confirmed: Vec<i64> = sequence
            .into_iter()
            .zip(published.confirmed)
            .filter(|(_, confirmed)| *confirmed)
            .map(|(sequence, _)| sequence)
            .collect();
        outbox::remove(&self.db, &confirmed).await?;
        INSTRUMENTS.published(self.name, confirmed.len(), messages.len() - confirmed.len());
        Ok(Round { read: messages.len(), confirmed: confirmed.len(), error: published.error })
    }

    /// Logs what went wrong and decides when to look again.
    fn note(&mut self, round: Result<Round, DbErr>) -> Again {
        let error = match round {
            Ok(Round { error: None, read, .. }) => {
                self.recovered();
                let full = read == WINDOW as usize;
                let most = if full { Duration::ZERO } else { jittered(POLL) };
                return Again { least: None, most };
            }
            // Some got through, so the bus is up and only its consumers lag.
            Ok(Round { error: Some(error), confirmed, .. }) if 0 < confirmed => {
                self.recovered();
                tracing::debug!(relay = self.name, %error, "part of a window was not confirmed");
                return Again { least: Some(FIRST_PAUSE), most: jittered(POLL) };
            }
            // The bus is up, and whatever is committed now may find a consumer that is well.
            Ok(Round { error: Some(error @ BusError::Held(_)), .. }) => {
                (error.to_string(), FIRST_PAUSE)
            }
            Ok(Round { error: Some(error), .. }) => (error.to_string(), LONGEST_PAUSE),
            Err(error) => (error.to_string(), LONGEST_PAUSE),
        };
        let (error, least) = error;
        self.failures = self.failures.saturating_add(1);
        // Once when it begins and now and then while it lasts; the gauges tell the rest.
        if self.failures.is_power_of_two() {
            tracing::warn!(relay = self.name, failures = self.failures, error, "nothing relayed");
        }
        let factor = 2u32.saturating_pow(self.failures.min(16));
        let most = jittered(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE));
        Again { least: Some(least.min(most)), most }
    }

    fn recovered(&mut self) {
        if 0 < self.failures {
            tracing::info!(relay = self.name, failures = self.failures, "relaying again");
            self.failures = 0;
        }
    }

    async fn measure(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < MEASURE) {
            return;
        }
        self.measured = Some(Instant::now());
        match outbox::depth(&self.db).await {
            Ok((pending, oldest)) => {
                let age = oldest.map_or(0, |oldest| (clock::now() - oldest).num_milliseconds());
                #[expect(clippy::cast_precision_loss, reason = "an age in ms fits 52 bits")]
                let seconds = age.max(0) as f64 / 1000.0;
                INSTRUMENTS.outbox(self.name, u64::try_from(pending).unwrap_or(0), seconds);
            }
            Err(error) => tracing::debug!(relay = self.name, %error, "depth is not known"),
        }
    }
}

/// When to look at the outbox again: not before `least`, then on a commit or after `most`.
struct Again {
    least: Option<Duration>,
    most: Duration,
}

async fn wait(pause: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}
