//! Connections for streams that stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quittance_chassis::config::Tls;
use quittance_chassis::grpc::{Client, ClientError, MAX_ENCODE, secured};
use quittance_proto::issues::v1::notification_service_client::NotificationServiceClient;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams on one connection. A service allows 256, and what is beyond that would wait unseen.
const ON_ONE: u32 = 200;

/// Connections that are made when they are first needed, each with so many places.
pub(crate) struct Lanes {
    all: Vec<(Client, Arc<Semaphore>)>,
    /// Where to look first: the place that the last one found, which mostly has another.
    next: AtomicUsize,
}

impl Lanes {
    pub(crate) fn new(url: &str, tls: &Tls, streams: u32) -> Result<Self, ClientError> {
        let places = (0..streams.div_ceil(ON_ONE)).map(|lane| ON_ONE.min(streams - lane * ON_ONE));
        let lane = |places: u32| {
            let places = Semaphore::new(usize::try_from(places).unwrap_or_default());
            secured(url, tls).map(|client| (client, Arc::new(places)))
        };
        let all = places.map(lane).collect::<Result<_, _>>()?;
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// Finds a place for one more stream, to be held as long as it lasts.
    pub(crate) fn take(&self) -> Option<(NotificationServiceClient<Client>, OwnedSemaphorePermit)> {
        let count = self.all.len();
        let first = self.next.load(Ordering::Relaxed);
        (0..count).map(|step| (first + step) % count).find_map(|lane| {
            let (client, places) = &self.all[lane];
            let place = Arc::clone(places).try_acquire_owned().ok()?;
            self.next.store(lane, Ordering::Relaxed);
            let client = NotificationServiceClient::new(client.clone());
            Some((client.max_decoding_message_size(MAX_ENCODE), place))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_stream_has_a_place_and_no_connection_more_than_it_takes() {
        let lanes = Lanes::new("http://127.0.0.1:9", &Tls::default(), 450).unwrap();
        assert_eq!(lanes.all.len(), 3);
        let mut held: Vec<_> = (0..450).map(|_| lanes.take().unwrap().1).collect();
        assert!(lanes.take().is_none());
        assert!(lanes.all.iter().all(|(_, places)| places.available_permits() == 0));
        held.truncate(449);
        assert!(lanes.take().is_some());
        assert!(Lanes::new("http://127.0.0.1:9", &Tls::default(), 0).unwrap().take().is_none());
    }
}
