//! The use cases: one file each.

mod api_keys;
mod approve;
mod attachments;
mod bell;
mod bulk_verify;
mod claim_bounty;
mod create_bounty;
mod create_cycle;
mod create_issue;
mod create_product;
mod cycle_totals;
mod decide_submission;
mod decide_triage;
mod end_as_duplicate;
mod ensure_member;
mod get_issue;
mod hear_payouts;
mod housekeeping;
mod impersonate;
mod list_issues;
mod list_pending_review;
mod list_triage;
mod listen;
mod mark_read;
mod member_cycles;
mod mirror_payments;
mod page;
mod pay_facts;
mod preview_gate;
mod rate_changes;
mod read_bounties;
mod read_cycles;
mod read_members;
mod read_notifications;
mod read_products;
mod reject;
mod set_status;
mod sign_in;
mod similar_issues;
mod snapshots;
mod submit;
mod update_bounty;
mod update_cycle;
mod update_member;
mod update_product;
mod upload;
mod watch;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use quittance_chassis::db::{Db, Idempotency, Insert, Tx};
use quittance_kernel::{Ctx, CycleId, IssueId, Role};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use attachments::Pieces;
pub use bell::{Bell, Ear};
pub use create_bounty::NewBounty;
pub use create_cycle::NewCycle;
pub use create_issue::NewIssue;
pub use create_product::NewProduct;
pub use cycle_totals::CycleTotals;
pub use decide_submission::Extra;
pub use decide_triage::{Judgement, Outcome, Verdict};
pub use ensure_member::Identity;
pub(crate) use ensure_member::parse_roles;
pub use impersonate::Looked;
pub use list_pending_review::PendingReview;
pub use list_triage::Inbox;

pub(crate) use hear_payouts::HEARD;
pub use mirror_payments::MirrorError;
pub use page::{Page, Paging};
pub use preview_gate::GatePreview;
pub use read_bounties::Terms;
pub use similar_issues::Similar;
pub use submit::NewSubmission;
pub use update_bounty::BountyPatch;
pub use update_cycle::CyclePatch;
pub use update_member::MemberPatch;
pub use update_product::ProductPatch;
pub use upload::NewFile;
pub use watch::Watch;
pub use webhooks::NewEndpoint;
pub(crate) use webhooks::SECRET;

pub use crate::store::cycle::Filter as CycleFilter;
pub use crate::store::delivery::{Delivery, State as DeliveryState};
pub use crate::store::impersonation::Logged;
pub use crate::store::issue_list::Filter as IssueFilter;
pub use crate::store::notification::{Marked, Notification};
pub use crate::store::totals::Total;

use crate::domain::attachment::Attachment;
use crate::domain::cycle::Cycle;
use crate::domain::gate::Gate;
use crate::domain::issue::{Actor, Issue};
use crate::domain::sight::Sight;
use crate::domain::view::{Frame, View};
use crate::error::{Error, Kind};
use crate::files::Files;
use crate::store;

/// The issues service.
#[derive(Clone, Debug)]
pub struct Issues {
    db: Db,
    /// Whether what only development may do is done.
    development: bool,
    /// Rung for members who have just been told something.
    bell: Bell,
    /// The bytes of attachments.
    files: Files,
    /// Ends what waits: cancelled when the service stops.
    shutdown: CancellationToken,
    /// Whether webhooks may go over plain HTTP and to private addresses.
    insecure_webhooks: bool,
    /// Told when something is to be delivered.
    queued: Arc<Notify>,
    /// Whether somebody looks for what other processes write.
    listening: Arc<AtomicBool>,
}

/// An issue and what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueDetail {
    pub issue: Issue,
    pub frame: Frame,
    /// The oldest first. Only of an issue that was filed or got; lists leave them out.
    pub attachments: Vec<Attachment>,
}

impl IssueDetail {
    #[must_use]
    pub fn view(&self) -> View {
        View::of(&self.issue, &self.frame)
    }
}

impl From<(Issue, Frame)> for IssueDetail {
    fn from((issue, frame): (Issue, Frame)) -> Self {
        Self { issue, frame, attachments: Vec::new() }
    }
}

/// A cycle and the gate that holds in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleDetail {
    pub cycle: Cycle,
    pub gate: Gate,
}

