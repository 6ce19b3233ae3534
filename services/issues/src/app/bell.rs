use std::sync::Arc;

use quittance_kernel::MemberId;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// How many rings a slow listener may be behind before it is told that it missed some.
const BACKLOG: usize = 256;

/// Rung after a commit, so that those who wait need not poll for what this process writes. A ring
/// that nobody hears is lost, and may be: what was told is in the database.
#[derive(Clone, Debug)]
pub struct Bell(Sender<Arc<[MemberId]>>);

/// Someone who listens to a [`Bell`].
#[derive(Debug)]
pub struct Ear(Receiver<Arc<[MemberId]>>);

impl Bell {
    pub(super) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    /// Calls those members who listen.
    pub(super) fn ring(&self, members: &[MemberId]) {
        if !members.is_empty() {
            // Fails when nobody listens.
            let _ = self.0.send(members.into());
        }
    }

    /// Whether anybody listens.
    pub(super) fn has_listeners(&self) -> bool {
        0 < self.0.receiver_count()
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

impl Ear {
    /// Waits until somebody is called whom `wanted` picks. A missed ring counts as one.
    pub async fn hear(&mut self, wanted: impl Fn(MemberId) -> bool) {
        loop {
            match self.0.recv().await {
                Ok(members) if members.iter().any(|member| wanted(*member)) => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                // Whoever listens holds a bell, so that this does not happen; polling goes on.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
