use std::collections::HashSet;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use quittance_chassis::clock;
use quittance_chassis::db::retention::{self, PERIOD};
use quittance_kernel::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Issues;
use crate::error::Error;
use crate::store;

/// Days for which the log of webhooks goes back.
const DELIVERIES: u32 = 30;

/// A younger file may still get its row.
const GRACE: TimeDelta = TimeDelta::hours(1);

impl Issues {
    /// Removes files without a row that are older than an hour: their process died between the two.
    /// Returns how many.
    pub async fn sweep_files(&self, now: Timestamp) -> Result<usize, Error> {
        let before = now - GRACE;
        let mut removed = self.files.remove_halves(before).await;
        let mut chunks = self.files.older_than(before);
        while let Some(mut chunk) = chunks.next().await {
            let ids = chunk.iter().map(|found| found.id.0).collect();
            let known = store::attachment::known(self.db.conn(), ids).await?;
            let known: HashSet<Uuid> = known.into_iter().collect();
            chunk.retain(|found| !known.contains(&found.id.0));
            removed += self.files.remove_all(chunk).await;
        }
        Ok(removed)
    }

    /// Removes notifications that were read and are older than so many days. Returns how many.
    pub async fn forget_notifications(&self, now: Timestamp, days: u32) -> Result<u64, Error> {
        let before = retention::cutoff(now, days);
        Ok(retention::in_chunks(&self.db, store::notification::FORGET, before).await?)
    }

    /// Removes what became of deliveries that are older than so many days. Returns how many.
    pub async fn forget_deliveries(&self, now: Timestamp) -> Result<u64, Error> {
        let before = retention::cutoff(now, DELIVERIES);
        Ok(retention::in_chunks(&self.db, store::delivery::FORGET, before).await?)
    }

    /// Sweeps at once and then from time to time, until the service stops.
    pub(crate) fn keep_house(&self, days: u32, shutdown: CancellationToken) -> JoinHandle<()> {
        let issues = self.clone();
        tokio::spawn(async move {
            let sweep = async {
                loop {
                    issues.sweep_claims().await;
                    issues.sweep(clock::now(), days).await;
                    tokio::time::sleep(PERIOD).await;
                }
            };
            // Each statement stands alone, and a file that was not removed is found again.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sweep => {}
            }
        })
    }

    async fn sweep(&self, now: Timestamp, days: u32) {
        match self.sweep_files(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "files without a row were removed"),
            Err(error) => tracing::warn!(%error, "files were not swept"),
        }
        match self.forget_deliveries(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "old deliveries were removed"),
            Err(error) => tracing::warn!(%error, "deliveries were not swept"),
        }
        match self.forget_notifications(now, days).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "old notifications were removed"),
            Err(error) => tracing::warn!(%error, "notifications were not swept"),
        }
    }
}