impl CycleDetail {
    fn new(cycle: Cycle, product_gate: Option<bool>) -> Self {
        let gate = cycle.gate(product_gate);
        Self { cycle, gate }
    }
}

/// Which issue a write is about.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub issue: IssueId,
    /// When given, the issue must belong to this cycle.
    pub cycle: Option<CycleId>,
    /// When not 0: the version that the caller has seen.
    pub version: i64,
}

impl Target {
    #[must_use]
    pub fn of(issue: IssueId) -> Self {
        Self { issue, cycle: None, version: 0 }
    }
}

type Encode<T> = Arc<dyn Fn(&T) -> Vec<u8> + Send + Sync>;

/// How a write remembers its answer: the row is written in the transaction of the effect.
pub struct Answer<T>(Option<(Idempotency, Encode<T>)>);

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Answer<T> {
    /// For a request without a key.
    #[must_use]
    pub fn forgotten() -> Self {
        Self(None)
    }

    /// For a request that may come again with this key.
    pub fn remembered(
        key: Idempotency,
        encode: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self(Some((key, Arc::new(encode))))
    }

    /// The row that remembers an answer, to be written with the effect.
    pub(crate) fn row(&self, ctx: &Ctx, answer: &T) -> Option<Insert> {
        self.0.as_ref().map(|(key, encode)| key.remember(ctx, encode(answer)))
    }

    async fn leave(&self, tx: &Tx, answer: &T) -> Result<(), Error> {
        if let Some(row) = self.row(tx.ctx(), answer) {
            tx.insert(row).await?;
        }
        Ok(())
    }
}

impl Issues {
    #[must_use]
    pub fn new(db: Db, development: bool) -> Self {
        let (bell, shutdown) = (Bell::new(), CancellationToken::new());
        Self {
            db,
            development,
            bell,
            files: Files::default(),
            shutdown,
            insecure_webhooks: false,
            queued: Arc::default(),
            listening: Arc::default(),
        }
    }

    /// Keeps the bytes of attachments here.
    #[must_use]
    pub fn keeping(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// Lets webhooks go over plain HTTP and to private addresses.
    #[must_use]
    pub fn delivering_anywhere(self, insecure_webhooks: bool) -> Self {
        Self { insecure_webhooks, ..self }
    }

    /// Told when something is to be delivered.
    pub(crate) fn queued(&self) -> &Notify {
        &self.queued
    }

    /// Ends the streams of this service with this token.
    #[must_use]
    pub fn until(self, shutdown: CancellationToken) -> Self {
        Self { shutdown, ..self }
    }

    /// Rung after every commit that told somebody something.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Loads an issue to change it, and finds out in what capacity the caller does so.
    async fn open(&self, tx: &Tx, target: Target) -> Result<(IssueDetail, Actor), Error> {
        let ctx = tx.ctx();
        let organization = ctx.organization();
        let (issue, cycle) = (target.issue, target.cycle);
        let wanted = store::issue::Wanted { organization, sight: Sight::of(ctx), issue, cycle };
        let found = store::issue::load(tx, wanted).await?;
        let (issue, frame) = found.ok_or(Error::NotFound(Kind::Issue, target.issue.0))?;
        expect_version(target.version, issue.version)?;
        let member = ctx.member();
        let judges = ctx.has(Role::Admin)
            || (ctx.has(Role::Lead)
                && store::issue::leads(tx.conn(), organization, issue.cycle, member).await?);
        let actor = Actor { member, judges, at: ctx.now };
        Ok((IssueDetail::from((issue, frame)), actor))
    }
}

/// Compares what the caller has seen with what is there; 0 means that they do not care.
fn expect_version(wanted: i64, found: i64) -> Result<(), Error> {
    if wanted == 0 || wanted == found { Ok(()) } else { Err(Error::StaleVersion { wanted, found }) }
}

/// The organization and the part of its issues that a caller may see.
fn whose(ctx: &Ctx) -> (quittance_kernel::OrganizationId, Sight) {
    (ctx.organization(), Sight::of(ctx))
}

/// The same for what a caller judges or pays.
fn in_charge(ctx: &Ctx) -> (quittance_kernel::OrganizationId, Sight) {
    (ctx.organization(), Sight::in_charge(ctx))
}
