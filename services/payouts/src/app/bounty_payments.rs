//! Payments of bounties: who may see them, and what the worker does about them.

use futures_util::StreamExt as _;
use prost::Message;
use quittance_chassis::clock;
use quittance_chassis::db::{Idempotency, Journal, Tx, WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, IssueId, MemberId, OrganizationId, Timestamp};

use super::read_payouts::sees;
use super::{Error, Payouts};
use crate::domain::bounty_payment::{BountyPayment, Funding, Progress, Status};
use crate::domain::charge::{ChargeAttempt, ChargeState, Purpose};
use crate::domain::earning::EarningStatus;
use crate::domain::lifecycle::{Held, LifecycleError};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::profit::ProfitError;
use crate::domain::quote::{PREPAID, charged};
use crate::domain::rail::RailError;
use crate::store;
use crate::store::execution::NewAttempt;
use crate::store::outcome::Moved;
use crate::store::quote::Stored;

use super::begin_bounty::first_charge;
use super::pay_bounty::{Funds, RAIL};

/// How many payments are looked at in one round, and how many at once.
const CHUNK: u32 = 32;
const AT_ONCE: usize = 4;

/// A payment with its payout, what it costs, and its newest charge.
#[derive(Clone, Debug)]
pub(crate) struct ShownPayment {
    pub(crate) payment: BountyPayment,
    pub(crate) payout: Payout,
    pub(crate) quote: Option<Stored>,
    pub(crate) charge: Option<ChargeAttempt>,
    /// Whether the reader may see what it costs beside what the payee gets.
    pub(crate) with_costs: bool,
}

impl ShownPayment {
    pub(crate) fn status(&self) -> Status {
        Status::of(self.payout.state, &self.payment.reasons)
    }

    /// Whether money was taken for it that is not with the payee.
    pub(crate) fn in_escrow(&self) -> bool {
        let taken = match self.payment.funding {
            Some(Funding::Charge) => {
                self.charge.as_ref().is_some_and(|charge| charge.state == ChargeState::Succeeded)
            }
            Some(Funding::PreFund) => true,
            None => false,
        };
        taken
            && matches!(
                self.payout.state,
                PayoutState::Processing | PayoutState::Unknown | PayoutState::Failed
            )
    }
}

