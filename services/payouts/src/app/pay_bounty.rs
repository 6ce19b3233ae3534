//! Approve & Pay: an approved submission is looked at until it can be paid, and then is.
//!
//! Looking is safe to repeat, by whoever does: the request that approved, the event that tells of
//! it, or the worker. What is decided on is compared again as it is written.

use quittance_chassis::db::{Journal, Tx, WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{
    Ctx, EarningId, IssueId, MemberId, Method, OrganizationId, PayoutId, Principal,
};
use uuid::Uuid;

use super::plan::TRIES;
use super::{Error, Payouts};
use crate::domain::approval::check_unplanned;
use crate::domain::bounty_payment::{BountyPayment, Funding, Progress, Verdict, Work, judge};
use crate::domain::charge::{ChargeAttempt, ChargeState, Purpose};
use crate::domain::earning::{Earning, EarningStatus};
use crate::domain::eligibility::{Bountied, Candidate, eligible_bounty};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::quote::Quote;
use crate::store;
use crate::store::bounty_payment::{Approved, Start};
use crate::store::quote::Stored;

/// Bounties are paid by the provider; people who move money themselves pay them like issues.
pub(super) const RAIL: Method = Method::Stripe;

/// What a payment was decided on.
struct Looked {
    verdict: Verdict,
    quote: Option<Stored>,
    funds: Option<Funds>,
    /// The earning as it was.
    earning: Option<Earning>,
}

/// Where the money of a payment comes from.
#[derive(Clone, Debug)]
pub(super) enum Funds {
    /// The provider's names of a payer and of a payment method.
    Payer { customer: String, payment_method: String },
}

impl Funds {
    fn word(&self) -> Funding {
        match self {
            Self::Payer { .. } => Funding::Charge,
        }
    }
}

impl Payouts {
    /// Looks at the payment of a submission: begins it, or notes what stands against it.
    #[tracing::instrument(name = "bounties.pay", skip_all, fields(issue.id = %issue))]
    pub(crate) async fn look_at_bounty(
        &self,
        caller: &Caller,
        issue: IssueId,
    ) -> Result<(), Error> {
        for _ in 1..TRIES {
            match self.try_look(caller, issue).await {
                // Somebody else has looked, paid or undone something in between.
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {}
                done => return done,
            }
        }
        match self.try_look(caller, issue).await {
            Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {
                Err(Error::Contended)
            }
            done => done,
        }
    }

    async fn try_look(&self, caller: &Caller, issue: IssueId) -> Result<(), Error> {
        let ctx = &caller.ctx;
        let organization = ctx.organization();
        let kept = store::bounty_payment::find(self.db.conn(), organization, issue).await?;
        let moving =
            |kept: &BountyPayment| matches!(kept.progress, Progress::Started | Progress::Over);
        if kept.as_ref().is_some_and(moving) {
            return Ok(());
        }
        let Some(work) = self.work(caller, issue).await? else {
            return self.forget(ctx, kept).await;
        };
        let again = |kept: &BountyPayment| {
            kept.progress == Progress::Open || kept.source_version < work.facts.version
        };
        if !kept.as_ref().is_none_or(again) || (kept.is_none() && work.facts.approved.is_none()) {
            return Ok(());
        }
        let looked = self.decide_bounty(ctx, &work).await?;
        fail_point!("bounty::before_write");
        let started = self.write_look(ctx, kept, &work, looked).await?;
        fail_point!("bounty::after_write");
        if started {
            self.due.notify_one();
        }
        Ok(())
    }

    /// What is known of a submission that issues does not know: it is not looked at again.
    async fn forget(&self, ctx: &Ctx, kept: Option<BountyPayment>) -> Result<(), Error> {
        let Some(kept) = kept.filter(|kept| kept.next_at.is_some()) else { return Ok(()) };
        let mut set = WriteSet::new();
        let version = kept.version + 1;
        let after = BountyPayment { progress: Progress::Dropped, next_at: None, version, ..kept };
        store::bounty_payment::put(ctx, &mut set, &after);
        set.commit(&self.db).await.map_err(Error::Write)
    }

    /// Decides about a submission by the one pure function (rule 4).
    async fn decide_bounty(&self, ctx: &Ctx, work: &Work) -> Result<Looked, Error> {
        let (organization, issue) = (ctx.organization(), work.terms.issue);
        let mut earnings = store::earning::of_issues(&self.db, organization, vec![issue.0]).await?;
        let earning = earnings.remove(&issue);
        let limits = self.limits(ctx).await?;
        let reporter = work.facts.reporter;
        let mut accounts = std::collections::HashMap::new();
        if !self.policy.sandbox_closed {
            accounts = self.open_accounts(self.db.conn(), ctx, RAIL, vec![reporter.0]).await?;
        }
        let payer = store::payer::find(self.db.conn(), organization, work.product).await?;
        // Whoever pays is not paid, and whoever approved is not.
        let paying = payer.as_ref().map(|payer| payer.member).or(work.decided_by);
        let quote = match work.facts.approved {
            Some(_) => Some(self.stored_quote(ctx, &work.terms).await?),
            None => None,
        };
        let funds = self.funds(payer.map(|payer| (payer.customer, payer.payment_method)));
        let candidate = Candidate {
            issue,
            facts: Some(&work.facts),
            earning: earning.as_ref(),
            payer: paying.unwrap_or_else(|| ctx.member()),
            payee: None,
            cycle: None,
            onboarded: accounts.contains_key(&reporter),
            cooling: limits.cooling.contains(&(reporter, RAIL)),
        };
        let price = candidate.price();
        let policies = self.policies(ctx).await?;
        let more = Bountied {
            funded: funds.is_some(),
            below_minimum: price
                .is_some_and(|price| limits.is_below(price.minor(), price.currency(), RAIL)),
            needs_approvals: check_unplanned(&policies, price.into_iter()).is_err(),
        };
        let verdict = judge(eligible_bounty(&candidate, more));
        Ok(Looked { verdict, quote, funds, earning })
    }

    /// Whom to charge: the payer of the product, or where play money will do a test card.
    pub(super) fn funds(&self, payer: Option<(String, String)>) -> Option<Funds> {
        let test =
            || self.rails.of(RAIL)?.test_payer().map(|card| (String::new(), card.to_owned()));
        let (customer, payment_method) = payer.or_else(test)?;
        Some(Funds::Payer { customer, payment_method })
    }

    /// Writes what was decided. Fails as stale when it was decided on something that has changed.
    async fn write_look(
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
                self.begin(&tx, ctx, what, &mut payment, work, &looked, (&payout, &earning))
                    .await?;
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

    #[expect(clippy::too_many_arguments, reason = "what is written, and what it was decided on")]
    async fn begin(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        what: (&mut WriteSet, &mut Journal),
        payment: &mut BountyPayment,
        work: &Work,
        looked: &Looked,
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
        let Funds::Payer { customer, payment_method } = funds;
        let charge = ChargeAttempt {
            product: work.product,
            payer: payment.approved_by,
            customer: customer.clone(),
            payment_method: payment_method.clone(),
            ..first_charge(ctx, (Purpose::Payout, payout.id.0), quote.quote)
        };
        payment.funding = Some(funds.word());
        payment.progress = Progress::Started;
        payment.reasons = Vec::new();
        payment.next_at = None;
        payment.tries = 0;
        let begun = Start {
            from,
            payout: &payout,
            earning,
            source_version: work.facts.version,
            charge: Some(&charge),
            attempt: None,
        };
        store::bounty_payment::start(tx, ctx, what, &begun).await.map_err(Error::Write)
    }

    /// In whose name the service asks when nobody has asked it. Needs a secret to sign with.
    pub(super) fn own_caller(&self, organization: OrganizationId) -> Result<Caller, Error> {
        let ctx = super::pay_out::service_ctx(organization);
        self.acting.caller(ctx, &Principal::service(organization))
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
        product: quittance_kernel::ProductId(Uuid::nil()),
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

fn words(reasons: &[crate::domain::eligibility::Reason]) -> Vec<String> {
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
