//! One supervised connection: made when asked for, dropped on any error, made anew with backoff.
//!
//! The client library's own recovery is not used: reports about it disagree, and a connection that
//! is made anew has no state that could be half recovered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};

use crate::bus::BusError;
use crate::bus::delivery::jittered;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Finds a broker that vanished without a word within two of these.
const HEARTBEAT_SECONDS: u16 = 10;

pub(super) struct Link {
    url: SecretString,
    name: &'static str,
    state: Mutex<State>,
    /// Held while connecting, so that waiters share one attempt.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Connection>>,
    failures: u32,
    /// No attempt is made before this instant.
    retry_at: Option<Instant>,
}

impl Link {
    pub(super) fn new(url: SecretString, name: &'static str) -> Self {
        Self { url, name, state: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// Tells whether the connection stands and the broker accepts what is sent on it.
    pub(super) fn is_up(&self) -> bool {
        self.live().is_some_and(|connection| !connection.status().blocked())
    }

    /// Answers the connection that stands, or makes one. Fails at once during the pause that
    /// follows a failure.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, BusError> {
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        if self.state().retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(BusError::Unreachable("waiting before the next attempt".to_owned()));
        }
        match self.open().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                tracing::info!(bus.link = self.name, "connected to the broker");
                *self.state() =
                    State { current: Some(connection.clone()), failures: 0, retry_at: None };
                Ok(connection)
            }
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    /// Drops a connection that misbehaved. Whoever else uses it will see it close.
    pub(super) fn discard(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            state.current = None;
            // Not at once: a broker that accepts connections and then fails must not be hammered.
            state.retry_at = Some(Instant::now() + jittered(FIRST_PAUSE));
            let connection = connection.clone();
            tokio::spawn(async move {
                // It may be beyond a polite goodbye; dropping it ends it in any case.
                drop(timeout(CLOSE_TIMEOUT, connection.close(200, "OK".into())).await);
            });
        }
    }

    fn live(&self) -> Option<Arc<Connection>> {
        self.state().current.clone().filter(|connection| connection.status().connected())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self) -> Result<Connection, BusError> {
        // The parser's own message may quote the address, and with it the password.
        let mut uri: AMQPUri = self.url.expose_secret().parse().map_err(|_: String| {
            BusError::Unreachable("bus.amqp_url is not an AMQP address".to_owned())
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        match timeout(CONNECT_TIMEOUT, Connection::connect_uri(uri, properties)).await {
            Ok(connected) => connected.map_err(|error| BusError::Unreachable(error.to_string())),
            Err(_) => Err(BusError::Unreachable("no answer in time".to_owned())),
        }
    }

    fn failed(&self, error: &BusError) {
        let mut state = self.state();
        let factor = 2u32.saturating_pow(state.failures);
        let pause = jittered(FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE));
        state.current = None;
        state.failures = state.failures.saturating_add(1);
        state.retry_at = Some(Instant::now() + pause);
        tracing::warn!(
            bus.link = self.name,
            failures = state.failures,
            %error,
            "the broker is not reachable"
        );
    }
}
