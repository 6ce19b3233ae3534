//! The bus between services: what a message is, how it is published and how it is consumed.
//!
//! There are two buses behind one trait. RabbitMQ joins services that run as processes of their
//! own; the in-process bus joins them in the standalone binary. Both deliver at least once, both
//! follow the failure policy of [`delivery`], and both run the same conformance tests.

mod dead_letters;
mod delivery;
mod instruments;
mod local;
mod rabbit;
pub mod relay;
pub mod topic;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::db::Db;

/// An event as it travels: the envelope's key facts beside its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The id of the event and of its outbox row; what inboxes remember.
    pub id: Uuid,
    /// The event's type, which is also its routing key.
    pub kind: String,
    pub organization: Uuid,
    /// The entity that the event is about.
    pub subject: Uuid,
    /// The whole `CloudEvents` document, as JSON.
    pub body: Bytes,
    /// The trace in which the event was made.
    pub traceparent: Option<String>,
}

/// Which messages of a published window the bus has confirmed.
#[derive(Debug)]
#[must_use = "a message that was not confirmed must be published again"]
pub struct Published {
    /// One flag per message, in the window's order.
    pub confirmed: Vec<bool>,
    /// Why the first unconfirmed message was not confirmed.
    pub error: Option<BusError>,
}

impl Published {
    /// Tells that nothing of a window got through.
    pub(crate) fn nothing(count: usize, error: BusError) -> Self {
        Self { confirmed: vec![false; count], error: Some(error) }
    }

    /// Gathers the outcome of each message of a window.
    pub(crate) fn gather(outcomes: impl IntoIterator<Item = Result<(), BusError>>) -> Self {
        let mut error = None;
        let confirmed = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(()) => true,
                Err(reason) => {
                    error.get_or_insert(reason);
                    false
                }
            })
            .collect();
        Self { confirmed, error }
    }

    /// Tells whether every message was confirmed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.confirmed.iter().all(|confirmed| *confirmed)
    }
}

/// Why a message was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("broker is not reachable: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    #[error("broker did not confirm in time")]
    Timeout,
    #[error("broker refused the message")]
    Refused,
    #[error("event type `{0}` is too long for a routing key")]
    Unroutable(String),
    #[error("consumer {0} has not committed yet")]
    Held(&'static str),
}

/// Carries events from the services that publish them to those that consume them.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Publishes a window, pipelined. Returns when all are confirmed, refused or timed out.
    async fn publish(&self, window: &[Message]) -> Published;

    /// Consumes a queue until `shutdown`, and survives the loss of the broker.
    ///
    /// The subscription is in force in this process when the call returns: subscribe before the
    /// relays start, since the in-process bus has no queue that would wait for a late consumer.
    /// The task ends after the batch in hand has been settled.
    fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> JoinHandle<()>;

    /// Tells whether the bus can be used at this moment.
    fn healthy(&self) -> bool;
}

/// What one consumer wants, and how it is served.
#[derive(Clone)]
pub struct Subscription {
    /// The queue, named `<service>.<purpose>`, such as `balance.projections`.
    pub queue: &'static str,
    /// Event types or patterns such as `issue.*`; see [`topic`].
    pub kinds: &'static [&'static str],
    /// How many messages are in hand at once, and so the most that one batch can hold.
    pub prefetch: u16,
    /// Where the in-process bus parks what can never be handled. RabbitMQ has a queue for that.
    pub dead_letters: Db,
    pub retry: Retry,
}

impl Subscription {
    /// Subscribes a queue to event types, with the usual retries.
    #[must_use]
    pub fn new(
        queue: &'static str,
        kinds: &'static [&'static str],
        prefetch: u16,
        dead_letters: Db,
    ) -> Self {
        Self { queue, kinds, prefetch, dead_letters, retry: Retry::default() }
    }

    /// Replaces the usual retries.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.iter().any(|pattern| topic::matches(pattern, kind))
    }
}

/// How long a message that failed waits, and when it is given up.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The pause after the first failure. Each further one is four times as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How often a message may fail while others succeed before it is parked.
    pub strikes: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30), strikes: 5 }
    }
}

/// Acts on messages.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Acts on all of them in one transaction, or on none. Called with 1..=prefetch messages in
    /// delivery order, each id at most once per call. The same message can come again in a later
    /// call, so the transaction asks the inbox.
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError>;
}

/// Why a handler could not act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It may succeed later.
    #[error("try again later: {0}")]
    Transient(String),
    /// It will never succeed.
    #[error("cannot be handled: {0}")]
    Poison(String),
}

/// Connects to the bus: RabbitMQ if there is an address, otherwise the one in this process.
///
/// Returns at once; RabbitMQ is connected in the background and [`Bus::healthy`] tells when.
/// Must be called inside a Tokio runtime.
#[must_use]
pub fn connect(config: &crate::config::Bus) -> Arc<dyn Bus> {
    match &config.amqp_url {
        Some(url) => Arc::new(rabbit::RabbitBus::new(url.clone(), &config.namespace)),
        None => Arc::new(local::LocalBus::default()),
    }
}

/// Removes everything of an installation from its broker, messages included. For tests and for
/// taking an installation down; nothing may be connected.
pub async fn remove(config: &crate::config::Bus) -> Result<(), BusError> {
    match &config.amqp_url {
        Some(url) => rabbit::remove(url, &config.namespace).await,
        None => Ok(()),
    }
}
