//! Publishes windows with confirms: all messages are sent before the first confirm is awaited.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::link::Link;
use super::topology::Names;
use super::{topology, wire};
use crate::bus::{BusError, Message, Published};

/// How long a whole window may take. A confirm that is in flight when the broker is killed may
/// never come.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Publisher {
    link: Arc<Link>,
    names: Names,
    session: Mutex<Option<Session>>,
}

/// A channel in confirm mode, and the connection that it belongs to.
#[derive(Clone)]
struct Session {
    connection: Arc<Connection>,
    channel: Channel,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>, names: Names) -> Self {
        Self { link, names, session: Mutex::default() }
    }

    pub(super) async fn publish(&self, window: &[Message]) -> Published {
        if window.is_empty() {
            return Published::gather([]);
        }
        // One window at a time keeps their order.
        let mut slot = self.session.lock().await;
        let session = match self.session(&mut slot).await {
            Ok(session) => session,
            Err(error) => return Published::nothing(window.len(), error),
        };
        let deadline = Instant::now() + PUBLISH_TIMEOUT;
        // Each future writes its frames when it is first polled, and they are first polled in
        // order; so the window is on its way, in order, before any confirm is awaited.
        let outcomes = join_all(window.iter().map(|message| async {
            timeout_at(deadline, send(&session.channel, &self.names, message))
                .await
                .unwrap_or(Err(BusError::Timeout))
        }))
        .await;
        if outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(is_fatal)) {
            *slot = None;
            self.link.discard(&session.connection);
        }
        Published::gather(outcomes)
    }

    async fn session(&self, slot: &mut Option<Session>) -> Result<Session, BusError> {
        if let Some(session) = slot.as_ref().filter(|session| session.channel.status().connected())
        {
            return Ok(session.clone());
        }
        *slot = None;
        let connection = self.link.connection().await?;
        let opened = timeout(PUBLISH_TIMEOUT, open(&connection, &self.names)).await;
        match opened.unwrap_or(Err(BusError::Timeout)) {
            Ok(channel) => Ok(slot.insert(Session { connection, channel }).clone()),
            Err(error) => {
                self.link.discard(&connection);
                Err(error)
            }
        }
    }
}

async fn open(connection: &Connection, names: &Names) -> Result<Channel, BusError> {
    let channel = connection.create_channel().await?;
    topology::declare_all(&channel, names).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn send(channel: &Channel, names: &Names, message: &Message) -> Result<(), BusError> {
    let (exchange, key) = (topology::short(&names.events())?, topology::short(&message.kind)?);
    let properties = wire::properties(message)?;
    // Not mandatory: an event that no consumer wants is no failure of its publisher.
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(exchange, key, options, &message.body, properties).await?;
    match confirm.await? {
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(BusError::Refused),
    }
}

/// Tells whether the connection is to be given up. A refusal concerns one message only.
fn is_fatal(error: &BusError) -> bool {
    match error {
        BusError::Unreachable(_) | BusError::Broker(_) | BusError::Timeout => true,
        BusError::Refused | BusError::Unroutable(_) | BusError::Held(_) => false,
    }
}
