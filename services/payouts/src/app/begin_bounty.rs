//! Writing what was decided about a bounty's payment: it waits, begins, or is given up.

use quittance_chassis::db::{Journal, Tx, WriteError, WriteSet};
use quittance_kernel::{Ctx, EarningId, MemberId, PayoutId, ProductId};
use uuid::Uuid;

use super::bounty_payments::next_attempt;
use super::pay_bounty::{Funds, Looked, RAIL};
use super::{Error, Payouts};
use crate::domain::bounty_payment::{BountyPayment, Funding, Progress, Verdict, Work};
use crate::domain::charge::{ChargeAttempt, ChargeState, Purpose};
use crate::domain::earning::{Earning, EarningStatus};
use crate::domain::eligibility::Reason;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::quote::Quote;
use crate::store;
use crate::store::bounty_payment::{Approved, Start};

impl Payouts {
    /// Writes what was decided. Fails as stale when it was decided on something that has changed.
    pub(super) async fn write_look(
        &self,
        ctx: &Ctx,
        kept: Option<BountyPayment>,
        work: &Work,
        looked: Looked,
    ) -> Result<bool, Error> {
        let (organization, issue) = (ctx.organization(), work.terms.issue);
        let tx = Tx::begin(&self.db, ctx).await?;
        // In the order in which everybody locks: payout, earning, payment.
        let standing = match kept.as_ref().and_then(|kept| kept.payout) {
            Some(id) => store::payout::lock(tx.conn(), organization, id).await?,
            None => None,
        };
        let earning = store::earning::lock(tx.conn(), vec![organization.0], vec![issue.0]).await?;
        let earning = earning.into_iter().next().map(|(_, earning)| earning);
        if earning != looked.earning {
            return Err(Error::Write(WriteError::Stale));
        }
        let Some(kept) = self.lock_or_open(&tx, ctx, kept, work).await? else {
            return Err(Error::Write(WriteError::Stale));
        };
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        let reopened = kept.progress == Progress::Dropped;
        let mut payment = BountyPayment {
            version: kept.version + 1,
            source_version: work.facts.version,
            approved_by: work.decided_by.unwrap_or(kept.approved_by),
            payout: kept.payout.filter(|_| !reopened),
            progress: Progress::Open,
            quote: looked.quote.map(|quote| quote.id),
            ..kept.clone()
        };
        let standing = standing.filter(|_| !reopened);
        let mut started = false;
        if standing.as_ref().is_some_and(|payout| payout.state != PayoutState::Approved) {
            // Somebody has cancelled it.
            over(&mut payment);
        } else if let Verdict::GiveUp(reasons) = &looked.verdict {
            payment.reasons = words(reasons);
            if let Some(payout) = &standing {
                let why = payment.reasons.join(",");
                store::bounty_payment::drop_open(ctx, &mut set, &mut journal, payout, &why);
            }
            payment.progress = Progress::Dropped;
            payment.next_at = None;
        } else {
            let made = make(ctx, (&mut set, &mut journal), &payment, work, (standing, earning));
            let (payout, earning) = made?;
            payment.payout = Some(payout.id);
            if let Verdict::Hold(reasons) = &looked.verdict {
                payment.reasons = words(reasons);
                payment.next_at = Some(payment.look_again(ctx.now));
                payment.tries += 1;
                if payment.reasons != kept.reasons {
                    store::bounty_payment::hold(ctx, &mut journal, &payment);
                }
            } else {
                // Made first: what begins is changed by a set of its own.
                tx.write(std::mem::take(&mut set)).await.map_err(Error::Write)?;
                let what = (&mut set, &mut journal);
                let decided = (work, &looked);
                self.begin(&tx, ctx, what, &mut payment, decided, (&payout, &earning)).await?;
                started = true;
            }
        }
        store::bounty_payment::put(ctx, &mut set, &payment);
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)?;
        Ok(started)
    }

    /// The row of a payment, locked; none if it is not as it was.
    async fn lock_or_open(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        kept: Option<BountyPayment>,
        work: &Work,
    ) -> Result<Option<BountyPayment>, Error> {
        let issue = work.terms.issue;
        let version = if let Some(kept) = &kept {
            kept.version
        } else {
            let approved = Approved {
                issue,
                product: work.product,
                bounty: work.bounty,
                by: work.decided_by.unwrap_or_else(|| ctx.member()),
                version: work.facts.version,
            };
            let mut set = WriteSet::new();
            store::bounty_payment::open(ctx, &mut set, &[approved]);
            tx.write(set).await.map_err(Error::Write)?;
            1
        };
        let locked = store::bounty_payment::lock(tx.conn(), ctx.organization(), issue).await?;
        Ok(locked.filter(|locked| locked.version == version))
    }

    /// Writes that a payment begins: with a charge of its payer, or, where it was paid in advance, with
    /// the transfer itself.
    async fn begin(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        (set, journal): (&mut WriteSet, &mut Journal),
        payment: &mut BountyPayment,
        (work, looked): (&Work, &Looked),
        (payout, earning): (&Payout, &Earning),
    ) -> Result<(), Error> {
        let missing = Error::Unreadable("what a payment was decided on");
        let (Some(quote), Some(funds)) = (&looked.quote, &looked.funds) else {
            return Err(missing);
        };
        let from = payout.state;
        let payout = Payout {
            state: PayoutState::Processing,
            version: payout.version + 1,
            updated_at: ctx.now,
            ..payout.clone()
        };
        let (mut charge, mut attempt) = (None, None);
        match funds {
            Funds::Payer { customer, payment_method } => {
                charge = Some(ChargeAttempt {
                    product: work.product,
                    payer: payment.approved_by,
                    customer: customer.clone(),
                    payment_method: payment_method.clone(),
                    ..first_charge(ctx, (Purpose::Payout, payout.id.0), quote.quote)
                });
                payment.funding = Some(Funding::Charge);
            }
            Funds::PreFund => {
                let what = (&mut *set, &mut *journal);
                let (product, id) = (work.product, payout.id);
                store::pre_fund::draw(tx, ctx, what, product, id, &quote.quote)
                    .await
                    .map_err(Error::Write)?;
                let account = self.account_of(tx, ctx, payout.payee).await?;
                attempt = Some(next_attempt(tx, ctx, &payout, account).await?);
                payment.funding = Some(Funding::PreFund);
            }
        }
        payment.progress = Progress::Started;
        payment.reasons = Vec::new();
        payment.next_at = None;
        payment.tries = 0;
        let begun = Start {
            from,
            payout: &payout,
            earning,
            source_version: work.facts.version,
            charge: charge.as_ref(),
            attempt,
        };
        store::bounty_payment::start(tx, ctx, (set, journal), &begun).await.map_err(Error::Write)
    }
}

