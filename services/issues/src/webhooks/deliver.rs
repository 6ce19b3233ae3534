//! One delivery: sent, and what became of it noted, for itself and for its endpoint.

use std::time::Duration;

use chrono::TimeDelta;
use quittance_chassis::clock;
use quittance_chassis::db::Tx;
use quittance_kernel::OrganizationId;

use super::Courier;
use super::shares::Share;
use crate::domain::webhook::{Endpoint, Outcome, pause};
use crate::error::Error;
use crate::instruments;
use crate::store::delivery::{Due, State, Tried, give_up, note};
use crate::store::webhook::{hold, note_arrival, note_failure, save};

/// How long a process that is to stop waits for receivers. What is cut off is sent again after its lease.
const GRACE: Duration = Duration::from_secs(5);

impl Courier {
    pub(super) async fn deliver(&self, due: Due, _share: Share) -> Result<(), Error> {
        let grace = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        let outcome = tokio::select! {
            outcome = self.sender.send(&due, clock::now()) => outcome,
            () = grace => return Ok(()),
        };
        // The endpoint before its delivery, as everybody else locks them.
        let mut tx = self.begin(OrganizationId(due.organization_id)).await?;
        let counted = match outcome {
            Outcome::Delivered(status) => arrived(&tx, &due, status).await?,
            Outcome::Failed { .. } | Outcome::Gone => failed(&mut tx, &due, &outcome).await?,
        };
        tx.commit().await?;
        instruments::delivery(counted);
        Ok(())
    }
}

async fn arrived(tx: &Tx, due: &Due, status: u16) -> Result<&'static str, Error> {
    note_arrival(tx, due.endpoint_id).await?;
    let tried = Tried { state: State::Delivered, next_at: tx.ctx().now, status, error: "" };
    note(tx, due.id, &tried).await?;
    Ok("delivered")
}

async fn failed(tx: &mut Tx, due: &Due, outcome: &Outcome) -> Result<&'static str, Error> {
    let now = tx.ctx().now;
    // None: it was removed meanwhile, and what waited for it was given up.
    let endpoint = hold(tx, due.endpoint_id).await?;
    let (status, error) = match outcome {
        Outcome::Failed { status, error } => (*status, error.as_str()),
        Outcome::Gone => (410, "the receiver is gone"),
        Outcome::Delivered(status) => (*status, ""),
    };
    let again = if *outcome == Outcome::Gone { None } else { pause(due.tries) };
    let (state, next_at) = match again {
        Some(pause) => (State::Pending, now + jittered(pause)),
        None => (State::Failed, now),
    };
    note(tx, due.id, &Tried { state, next_at, status, error }).await?;
    // What failed at an address that it has no more says nothing of it.
    if let Some(endpoint) = endpoint.filter(|now| now.enabled && now.url == due.url) {
        note_health(tx, &endpoint, outcome).await?;
    }
    Ok(if state == State::Failed { "failed" } else { "postponed" })
}

/// Leaves the endpoint alone for a while, or for good.
async fn note_health(tx: &mut Tx, before: &Endpoint, outcome: &Outcome) -> Result<(), Error> {
    let now = tx.ctx().now;
    let rest = jittered(before.rest());
    let after = before.clone().failed(now, rest);
    let Some(why) = after.gives_up(outcome, now) else {
        return Ok(note_failure(tx, &after).await?);
    };
    let disabled =
        Endpoint { enabled: false, disabled_reason: why.to_owned(), updated_at: now, ..after };
    save(tx, before, &disabled, "webhook_endpoint.disabled").await?;
    let given_up = give_up(tx, before.id, why).await?;
    tracing::warn!(endpoint.id = %before.id, why, given_up, "a webhook endpoint is disabled");
    Ok(())
}

/// A tenth more or less, so that what failed together does not come back together.
fn jittered(pause: TimeDelta) -> TimeDelta {
    let tenth = pause.num_milliseconds() / 10;
    pause + TimeDelta::milliseconds(rand::random_range(-tenth..=tenth))
}
