//! The use cases of this service, one file each.

mod account_error;
mod accounts;
mod acting;
mod approve_plan;
mod begin_bounty;
mod bounty_earnings;
mod bounty_payments;
mod charges;
mod commissions;
mod commit_plan;
mod create_payouts;
mod draft;
mod due;
mod error;
mod export_payouts;
mod facts;
mod holds;
mod job_error;
mod jobs;
mod lifecycle_error;
mod move_payouts;
mod partner_error;
mod pay;
mod pay_bounty;
mod pay_out;
mod pay_plan;
mod payers;
mod plan;
mod plan_error;
mod policies;
mod pre_funds;
mod profit;
mod profit_error;
mod quote;
mod rail_error;
mod rails;
mod read_partners;
mod read_payouts;
mod read_plans;
mod read_queue;
mod refund;
mod review;
mod rotate;
mod run_batch;
mod schedule_error;
mod schedules;
mod stream;
mod undo;
mod void_earnings;

use std::sync::Arc;

use quittance_chassis::auth::Verifier;
use quittance_chassis::db::Db;
use quittance_chassis::grpc::{Client, MAX_ENCODE};
use quittance_proto::issues::v1::bounty_service_client::BountyServiceClient;
use quittance_proto::issues::v1::issue_service_client::IssueServiceClient;
use quittance_proto::issues::v1::reward_pool_service_client::RewardPoolServiceClient;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::keyring::Keyring;
use crate::rail::Rails;
use acting::Acting;

pub(crate) use accounts::Shown;
pub(crate) use bounty_payments::ShownPayment;
pub(crate) use commissions::Sale;
pub(crate) use commit_plan::Committed;
pub(crate) use create_payouts::Created;
pub use due::DueChunk;
pub use error::Error;
pub(crate) use holds::{End, EndedHold};
pub(crate) use jobs::{BUDGET, Ran, Timekeeper, quiet, timetable};
pub(crate) use move_payouts::{Mode, Moved};
pub(crate) use pay::Paid;
pub(crate) use plan::Answered;
pub(crate) use read_partners::Summary;
pub(crate) use read_payouts::ListPayouts;
pub(crate) use read_queue::{QueueEntry, QueuePage};
pub(crate) use review::Heard;
pub use rotate::rotate;

/// What an organization's rules say about paying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether leads may pay single issues in their cycles.
    pub leads_may_pay: bool,
    /// Whether nobody is paid by a provider: the sandbox must not say that it paid real people.
    pub sandbox_closed: bool,
    /// Hours for which a changed payout account is not paid.
    pub account_cooldown_hours: u32,
}

/// The payouts service. Clones share database and connections.
#[derive(Clone, Debug)]
pub struct Payouts {
    db: Db,
    /// Who moves money for us.
    rails: Rails,
    issues: IssueServiceClient<Client>,
    bounties: BountyServiceClient<Client>,
    pools: RewardPoolServiceClient<Client>,
    policy: Policy,
    /// Wakes whoever calls providers.
    due: Arc<Notify>,
    keys: Keyring,
    acting: Acting,
    /// Cancelled when work that takes long is to stop in good order.
    stopping: CancellationToken,
}

impl Payouts {
    /// Builds the service on its migrated database. `issues` reaches the issues service.
    #[must_use]
    pub fn new(db: Db, issues: Client, policy: Policy) -> Self {
        let bounties = BountyServiceClient::new(issues.clone());
        let pools =
            RewardPoolServiceClient::new(issues.clone()).max_decoding_message_size(MAX_ENCODE);
        let issues = IssueServiceClient::new(issues).max_decoding_message_size(MAX_ENCODE);
        let rails = Rails::new(db.clone());
        Self {
            db,
            rails,
            issues,
            bounties,
            pools,
            policy,
            due: Arc::default(),
            keys: Keyring::default(),
            acting: Acting::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// The same, with keys to seal numbers of accounts.
    #[must_use]
    pub fn sealing_with(self, keys: Keyring) -> Self {
        Self { keys, ..self }
    }

    /// The same, which can ask issues by itself: it signs its own tokens.
    #[must_use]
    pub fn acting_with(self, verifier: Arc<Verifier>) -> Self {
        Self { acting: Acting::with(verifier), ..self }
    }

    /// The same, whose jobs stop in good order when this is cancelled.
    #[must_use]
    pub fn stopping_with(self, stopping: CancellationToken) -> Self {
        Self { stopping, ..self }
    }

    /// The database that all of this is in.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}
