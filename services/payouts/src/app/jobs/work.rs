//! What jobs do, chunk by chunk.

use quittance_chassis::grpc::Caller;
use quittance_kernel::Timestamp;

use crate::app::{DueChunk, Error, Payouts};
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
        let done = match step {
            Step::Releases => self.payouts.release_due_holds(&self.caller, at, limit).await?,
            Step::Schedules => self.payouts.process_due_schedules(&self.caller, at, limit).await?,
        };
        Ok(tally(&done))
    }
}

fn tally(chunk: &DueChunk) -> Tally {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let amounts = chunk.amounts.iter();
    Tally {
        claimed: count(chunk.claimed),
        processed: count(chunk.processed),
        failed: count(chunk.failed),
        retried: count(chunk.retried),
        skipped: count(chunk.skipped),
        submitted: count(chunk.submitted),
        unblocked: count(chunk.unblocked),
        amounts: amounts.map(|(sum, n)| (sum.currency(), (sum.minor(), count(n)))).collect(),
    }
}
