//! Which transactions are being begun, and whether one of them was cut off.
//!
//! A future that is dropped inside `begin` leaves its connection in a transaction that the pool does
//! not know of. Connections that come back to the pool are asked for that, but only while a begin is
//! under way or was cut off lately: a begin says so before it takes a connection, so that its own
//! connection can never come back unasked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// For how long connections are asked after a begin was cut off. Its connection comes back at once,
/// and PostgreSQL ends a session that idles in a transaction after a sixth of this.
const SUSPICION: Duration = Duration::from_mins(1);

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Debug, Default)]
pub(super) struct Begins {
    under_way: AtomicUsize,
    /// In milliseconds since the epoch of this process.
    suspicious_until: AtomicU64,
}

impl Begins {
    /// Whether no connection can be inside a transaction that nobody knows of.
    pub(super) fn all_ended_well(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0
            && self.suspicious_until.load(Ordering::SeqCst) <= millis(EPOCH.elapsed())
    }
}

/// A begin that is under way; one that is dropped before it has [ended](Self::ended) was cut off.
#[derive(Debug)]
pub(super) struct Beginning {
    begins: Arc<Begins>,
    ended: bool,
}

impl Beginning {
    pub(super) fn new(begins: &Arc<Begins>) -> Self {
        begins.under_way.fetch_add(1, Ordering::SeqCst);
        Self { begins: Arc::clone(begins), ended: false }
    }

    /// The transaction is begun and known to whoever holds it.
    pub(super) fn ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.ended {
            let until = millis(EPOCH.elapsed() + SUSPICION);
            self.begins.suspicious_until.fetch_max(until, Ordering::SeqCst);
        }
        self.begins.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_asked_while_a_begin_is_under_way_and_after_one_was_cut_off() {
        let begins = Arc::<Begins>::default();
        assert!(begins.all_ended_well());
        let first = Beginning::new(&begins);
        assert!(!begins.all_ended_well());
        first.ended();
        assert!(begins.all_ended_well());
        drop(Beginning::new(&begins));
        assert!(!begins.all_ended_well());
        Beginning::new(&begins).ended();
        assert!(!begins.all_ended_well(), "another one's good end says nothing of the first");
    }
}