/// The first charge for something, without its payer.
pub(super) fn first_charge(
    ctx: &Ctx,
    (purpose, subject): (Purpose, Uuid),
    quote: Quote,
) -> ChargeAttempt {
    ChargeAttempt {
        id: Uuid::now_v7(),
        organization: ctx.organization(),
        purpose,
        subject,
        product: ProductId(Uuid::nil()),
        payer: MemberId(Uuid::nil()),
        number: 1,
        state: ChargeState::Created,
        customer: String::new(),
        payment_method: String::new(),
        quote,
        reference: String::new(),
        code: String::new(),
        asked: 0,
        refunded: 0,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    }
}

fn words(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| reason.as_str().to_owned()).collect()
}

fn over(payment: &mut BountyPayment) {
    payment.progress = Progress::Over;
    payment.reasons = Vec::new();
    payment.next_at = None;
}

/// The payout of a payment and its earning, which are made if they are not there. One that was
/// made at another price is given up.
fn make(
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    payment: &BountyPayment,
    work: &Work,
    (standing, earning): (Option<Payout>, Option<Earning>),
) -> Result<(Payout, Earning), Error> {
    let amount = work.facts.approved.ok_or(Error::Unreadable("an approval"))?;
    let fresh = earning.is_none();
    let earning = earning.unwrap_or(Earning {
        id: EarningId::new(),
        issue: work.terms.issue,
        cycle: work.facts.cycle,
        payee: work.facts.reporter,
        amount,
        status: EarningStatus::Approved,
        version: 1,
        source_version: work.facts.version,
        payout: None,
    });
    if let Some(standing) = standing {
        if standing.amount == amount {
            return Ok((standing, earning));
        }
        store::bounty_payment::drop_open(ctx, set, journal, &standing, "another price");
    }
    let payout = Payout {
        id: PayoutId::new(),
        batch: None,
        payee: work.facts.reporter,
        amount,
        netted_minor: 0,
        method: Some(RAIL),
        reference: String::new(),
        state: PayoutState::Approved,
        item_count: 1,
        paid_at: None,
        created_by: payment.approved_by,
        version: 1,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    store::bounty_payment::make_payout(ctx, set, journal, &payout, (&earning, fresh));
    Ok((payout, earning))
}
