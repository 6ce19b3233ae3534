//! Everything that is declared at the broker, in one place.
//!
//! ```text
//! quittance.events (topic) ──kinds──▶ quittance.<queue> ──dead──▶ quittance.events.dlx (direct) ──▶ quittance.<queue>.dlq
//! ```
//!
//! The first word is `bus.namespace`. Publishers declare every consumer's queue too: an event that
//! is published before its consumer has ever run must wait for it, not vanish.

use std::sync::Arc;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::bus::BusError;

/// The names of one installation at a broker.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<str>);

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        Self(namespace.into())
    }

    /// Where every service publishes.
    pub(super) fn events(&self) -> String {
        format!("{}.events", self.0)
    }

    /// Where queues send what their consumer rejects.
    pub(super) fn dead_letters(&self) -> String {
        format!("{}.events.dlx", self.0)
    }

    pub(super) fn queue(&self, queue: &str) -> String {
        format!("{}.{queue}", self.0)
    }

    /// Where a queue's dead letters wait for a person.
    pub(super) fn parked(&self, queue: &str) -> String {
        format!("{}.{queue}.dlq", self.0)
    }
}

/// How often the broker hands out a message before it parks it by itself.
///
/// Failures are held and counted by the consumer, so this only meets a message that kills its
/// process each time. Every lost connection counts as well, hence the distance: a day of broken
/// network must not fill the dead letters.
const DELIVERY_LIMIT: i64 = 100;

/// Declares what a publisher needs: the exchange, and the queues of everybody who listens.
pub(super) async fn declare_all(channel: &Channel, names: &Names) -> Result<(), BusError> {
    exchange(channel, &names.events(), ExchangeKind::Topic).await?;
    for queue in quittance_events::queue::ALL {
        declare_queue(channel, names, queue.name, queue.kinds).await?;
    }
    Ok(())
}

/// Declares what a consumer needs, its dead letters included.
pub(super) async fn declare_queue(
    channel: &Channel,
    names: &Names,
    queue: &str,
    kinds: &[&str],
) -> Result<(), BusError> {
    let (events, dead_letters) = (names.events(), names.dead_letters());
    let (queue, parked) = (short(&names.queue(queue))?, short(&names.parked(queue))?);
    exchange(channel, &events, ExchangeKind::Topic).await?;
    exchange(channel, &dead_letters, ExchangeKind::Direct).await?;

    let quorum = table([("x-queue-type", text("quorum"))]);
    channel.queue_declare(parked.clone(), QueueDeclareOptions::durable(), quorum).await?;
    bind(channel, &parked, &dead_letters, &queue).await?;

    let arguments = table([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text(&dead_letters)),
        ("x-dead-letter-routing-key", text(queue.as_str())),
        // By default a quorum queue forgets a dead letter if the broker fails while it moves.
        // Moving it safely requires that the queue would rather refuse than drop.
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
    for kind in kinds {
        bind(channel, &queue, &events, &short(kind)?).await?;
    }
    Ok(())
}

/// Removes everything of an installation from the broker.
pub(super) async fn remove_all(channel: &Channel, names: &Names) -> Result<(), BusError> {
    for queue in quittance_events::queue::ALL {
        for name in [names.queue(queue.name), names.parked(queue.name)] {
            channel.queue_delete(short(&name)?, QueueDeleteOptions::default()).await?;
        }
    }
    for name in [names.events(), names.dead_letters()] {
        channel.exchange_delete(short(&name)?, ExchangeDeleteOptions::default()).await?;
    }
    Ok(())
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(short(name)?, kind, options, FieldTable::default()).await?;
    Ok(())
}

async fn bind(
    channel: &Channel,
    queue: &ShortString,
    exchange: &str,
    key: &ShortString,
) -> Result<(), BusError> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.clone(), short(exchange)?, key.clone(), options, arguments).await?;
    Ok(())
}

/// AMQP's short strings hold 255 bytes; the usual conversion panics beyond.
pub(super) fn short(text: &str) -> Result<ShortString, BusError> {
    ShortString::try_new(text).map_err(|_| BusError::Unroutable(text.to_owned()))
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn table<const N: usize>(entries: [(&'static str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}
