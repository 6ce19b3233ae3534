//! The bus between processes: RabbitMQ with quorum queues, publisher confirms and our own
//! supervision of connections.
//!
//! Publishing and consuming use a connection each, because the broker blocks a connection that
//! publishes while it is short of memory or disk, and acknowledgements must not be blocked.

mod consumer;
mod link;
mod publisher;
mod topology;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::link::Link;
use self::publisher::Publisher;
use self::topology::Names;
use super::{Bus, BusError, Handler, Message, Published, Subscription};

/// How often a lost connection is noticed when nobody uses it.
const KEEP_PERIOD: Duration = Duration::from_secs(1);

/// Joins services through a RabbitMQ broker.
pub(super) struct RabbitBus {
    publishing: Arc<Link>,
    consuming: Arc<Link>,
    publisher: Publisher,
    names: Names,
    consumes: AtomicBool,
}

impl RabbitBus {
    /// Starts to connect in the background. Must be called inside a Tokio runtime.
    pub(super) fn new(url: SecretString, namespace: &str) -> Self {
        let publishing = Arc::new(Link::new(url.clone(), "quittance publisher"));
        let consuming = Arc::new(Link::new(url, "quittance consumer"));
        keep(&publishing);
        let names = Names::new(namespace);
        let publisher = Publisher::new(publishing.clone(), names.clone());
        Self { publishing, consuming, publisher, names, consumes: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn publish(&self, window: &[Message]) -> Published {
        self.publisher.publish(window).await
    }

    fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> JoinHandle<()> {
        self.consumes.store(true, Ordering::Relaxed);
        tokio::spawn(consumer::run(
            self.consuming.clone(),
            self.names.clone(),
            subscription,
            handler,
            shutdown,
        ))
    }

    fn healthy(&self) -> bool {
        let consumes = self.consumes.load(Ordering::Relaxed);
        self.publishing.is_up() && (!consumes || self.consuming.is_up())
    }
}

/// Removes the queues and exchanges of an installation from its broker.
pub(super) async fn remove(url: &SecretString, namespace: &str) -> Result<(), BusError> {
    let link = Link::new(url.clone(), "quittance removal");
    let channel = link.connection().await?.create_channel().await?;
    topology::remove_all(&channel, &Names::new(namespace)).await
}

/// Keeps the publishing link connected while the bus exists, so that health is known before the
/// first event and the first event does not wait for a handshake.
fn keep(link: &Arc<Link>) {
    let link = Arc::downgrade(link);
    tokio::spawn(async move {
        let mut period = tokio::time::interval(KEEP_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            period.tick().await;
            let Some(link) = link.upgrade() else { return };
            // The link logs its failures and spaces its attempts.
            drop(link.connection().await);
        }
    });
}
