//! What is due, in chunks: schedules are settled and timed holds released (rule 15).
//!
//! A chunk is one transaction: what it claims is locked, decided about and written before anybody
//! else sees it, so that a process that is killed leaves nothing half done. Workers pass over what
//! others have locked.

use quittance_chassis::grpc::Caller;
use quittance_kernel::{Timestamp, Totals};

use super::{Error, Payouts};

/// What one chunk of a job did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueChunk {
    /// What it took in hand; nothing is left when that is none.
    pub claimed: u64,
    /// Schedules that stand in the pay queue now, or holds that were released.
    pub processed: u64,
    /// Schedules that have failed for the third time.
    pub failed: u64,
    /// Schedules that failed and are tried again later.
    pub retried: u64,
    /// Schedules that may not be paid yet; they are looked at again later.
    pub skipped: u64,
    /// Schedules that a provider is paying now; its answer processes them.
    pub submitted: u64,
    /// Schedules that became due because their last hold was released.
    pub unblocked: u64,
    /// Of what was processed or submitted.
    pub amounts: Totals,
}

impl Payouts {
    /// Claims at most `limit` due schedules of all organizations and settles them, in one
    /// transaction (S2-7). None claimed means that nothing is due.
    pub async fn process_due_schedules(
        &self,
        caller: &Caller,
        at: Timestamp,
        limit: u32,
    ) -> Result<DueChunk, Error> {
        self.process_schedules(&caller.ctx, at, limit).await
    }

    /// Releases at most `limit` holds whose time has come, in one transaction (S2-24). Schedules
    /// without another hold become due at once: whoever runs this drains them next.
    pub async fn release_due_holds(
        &self,
        caller: &Caller,
        at: Timestamp,
        limit: u32,
    ) -> Result<DueChunk, Error> {
        self.release_holds(&caller.ctx, at, limit).await
    }
}
