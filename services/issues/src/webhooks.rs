//! Deliveries on their way: claimed with a lease, sent, and noted.
//!
//! HTTP cannot promise "exactly once": a delivery is noted after the receiver has answered, so that none is
//! lost, and a crash between the two sends it again, with the same `webhook-id`.

mod deliver;
mod send;
mod shares;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use quittance_chassis::bus::{HandleError, Handler, Message, Subscription};
use quittance_chassis::clock;
use quittance_chassis::config::Webhooks;
use quittance_chassis::db::{Db, Tx};
use quittance_chassis::problem::chain;
use quittance_events::queue;
use quittance_kernel::{Ctx, OrganizationId, Principal};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::send::Sender;
use self::shares::{EACH, Share, Shares};
use crate::app::Issues;
use crate::error::Error;
use crate::instruments;
use crate::store::delivery::{Due, backlog, claim, ready};

/// How many deliveries are under way at once.
const AT_ONCE: usize = 64;

/// What is claimed is sent at once, so that this is longer than any of it takes.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// How often is looked when nothing was queued here: another process may have, or a pause is over.
const POLL: Duration = Duration::from_secs(1);

/// How often is counted what waits.
const MEASURE: Duration = Duration::from_secs(10);

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
    let sender = Sender::new(config)?;
    let courier = Courier { sender, issues: issues.clone(), shares: Shares::default(), shutdown };
    Ok(tokio::spawn(Arc::new(courier).run()))
}

struct Courier {
    sender: Sender,
    issues: Issues,
    shares: Shares,
    shutdown: CancellationToken,
}

impl Courier {
    /// Claims and sends, each delivery in a task of its own, so that none waits for another one.
    async fn run(self: Arc<Self>) {
        let mut under_way = JoinSet::new();
        let mut measured: Option<Instant> = None;
        while !self.shutdown.is_cancelled() {
            if measured.is_none_or(|at| MEASURE <= at.elapsed()) {
                measured = Some(Instant::now());
                self.measure().await;
            }
            let room = AT_ONCE.saturating_sub(under_way.len());
            let claimed = self.take(room).await.unwrap_or_else(|error| {
                tracing::error!(error = %chain(&error), "webhooks stand still");
                Vec::new()
            });
            let more = !claimed.is_empty();
            for (due, share) in claimed {
                let courier = Arc::clone(&self);
                under_way.spawn(async move { courier.deliver(due, share).await });
            }
            if !more || AT_ONCE <= under_way.len() {
                tokio::select! {
                    () = self.shutdown.cancelled() => {}
                    () = self.issues.queued().notified(), if under_way.len() < AT_ONCE => {}
                    Some(done) = under_way.join_next() => ended(done),
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            while let Some(done) = under_way.try_join_next() {
                ended(done);
            }
        }
        while let Some(done) = under_way.join_next().await {
            ended(done);
        }
    }

    /// Claims at most so much of what is due: little for each endpoint, and one at a time for one that fails.
    async fn take(&self, room: usize) -> Result<Vec<(Due, Share)>, Error> {
        let now = clock::now();
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let ready = ready(self.issues.db().conn(), now, self.shares.full(), limit).await?;
        let mut left = room;
        let mut shares = Vec::new();
        for one in ready {
            let most = if one.failing { 1 } else { EACH };
            let share = self.shares.left(one.endpoint, most).min(left);
            left -= share;
            if 0 < share {
                shares.push((one.endpoint, share));
            }
        }
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let tx = self.begin(OrganizationId(Uuid::nil())).await?;
        let due = claim(&tx, LEASE, &shares).await?;
        tx.commit().await?;
        let taken = |due: Due| {
            let share = self.shares.take(due.endpoint_id);
            (due, share)
        };
        Ok(due.into_iter().map(taken).collect())
    }

    async fn begin(&self, organization: OrganizationId) -> Result<Tx, Error> {
        let nobody = Principal::service(organization);
        let ctx = Ctx::new(nobody, clock::now(), "webhooks".to_owned());
        Ok(Tx::begin(self.issues.db(), &ctx).await?)
    }

    async fn measure(&self) {
        match backlog(self.issues.db().conn()).await {
            Ok(backlog) => {
                let late =
                    backlog.due_since.map_or(TimeDelta::zero(), |since| clock::now() - since);
                instruments::webhooks(backlog.waiting, late.to_std().unwrap_or_default());
            }
            Err(error) => tracing::debug!(%error, "what waits for webhooks is not known"),
        }
    }
}

fn ended(done: Result<Result<(), Error>, JoinError>) {
    match done {
        Ok(Ok(())) => {}
        // It is sent again when its lease is over.
        Ok(Err(error)) => tracing::error!(error = %chain(&error), "a delivery was not noted"),
        Err(error) => tracing::error!(%error, "a delivery panicked"),
    }
}