impl Payouts {
    /// Shows the payment of a submission; none if there is nothing to pay for it yet.
    pub(crate) async fn bounty_payment(
        &self,
        ctx: &Ctx,
        issue: IssueId,
    ) -> Result<Option<ShownPayment>, Error> {
        let (conn, organization) = (self.db.conn(), ctx.organization());
        let kept = store::bounty_payment::find(conn, organization, issue).await?;
        let Some(payment) = kept else { return Ok(None) };
        let Some(id) = payment.payout else { return Ok(None) };
        let payout = store::payout::find(&self.db, organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        // Read again: what it says is never older than the state of the payout.
        let payment = store::bounty_payment::find(conn, organization, issue).await?;
        let payment = payment.ok_or(ProfitError::SubmissionNotFound(issue))?;
        let approver = payment.approved_by == ctx.member();
        if !approver && !sees(ctx, payout.payee) {
            return Err(ProfitError::SubmissionNotFound(issue).into());
        }
        let quote = match payment.quote {
            Some(quote) => store::quote::get(conn, organization, quote).await?,
            None => None,
        };
        let charges = store::charge::of_subject(conn, organization, id.0).await?;
        let with_costs = payout.payee != ctx.member();
        let charge = charges.into_iter().next();
        Ok(Some(ShownPayment { payment, payout, quote, charge, with_costs }))
    }

    /// Has everything looked at that waits for this payee.
    pub(crate) async fn wake_payee(
        &self,
        organization: OrganizationId,
        payee: MemberId,
        now: Timestamp,
    ) -> Result<(), Error> {
        if store::bounty_payment::wake_payee(&self.db, organization, payee, now).await? > 0 {
            self.due.notify_one();
        }
        Ok(())
    }

    /// One look at payments that are due. `false` when there were none.
    pub(super) async fn look_round(&self) -> Result<bool, Error> {
        let due = store::bounty_payment::due(&self.db, clock::now(), CHUNK).await?;
        if due.is_empty() {
            return Ok(false);
        }
        futures_util::stream::iter(due)
            .map(|(organization, payment)| self.look_alone(organization, payment))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<()>>()
            .await;
        Ok(true)
    }

    /// Looks at one payment; one that cannot be looked at now waits, and keeps no other waiting.
    async fn look_alone(&self, organization: OrganizationId, payment: BountyPayment) {
        let looked = match payment.progress {
            Progress::Open => match self.own_caller(organization) {
                Ok(caller) => self.look_at_bounty(&caller, payment.issue).await,
                Err(error) => Err(error),
            },
            Progress::Started => self.send_anew(organization, &payment).await,
            Progress::Over | Progress::Dropped => self.rest(organization, payment.clone()).await,
        };
        let Err(error) = looked else { return };
        let error = quittance_chassis::problem::chain(&error);
        tracing::warn!(issue.id = %payment.issue, error, "a bounty's payment waits");
        let next_at = Some(payment.look_again(clock::now()));
        let (version, tries) = (payment.version + 1, payment.tries + 1);
        let after = BountyPayment { next_at, tries, version, ..payment };
        if let Err(error) = self.keep(organization, &after).await {
            let error = quittance_chassis::problem::chain(&error);
            tracing::warn!(issue.id = %after.issue, error, "and is looked at again soon");
        }
    }

    /// Is not looked at again by itself.
    async fn rest(&self, organization: OrganizationId, kept: BountyPayment) -> Result<(), Error> {
        let version = kept.version + 1;
        self.keep(organization, &BountyPayment { next_at: None, version, ..kept }).await
    }

    async fn keep(&self, organization: OrganizationId, after: &BountyPayment) -> Result<(), Error> {
        let ctx = super::pay_out::service_ctx(organization);
        let mut set = WriteSet::new();
        store::bounty_payment::put(&ctx, &mut set, after);
        match set.commit(&self.db).await {
            // Somebody else has moved it.
            Ok(()) | Err(WriteError::Stale) => Ok(()),
            Err(error) => Err(Error::Write(error)),
        }
    }

    /// Sends once more what the payer was charged for and the provider did not send.
    async fn send_anew(
        &self,
        organization: OrganizationId,
        payment: &BountyPayment,
    ) -> Result<(), Error> {
        let ctx = super::pay_out::service_ctx(organization);
        let Some(id) = payment.payout else { return Ok(()) };
        let tx = Tx::begin(&self.db, &ctx).await?;
        let payout = store::payout::lock(tx.conn(), organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        let locked = store::bounty_payment::lock(tx.conn(), organization, payment.issue).await?;
        let Some(payment) = locked.filter(|locked| locked.version == payment.version) else {
            return Ok(());
        };
        let funded = is_funded(&payment, &tx, organization).await?;
        if payout.state != PayoutState::Failed || !funded {
            drop(tx);
            return self.rest(organization, payment).await;
        }
        match self.retry_bounty(tx, &ctx, payout, payment.clone(), None, ()).await {
            Ok(()) => {
                self.due.notify_one();
                Ok(())
            }
            // Not now: whoever sets the account wakes it.
            Err(Error::Rail(_)) => self.rest(organization, payment).await,
            Err(error) => Err(error),
        }
    }

    /// Has a failed payment tried once more: only the transfer where its money is there, else from
    /// the charge on, under a new key.
    pub(super) async fn retry_bounty<R: Message>(
        &self,
        tx: Tx,
        ctx: &Ctx,
        payout: Payout,
        payment: BountyPayment,
        key: Option<&Idempotency>,
        reply: R,
    ) -> Result<R, Error> {
        let organization = ctx.organization();
        let account = self.account_of(&tx, ctx, payout.payee).await?;
        let funded = is_funded(&payment, &tx, organization).await?;
        let held = store::lifecycle_read::hold(tx.conn(), organization, payout.id).await?;
        let charge = if funded {
            None
        } else {
            owed(&held)?;
            Some(self.charge_again(&tx, ctx, &payout, &payment).await?)
        };
        let attempt = match &charge {
            Some(_) => None,
            None => Some(next_attempt(&tx, ctx, &payout, account).await?),
        };
        let version = payout.version + 1;
        let payout =
            Payout { state: PayoutState::Processing, version, updated_at: ctx.now, ..payout };
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        let taken: &[Held] = if funded { &[] } else { &held };
        let what = (&mut set, &mut journal);
        let next = (charge.as_ref(), attempt.as_ref());
        store::bounty_payment::retry(&tx, ctx, what, &payout, taken, next)
            .await
            .map_err(Error::Write)?;
        let after = BountyPayment {
            progress: Progress::Started,
            // Charged again, it is the charge that pays.
            funding: charge.as_ref().map_or(payment.funding, |_| Some(Funding::Charge)),
            reasons: Vec::new(),
            next_at: None,
            version: payment.version + 1,
            ..payment
        };
        store::bounty_payment::put(ctx, &mut set, &after);
        journal.write_to(ctx, &mut set);
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        tx.write(set).await.map_err(Error::Write)?;
        fail_point!("bounty::before_retry");
        tx.commit().await.map_err(Error::Write)?;
        Ok(reply)
    }

    /// Where a payee is paid to now.
    pub(super) async fn account_of(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        payee: MemberId,
    ) -> Result<String, Error> {
        let mut accounts = self.open_accounts(tx.conn(), ctx, RAIL, vec![payee.0]).await?;
        let (account, kept) = accounts.remove(&payee).ok_or(RailError::NotOnboarded(payee))?;
        if kept.payable_at(self.cooldown(), ctx.now).is_some() {
            return Err(RailError::CoolingDown(payee).into());
        }
        Ok(account)
    }

    /// The next charge of a payment, by the payer of now.
    async fn charge_again(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        payout: &Payout,
        payment: &BountyPayment,
    ) -> Result<ChargeAttempt, Error> {
        let organization = ctx.organization();
        let payer = store::payer::find(tx.conn(), organization, payment.product).await?;
        let funds = self.funds(payer.map(|payer| (payer.customer, payer.payment_method)));
        let Some(Funds::Payer { customer, payment_method }) = funds else {
            return Err(RailError::NoPayer(payment.product).into());
        };
        let quote = payment.quote.ok_or(Error::Unreadable("a quote"))?;
        let quote = store::quote::get(tx.conn(), organization, quote).await?;
        let stored = quote.ok_or(Error::Unreadable("a quote"))?;
        let quote = if stored.version == PREPAID {
            charged(&stored.quote).map_err(|_| Error::Unreadable("a quote"))?
        } else {
            stored.quote
        };
        let before = store::charge::of_subject(tx.conn(), organization, payout.id.0).await?;
        Ok(ChargeAttempt {
            product: payment.product,
            payer: payment.approved_by,
            number: before.first().map_or(1, |last| last.number + 1),
            customer,
            payment_method,
            ..first_charge(ctx, (Purpose::Payout, payout.id.0), quote)
        })
    }

    /// What a provider's answers to transfers mean for payments; in the transaction that writes them.
    pub(super) async fn follow_transfers(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        moves: &[Moved],
    ) -> Result<(), Error> {
        let ended = |step: &&Moved| {
            step.keeps && matches!(step.payout.state, PayoutState::Paid | PayoutState::Failed)
        };
        let ended: Vec<&Moved> = moves.iter().filter(ended).collect();
        if ended.is_empty() {
            return Ok(());
        }
        let ids = ended.iter().map(|step| step.payout.id.0).collect();
        let payments = store::bounty_payment::lock_of(tx.conn(), ctx.organization(), ids).await?;
        let mut set = WriteSet::new();
        for payment in payments {
            let step = ended.iter().find(|step| Some(step.payout.id) == payment.payout);
            let Some(step) = step else { continue };
            store::bounty_payment::put(ctx, &mut set, &sent(&payment, step, ctx.now));
        }
        tx.write(set).await.map_err(Error::Write)
    }
}

/// A payment whose transfer has come to an end.
fn sent(before: &BountyPayment, step: &Moved, now: Timestamp) -> BountyPayment {
    let after = BountyPayment { version: before.version + 1, ..before.clone() };
    if step.payout.state == PayoutState::Paid {
        let (progress, reasons) = (Progress::Over, Vec::new());
        return BountyPayment { progress, reasons, next_at: None, ..after };
    }
    let (next_at, tries) = (before.send_again(now), before.tries + 1);
    BountyPayment { reasons: vec![step.code.clone()], next_at, tries, ..after }
}

/// Whether the money of a payment is there.
async fn is_funded(
    payment: &BountyPayment,
    tx: &Tx,
    organization: OrganizationId,
) -> Result<bool, Error> {
    match (payment.funding, payment.payout) {
        (Some(Funding::PreFund), _) => Ok(true),
        (Some(Funding::Charge), Some(payout)) => {
            let charges = store::charge::of_subject(tx.conn(), organization, payout.0).await?;
            Ok(charges.iter().any(|charge| charge.state == ChargeState::Succeeded))
        }
        (Some(Funding::Charge), None) | (None, _) => Ok(false),
    }
}

/// Refuses what was paid in another way since, or is no longer owed.
fn owed(held: &[Held]) -> Result<(), Error> {
    let owed = held.iter().all(|held| {
        let earning = &held.earning;
        earning.status == EarningStatus::Approved
            && earning.payout.is_none()
            && earning.amount == held.amount
    });
    if owed { Ok(()) } else { Err(RailError::NoLongerOwed.into()) }
}

/// The next transfer of a payout.
pub(super) async fn next_attempt(
    tx: &Tx,
    ctx: &Ctx,
    payout: &Payout,
    account: String,
) -> Result<NewAttempt, Error> {
    let ids = vec![payout.id.0];
    let numbers = store::execution::last_numbers(tx.conn(), ctx.organization(), ids).await?;
    Ok(NewAttempt::after(numbers.get(&payout.id), payout, account, ctx.now))
}
