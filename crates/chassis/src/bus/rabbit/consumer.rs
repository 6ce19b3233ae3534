//! Consumes one queue: gathers what has arrived into a batch, acts, acknowledges after the commit.

mod acks;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::topology::Names;
use super::{topology, wire};
use crate::bus::delivery::{Deliverer, Outcome, jittered};
use crate::bus::instruments::INSTRUMENTS;
use crate::bus::{BusError, Handler, Message, Subscription};
use crate::fail_point;

const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause between two sessions; the link spaces its own attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// What is asked for when nothing is held: far enough to never matter.
const IDLE: Duration = Duration::from_hours(1);

/// Runs session after session until shutdown.
pub(super) async fn run(
    link: Arc<Link>,
    names: Names,
    subscription: Subscription,
    handler: Arc<dyn Handler>,
    shutdown: CancellationToken,
) {
    let queue = subscription.queue;
    let mut deliverer = Deliverer::new(queue, handler, subscription.retry);
    while !shutdown.is_cancelled() {
        // The broker hands out anew whatever the last session held.
        deliverer.forget();
        let Err(error) = serve(&link, &names, &subscription, &mut deliverer, &shutdown).await
        else {
            break;
        };
        if matches!(error, BusError::Unreachable(_)) {
            // The link has logged it, once for all consumers.
            tracing::debug!(queue, %error, "a consumer waits for the broker");
        } else {
            tracing::warn!(queue, %error, "a consumer lost the broker and starts over");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(jittered(LONGEST_PAUSE)) => {}
        }
    }
}

/// Connects and consumes until shutdown; drops the connection on any error.
async fn serve(
    link: &Link,
    names: &Names,
    subscription: &Subscription,
    deliverer: &mut Deliverer,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    let connection = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        connection = link.connection() => connection?,
    };
    let served = async {
        let opened = timeout(OPEN_TIMEOUT, async {
            let channel = connection.create_channel().await?;
            let deliveries = open(&channel, names, subscription).await?;
            Ok::<_, BusError>((channel, deliveries))
        });
        let (channel, deliveries) = opened.await.unwrap_or(Err(BusError::Timeout))?;
        let queue = subscription.queue;
        let capacity = usize::from(subscription.prefetch.max(1));
        let mut session =
            Session { queue, capacity, channel, deliveries, deliverer, held: Vec::new() };
        session.run(shutdown).await
    }
    .await;
    if served.is_err() {
        link.discard(&connection);
    }
    served
}

async fn open(
    channel: &Channel,
    names: &Names,
    subscription: &Subscription,
) -> Result<Consumer, BusError> {
    topology::declare_queue(channel, names, subscription.queue, subscription.kinds).await?;
    channel.basic_qos(subscription.prefetch.max(1), BasicQosOptions::default()).await?;
    let queue = topology::short(&names.queue(subscription.queue))?;
    // The broker makes up a tag, since two replicas must not share one.
    let tag = topology::short("")?;
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue, tag, options, FieldTable::default()).await?)
}

/// The consumer's side of one channel.
struct Session<'a> {
    queue: &'static str,
    capacity: usize,
    channel: Channel,
    deliveries: Consumer,
    deliverer: &'a mut Deliverer,
    /// Deliveries that are not settled yet, in order of arrival.
    held: Vec<Held>,
}

struct Held {
    tag: u64,
    message: Message,
}

impl Session<'_> {
    async fn run(&mut self, shutdown: &CancellationToken) -> Result<(), BusError> {
        while self.gather(shutdown).await? {
            self.attempt().await?;
        }
        // Closing hands back what is held. A broker that does not answer learns it by itself.
        drop(timeout(CLOSE_TIMEOUT, self.channel.close(200, "OK".into())).await);
        Ok(())
    }

    /// Waits until there is something to try, then takes in whatever else has arrived. Answers
    /// `false` on shutdown.
    async fn gather(&mut self, shutdown: &CancellationToken) -> Result<bool, BusError> {
        let due = self.held.iter().filter_map(|held| self.deliverer.due(held.message.id)).min();
        let due = due.unwrap_or_else(|| Instant::now() + IDLE);
        let arrived = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(false),
            arrived = self.deliveries.next() => Some(arrived),
            () = sleep_until(due) => None,
        };
        if let Some(arrived) = arrived {
            self.take(arrived).await?;
        }
        while self.held.len() < self.capacity {
            let Some(arrived) = self.deliveries.next().now_or_never() else { break };
            self.take(arrived).await?;
        }
        Ok(true)
    }

    async fn take(&mut self, arrived: Option<lapin::Result<Delivery>>) -> Result<(), BusError> {
        let Some(delivery) = arrived else {
            tracing::warn!(queue = self.queue, "the broker ended the subscription");
            return Err(BusError::Unreachable("the subscription has ended".to_owned()));
        };
        let delivery = delivery?;
        if let Some(message) = wire::message(&delivery) {
            self.held.push(Held { tag: delivery.delivery_tag, message });
            return Ok(());
        }
        let id = delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
        self.park(delivery.delivery_tag, id, "not one of our messages").await
    }

    /// Tries what is new or due, and settles what came of it.
    async fn attempt(&mut self) -> Result<(), BusError> {
        let now = Instant::now();
        let is_due = |held: &Held| self.deliverer.due(held.message.id).is_none_or(|due| due <= now);
        let (tried, waiting): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(is_due);
        self.held = waiting;
        if tried.is_empty() {
            return Ok(());
        }
        let messages: Vec<Message> = tried.iter().map(|held| held.message.clone()).collect();
        let outcomes = self.deliverer.attempt(&messages).await;
        fail_point!("consumer::handled");

        let mut done = Vec::with_capacity(tried.len());
        for (held, outcome) in tried.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done => done.push(held.tag),
                Outcome::Later => self.held.push(held),
                Outcome::Dead(reason) => {
                    self.park(held.tag, &held.message.id.to_string(), &reason).await?;
                }
            }
        }
        self.held.sort_by_key(|held| held.tag);
        self.acknowledge(&done).await
    }

    async fn acknowledge(&self, done: &[u64]) -> Result<(), BusError> {
        let first_held = self.held.first().map(|held| held.tag);
        for ack in acks::plan(done, first_held) {
            self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await?;
        }
        Ok(())
    }

    /// Rejects a message for good; the queue moves it to its dead letters.
    async fn park(&self, tag: u64, id: &str, reason: &str) -> Result<(), BusError> {
        let options = BasicNackOptions { multiple: false, requeue: false };
        self.channel.basic_nack(tag, options).await?;
        INSTRUMENTS.dead_letter(self.queue);
        tracing::error!(
            queue = self.queue,
            event.id = id,
            reason,
            "a message was parked in the dead letters"
        );
        Ok(())
    }
}
