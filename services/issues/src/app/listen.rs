//! What other processes have told members of: looked for once for all who wait, not once for each.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quittance_chassis::clock;
use quittance_kernel::MemberId;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Issues;
use super::watch::{POLL, floor_at};
use crate::error::Error;
use crate::store::notification::written_after;

/// How many rows are looked at in one turn. Whoever is told of more at once is found in a later turn.
const PAGE: u32 = 10_000;

/// How long those who wait may sleep when somebody listens for them.
pub(super) const ASLEEP: Duration = Duration::from_secs(30);

impl Issues {
    /// Rings for what other processes have written, until the service stops. With it ten thousand who wait
    /// cost the database one read per second, and not ten thousand.
    pub(crate) fn listen_for_others(&self, shutdown: CancellationToken) -> JoinHandle<()> {
        let issues = self.clone();
        issues.listening.store(true, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut known = BTreeSet::new();
            while !shutdown.is_cancelled() {
                if issues.bell.has_listeners()
                    && let Err(error) = issues.listen_once(&mut known).await
                {
                    tracing::warn!(%error, "what others have written was not looked for");
                }
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        })
    }

    /// Rings for what has become visible since the last look. A row can appear late, so that the look goes
    /// back over a stretch, and what was seen of it is remembered.
    async fn listen_once(&self, known: &mut BTreeSet<Uuid>) -> Result<(), Error> {
        let floor = floor_at(clock::now());
        *known = known.split_off(&floor);
        let rows = written_after(self.db.conn(), floor, PAGE).await?;
        let fresh: Vec<MemberId> = rows
            .into_iter()
            .filter(|(id, _)| known.insert(*id))
            .map(|(_, member)| member)
            .collect();
        self.bell.ring(&fresh);
        Ok(())
    }
}
