//! Giving money back to a payer: what was charged and not sent, and, by taking the transfer back
//! first, what was paid (INC-37).

use quittance_chassis::db::{Journal, Tx, WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, PayoutId};
use uuid::Uuid;

use super::pay_bounty::RAIL;
use super::pay_out::service_ctx;
use super::{Error, Payouts};
use crate::domain::attempt::Answer;
use crate::domain::bounty_payment::{BountyPayment, Funding, Progress};
use crate::domain::charge::{ChargeAttempt, ChargeState, Purpose, conclude_refund, step};
use crate::domain::lifecycle::{LifecycleError, Undo, Wish, reason, undo};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::rail::RailError;
use crate::rail::{GiveBack, Rails};
use crate::store;

impl Payouts {
    /// Has the money of a bounty's payout given back. What was not sent can be paid in another way at
    /// once; what was sent is taken back first, and payable again then.
    #[tracing::instrument(name = "bounties.refund", skip_all, fields(payout.id = %id))]
    pub(crate) async fn refund_bounty(
        &self,
        ctx: &Ctx,
        id: PayoutId,
        why: &str,
    ) -> Result<(), Error> {
        Self::permit_runs(ctx)?;
        let why = reason(why)?;
        let organization = ctx.organization();
        let tx = Tx::begin(&self.db, ctx).await?;
        let payout = store::payout::lock(tx.conn(), organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        if payout.payee == ctx.member() {
            return Err(LifecycleError::SelfApproval.into());
        }
        let held = store::lifecycle_read::hold(tx.conn(), organization, id).await?;
        let payment = store::bounty_payment::lock_of(tx.conn(), organization, vec![id.0]).await?;
        let nothing = || Error::from(RailError::NothingToRefund(id));
        let payment = payment.into_iter().next().ok_or_else(nothing)?;
        let failed = payout.state == PayoutState::Failed;
        if !failed && payout.state != PayoutState::Paid {
            return Err(nothing());
        }
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        let what = (&mut set, &mut journal);
        match payment.funding {
            Some(Funding::Charge) => {
                let charges = store::charge::of_subject(tx.conn(), organization, id.0).await?;
                let charge = charges.into_iter().next().ok_or_else(nothing)?;
                if charge.state == ChargeState::Refunding {
                    return Ok(());
                }
                let state =
                    step(charge.state, ChargeState::Refunding).map_err(LifecycleError::from)?;
                let version = charge.version + 1;
                let after = ChargeAttempt { state, asked: 0, version, ..charge };
                store::charge_outcome::refund(ctx, what, &after, &why);
            }
            Some(Funding::PreFund) if failed => {
                let quote = payment.quote.ok_or_else(nothing)?;
                let quote = store::quote::get(tx.conn(), organization, quote).await?;
                let quote = quote.ok_or_else(nothing)?.quote;
                store::pre_fund::give_back(&tx, ctx, what, payment.product, id, &quote)
                    .await
                    .map_err(Error::Write)?;
            }
            Some(Funding::PreFund) | None => return Err(nothing()),
        }
        if failed {
            let let_go = (&mut set, &held[..]);
            store::bounty_payment::let_go(&tx, ctx, let_go, id).await.map_err(Error::Write)?;
            let (progress, version) = (Progress::Over, payment.version + 1);
            let reasons = vec!["refunded".to_owned()];
            let after = BountyPayment { progress, reasons, next_at: None, version, ..payment };
            store::bounty_payment::put(ctx, &mut set, &after);
        }
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)?;
        self.due.notify_one();
        Ok(())
    }

    /// Tells the provider what is to be given back, and writes what it said.
    pub(super) async fn give_back(&self, charge: ChargeAttempt) -> Result<(), Error> {
        let ctx = service_ctx(charge.organization);
        let id = PayoutId(charge.subject);
        let payout = match charge.purpose {
            Purpose::Payout => store::payout::find(&self.db, charge.organization, id).await?,
            Purpose::TopUp => None,
        };
        fail_point!("refund::before_call");
        let paid = payout.filter(|payout| payout.state == PayoutState::Paid);
        let call = call(self.rails.clone(), charge.clone(), paid.clone());
        let answer = tokio::spawn(call).await.unwrap_or(Answer::Unknown);
        fail_point!("refund::after_call");
        let (state, again_at) = conclude_refund(&charge, &answer, ctx.now);
        let refunded = if state == ChargeState::Refunded { charge.quote.total } else { 0 };
        let (version, asked) = (charge.version + 1, charge.asked + 1);
        let after = ChargeAttempt { state, asked, refunded, version, ..charge.clone() };
        let tx = Tx::begin(&self.db, &ctx).await?;
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        if state == ChargeState::Refunded && paid.is_some() {
            self.take_back(&tx, &ctx, &mut set, id).await?;
        }
        let at = again_at.unwrap_or(ctx.now);
        store::charge_outcome::given_back(&ctx, (&mut set, &mut journal), &after, at);
        journal.write_to(&ctx, &mut set);
        match tx.write(set).await {
            Ok(()) => tx.commit().await.map_err(Error::Write),
            // Another worker has written it.
            Err(WriteError::Stale) => Ok(()),
            Err(error) => Err(Error::Write(error)),
        }
    }

    /// What was sent and is back: its earning is payable again.
    async fn take_back(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        set: &mut WriteSet,
        id: PayoutId,
    ) -> Result<(), Error> {
        let organization = ctx.organization();
        let payout = store::payout::lock(tx.conn(), organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        if payout.state != PayoutState::Paid {
            return Ok(());
        }
        let held = store::lifecycle_read::hold(tx.conn(), organization, id).await?;
        let reason = "the provider took the transfer back".to_owned();
        let wish = Wish { undo: Undo::Return, reason, issues: vec![] };
        let undone = undo(&payout, &held, &wish, ctx.member(), ctx.now)?;
        store::lifecycle::release(tx.conn(), organization, id, &undone.items).await?;
        tx.write(store::lifecycle::write_set(ctx, self.db.service(), &undone))
            .await
            .map_err(Error::Write)?;
        let payments = store::bounty_payment::lock_of(tx.conn(), organization, vec![id.0]).await?;
        for payment in payments {
            let version = payment.version + 1;
            let reasons = vec!["refunded".to_owned()];
            store::bounty_payment::put(ctx, set, &BountyPayment { reasons, version, ..payment });
        }
        Ok(())
    }
}

/// Takes a transfer back, if there is one, and then gives the charge back. Each has a key of its own
/// that follows from the charge, so that saying it again moves nothing twice.
async fn call(rails: Rails, charge: ChargeAttempt, sent: Option<Payout>) -> Answer {
    let Some(rail) = rails.of(RAIL) else {
        return Answer::Declined { code: "no_such_rail".to_owned() };
    };
    let key = |place: u128| Uuid::from_u128(!charge.id.as_u128() ^ place);
    if let Some(payout) = sent {
        let (reference, amount) = (payout.reference, payout.amount);
        let back = GiveBack { attempt: key(1), reference, amount };
        let answer = rail.reverse(&back).await;
        if !matches!(answer, Answer::Sent { .. }) {
            return answer;
        }
    }
    let (reference, amount) = (charge.reference.clone(), charge.amount());
    rail.refund(&GiveBack { attempt: key(0), reference, amount }).await
}
