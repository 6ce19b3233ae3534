//! Deliveries on their way: claimed with a lease, sent, and noted.
//!
//! HTTP cannot promise "exactly once": a delivery is noted after the receiver has answered, so that none is
//! lost, and a crash between the two sends it again, with the same `webhook-id`.

mod send;

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use quittance_chassis::bus::{HandleError, Handler, Message, Subscription};
use quittance_chassis::clock;
use quittance_chassis::config::Webhooks;
use quittance_chassis::db::{Db, Tx};
use quittance_chassis::problem::chain;
use quittance_events::queue;
use quittance_kernel::{Ctx, OrganizationId, Principal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::send::Sender;
use crate::app::Issues;
use crate::domain::webhook::{Outcome, pause};
use crate::error::Error;
use crate::store::delivery::{Due, State, Tried, claim, note};
use crate::store::webhook::{hold, note_health, save};

/// How many deliveries are under way at once. All of them end within a lease.
const BATCH: u32 = 32;
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// How often is looked when nothing was queued here: another process may have, or a pause is over.
const POLL: Duration = Duration::from_secs(1);

/// How many events are in hand at once.
const PREFETCH: u16 = 200;

/// Hears all events.
pub(crate) struct Ears(pub(crate) Issues);

/// What is subscribed to.
pub(crate) fn subscription(db: Db) -> Subscription {
    Subscription::new(queue::WEBHOOKS.name, queue::WEBHOOKS.kinds, PREFETCH, db)
}

#[tonic::async_trait]
impl Handler for Ears {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        let queued = self.0.queue_deliveries(messages).await;
        queued.map_err(|error| HandleError::Transient(chain(&error)))
    }
}

/// Starts what delivers; it ends after `shutdown`.
pub(crate) fn spawn(
    config: &Webhooks,
    issues: &Issues,
    shutdown: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let courier = Courier { sender: Sender::new(config)?, issues: issues.clone() };
    Ok(tokio::spawn(courier.run(shutdown)))
}

struct Courier {
    sender: Sender,
    issues: Issues,
}

impl Courier {
    async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.round().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(error = %chain(&error), "webhooks stand still"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.issues.queued().notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Delivers what is due, all at once, each noted as soon as it is done. Whether there may be more.
    async fn round(&self) -> Result<bool, Error> {
        let tx = self.begin(OrganizationId(uuid::Uuid::nil())).await?;
        let due = claim(&tx, LEASE, BATCH).await?;
        tx.commit().await?;
        let more = !due.is_empty();
        let all = due.into_iter().map(|due| self.deliver(due));
        let all: Vec<Result<(), Error>> = join_all(all).await;
        all.into_iter().collect::<Result<(), Error>>()?;
        Ok(more)
    }

    async fn deliver(&self, due: Due) -> Result<(), Error> {
        let outcome = self.sender.send(&due, clock::now()).await;
        let mut tx = self.begin(OrganizationId(due.organization_id)).await?;
        let now = tx.ctx().now;
        let (status, error) = match &outcome {
            Outcome::Delivered(status) => (*status, String::new()),
            Outcome::Failed { status, error } => (*status, error.clone()),
            Outcome::Gone => (410, "the receiver is gone".to_owned()),
        };
        let arrived = matches!(outcome, Outcome::Delivered(_));
        let again = if outcome == Outcome::Gone { None } else { pause(due.tries) };
        let (state, next_at) = match (arrived, again) {
            (true, _) => (State::Delivered, now),
            (false, Some(pause)) => (State::Pending, now + jittered(pause)),
            (false, None) => (State::Failed, now),
        };
        note(&tx, due.id, &Tried { state, next_at, status, error: &error }).await?;
        note_health(&tx, due.endpoint_id, arrived).await?;
        if !arrived
            && let Some(endpoint) = hold(&tx, due.endpoint_id).await?
            && let Some(why) = endpoint.gives_up(&outcome, now)
            && endpoint.enabled
        {
            let mut disabled = endpoint.clone();
            disabled.enabled = false;
            why.clone_into(&mut disabled.disabled_reason);
            disabled.updated_at = now;
            save(&mut tx, &endpoint, &disabled, "webhook_endpoint.disabled").await?;
            tracing::warn!(endpoint.id = %endpoint.id, why, "a webhook endpoint is disabled");
        }
        Ok(tx.commit().await?)
    }

    async fn begin(&self, organization: OrganizationId) -> Result<Tx, Error> {
        let nobody = Principal::service(organization);
        let ctx = Ctx::new(nobody, clock::now(), "webhooks".to_owned());
        Ok(Tx::begin(self.issues.db(), &ctx).await?)
    }
}

/// A tenth more or less, so that what failed together does not come back together.
fn jittered(pause: TimeDelta) -> TimeDelta {
    let tenth = pause.num_milliseconds() / 10;
    pause + TimeDelta::milliseconds(rand::random_range(-tenth..=tenth))
}
