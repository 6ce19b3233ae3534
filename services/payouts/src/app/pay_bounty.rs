//! Approve & Pay: an approved submission is looked at until it can be paid, and then is.
//!
//! Looking is safe to repeat, by whoever does: the request that approved, the event that tells of
//! it, or the worker. What is decided on is compared again as it is written.

use quittance_chassis::db::{WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, IssueId, Method, OrganizationId, Principal};

use super::plan::TRIES;
use super::{Error, Payouts};
use crate::domain::approval::check_unplanned;
use crate::domain::bounty_payment::{BountyPayment, Progress, Verdict, Work, judge};
use crate::domain::earning::Earning;
use crate::domain::eligibility::{Bountied, Candidate, eligible_bounty};
use crate::domain::quote::{PREPAID, VERSION};
use crate::store;
use crate::store::quote::Stored;

/// Bounties are paid by the provider; people who move money themselves pay them like issues.
pub(super) const RAIL: Method = Method::Stripe;

/// What a payment was decided on.
pub(super) struct Looked {
    pub(super) verdict: Verdict,
    pub(super) quote: Option<Stored>,
    pub(super) funds: Option<Funds>,
    /// The earning as it was.
    pub(super) earning: Option<Earning>,
}

/// Where the money of a payment comes from.
#[derive(Clone, Debug)]
pub(super) enum Funds {
    /// What the product has paid in advance.
    PreFund,
    /// The provider's names of a payer and of a payment method.
    Payer { customer: String, payment_method: String },
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
        let charged = self.funds(payer.map(|payer| (payer.customer, payer.payment_method)));
        let (quote, funds) = self.costs(ctx, work, charged).await?;
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

    /// What it costs and where that comes from: out of what was paid in advance if there is enough of
    /// it, else by a charge.
    async fn costs(
        &self,
        ctx: &Ctx,
        work: &Work,
        charged: Option<Funds>,
    ) -> Result<(Option<Stored>, Option<Funds>), Error> {
        if work.facts.approved.is_none() {
            return Ok((None, charged));
        }
        let organization = ctx.organization();
        let kept = store::pre_fund::of_product(self.db.conn(), organization, work.product).await?;
        if !kept.is_empty() {
            let prepaid = self.stored_quote(ctx, &work.terms, PREPAID).await?;
            if kept.iter().any(|fund| fund.covers(&prepaid.quote)) {
                return Ok((Some(prepaid), Some(Funds::PreFund)));
            }
        }
        Ok((Some(self.stored_quote(ctx, &work.terms, VERSION).await?), charged))
    }

    /// Whom to charge: the payer of the product, or where play money will do a test card.
    pub(super) fn funds(&self, payer: Option<(String, String)>) -> Option<Funds> {
        let test =
            || self.rails.of(RAIL)?.test_payer().map(|card| (String::new(), card.to_owned()));
        let (customer, payment_method) = payer.or_else(test)?;
        Some(Funds::Payer { customer, payment_method })
    }

    /// In whose name the service asks when nobody has asked it. Needs a secret to sign with.
    pub(super) fn own_caller(&self, organization: OrganizationId) -> Result<Caller, Error> {
        let ctx = super::pay_out::service_ctx(organization);
        self.acting.caller(ctx, &Principal::service(organization))
    }
}
