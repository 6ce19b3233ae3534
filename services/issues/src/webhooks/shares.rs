//! Who is being sent how much: a receiver that is slow, or dead, holds up its own deliveries and nobody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// How many deliveries to one endpoint are under way at once.
pub(super) const EACH: usize = 8;

/// What is under way, by endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<Uuid, usize>>>);

/// One delivery that is under way, as long as this lives.
#[derive(Debug)]
pub(super) struct Share {
    of: Shares,
    endpoint: Uuid,
}

impl Shares {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Uuid, usize>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Endpoints that are sent nothing more for now.
    pub(super) fn full(&self) -> Vec<Uuid> {
        self.with(|all| {
            all.iter().filter(|(_, taken)| EACH <= **taken).map(|(endpoint, _)| *endpoint).collect()
        })
    }

    /// How many more may be sent to an endpoint that takes at most so many at once.
    pub(super) fn left(&self, endpoint: Uuid, most: usize) -> usize {
        self.with(|all| most.saturating_sub(all.get(&endpoint).copied().unwrap_or_default()))
    }

    pub(super) fn take(&self, endpoint: Uuid) -> Share {
        self.with(|all| *all.entry(endpoint).or_default() += 1);
        Share { of: self.clone(), endpoint }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.with(|all| match all.get_mut(&self.endpoint) {
            Some(taken) if 1 < *taken => *taken -= 1,
            Some(_) | None => {
                all.remove(&self.endpoint);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_its_share_and_no_more() {
        let (shares, one, other) = (Shares::default(), Uuid::now_v7(), Uuid::now_v7());
        let mut taken: Vec<Share> = (0..EACH).map(|_| shares.take(one)).collect();
        assert_eq!((shares.full(), shares.left(one, EACH)), (vec![one], 0));
        assert_eq!(shares.left(other, EACH), EACH);
        taken.truncate(1);
        assert_eq!((shares.full(), shares.left(one, EACH)), (vec![], EACH - 1));
        // One that fails is sent one thing at a time.
        assert_eq!(shares.left(one, 1), 0);
        taken.clear();
        assert_eq!(shares.left(one, 1), 1);
        assert!(shares.with(|all| all.is_empty()));
    }
}
