//! Paying: the path that batches and single payments share.
//!
//! Read, decide, write. Everything is read at once and without a transaction; the decision is pure;
//! the write is one set that the database refuses as a whole if anything it was decided on has
//! changed. Then everything is read and decided again.

use std::collections::HashMap;

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx, WriteError, retrying};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, MemberId, Role};

use super::{Error, Payouts};
use crate::domain::approval::{PayoutPolicy, check_unplanned};
use crate::domain::decision::{Excluded, Known, decide};
use crate::domain::order::{OnBlocked, Order, Source};
use crate::domain::settlement::Settlement;
use crate::metrics::METRICS;
use crate::store;

/// How often a payment is decided anew when others change the same earnings.
const TRIES: usize = 3;

/// How an order ended.
#[derive(Debug)]
pub(crate) enum Paid<R> {
    /// It was paid now.
    Now(R),
    /// It was paid earlier, under the same key: the answer of then.
    Before(R),
    /// Nothing was paid.
    Refused(Vec<Excluded>),
}

/// What was found out before deciding.
enum Found {
    Answered(Vec<u8>),
    /// With what the organization asks for above certain amounts.
    Known(Box<Known>, Vec<PayoutPolicy>),
}

/// A look at the database ended early: the question was answered before.
enum Early {
    Answered(Vec<u8>),
    Failed(Error),
}

impl Payouts {
    /// Pays an order, once per key. `reply` makes the answer, which is stored with the payment.
    #[tracing::instrument(
        name = "payouts.pay",
        skip_all,
        fields(source = order.source().as_str(), groups = order.groups().len())
    )]
    pub(crate) async fn pay<R: Message + Default>(
        &self,
        caller: &Caller,
        order: &Order,
        key: Option<&Idempotency>,
        reply: impl Fn(&Ctx, &Settlement) -> R,
    ) -> Result<Paid<R>, Error> {
        let ctx = &caller.ctx;
        self.permit(ctx, order.source())?;
        for _ in 0..TRIES {
            let (known, policies) = match self.find_out(caller, order, key).await? {
                Found::Answered(answer) => return replay(&answer),
                Found::Known(known, policies) => {
                    (self.with_accounts(ctx, order, *known).await?, policies)
                }
            };
            let verdict = decide(order, &known, ctx.member());
            let accounts = known.accounts.unwrap_or_default();
            let refused = match order.on_blocked() {
                OnBlocked::Fail => !verdict.excluded.is_empty(),
                OnBlocked::Skip => verdict.payable.is_empty(),
            };
            if refused {
                // The payment that stands in the way may be our own, made under this key between
                // the look for an answer and the look at the rows.
                if let Some(answer) = self.answer_under(ctx, key).await? {
                    return replay(&answer);
                }
                self.deny(ctx, &verdict.excluded, order.source()).await?;
                return Ok(Paid::Refused(verdict.excluded));
            }
            let settlement = Settlement::of(order, verdict)?;
            let settlement = self.keep_back(ctx, order, settlement).await?;
            let sums = settlement.totals.iter().map(|(sum, _)| sum);
            if let Err(refusal) = check_unplanned(&policies, sums) {
                return match self.answer_under(ctx, key).await? {
                    Some(answer) => replay(&answer),
                    None => Err(refusal.into()),
                };
            }
            let answer = reply(ctx, &settlement);
            if self.settle(ctx, (&settlement, &accounts), key, &answer).await? {
                METRICS.settled(&settlement);
                return Ok(Paid::Now(answer));
            }
        }
        Err(Error::Contended)
    }

    /// Keeps back what the payees owe, if that was asked for.
    pub(super) async fn keep_back(
        &self,
        ctx: &Ctx,
        order: &Order,
        mut settlement: Settlement,
    ) -> Result<Settlement, Error> {
        if order.nets() {
            let payees = settlement.payees().iter().map(|payee| payee.0).collect();
            let owed = store::receivable::open(&self.db, ctx.organization(), payees).await?;
            settlement.keep_back(owed)?;
        }
        Ok(settlement)
    }

    /// Leads pay single issues where the organization allows it. That it is their cycle is told by
    /// the facts: they see no others.
    fn permit(&self, ctx: &Ctx, source: Source) -> Result<(), Error> {
        match source {
            _ if ctx.has(Role::Admin) => Ok(()),
            Source::Manual if self.policy.leads_may_pay && ctx.has(Role::Lead) => Ok(()),
            Source::Manual | Source::BatchPay | Source::RunBatch => Err(Error::LeadMayNotPay),
        }
    }

    /// Looks for an earlier answer, our own rows and the facts, all at once.
    async fn find_out(
        &self,
        caller: &Caller,
        order: &Order,
        key: Option<&Idempotency>,
    ) -> Result<Found, Error> {
        let ctx = &caller.ctx;
        let recalled = async {
            match self.answer_under(ctx, key).await {
                Ok(None) => Ok(()),
                Ok(Some(answer)) => Err(Early::Answered(answer)),
                Err(error) => Err(Early::Failed(error)),
            }
        };
        // One after the other, on what is then one connection: they take less time than waking a
        // server process for each.
        let own = async {
            recalled.await?;
            let issues = order.issues().map(|issue| issue.0).collect();
            let earnings = store::earning::of_issues(&self.db, ctx.organization(), issues).await;
            let limits = self.limits(ctx).await;
            let policies = self.policies(ctx).await;
            Ok((earnings, limits, policies))
        };
        // Failures of the others wait: an earlier answer is given even if they cannot be reached.
        let facts = async { Ok(self.facts(caller, order.issues()).await) };
        match tokio::try_join!(own, facts) {
            Ok(((earnings, limits, policies), facts)) => {
                let (facts, earnings, limits) = (facts?, earnings?, limits?);
                let known = Known { facts, earnings, accounts: None, limits };
                Ok(Found::Known(Box::new(known), policies?))
            }
            Err(Early::Answered(answer)) => Ok(Found::Answered(answer)),
            Err(Early::Failed(error)) => Err(error),
        }
    }

    /// The answer given earlier under this key, if there is one.
    pub(super) async fn answer_under(
        &self,
        ctx: &Ctx,
        key: Option<&Idempotency>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match key {
            Some(key) => Ok(key.recall(&self.db, ctx).await?),
            None => Ok(None),
        }
    }

    /// Writes a settlement together with its answer. `false` if something has changed since it was
    /// decided; nothing is written then.
    async fn settle<R: Message>(
        &self,
        ctx: &Ctx,
        (settlement, accounts): (&Settlement, &HashMap<MemberId, String>),
        key: Option<&Idempotency>,
        answer: &R,
    ) -> Result<bool, Error> {
        fail_point!("pay::before_write");
        match retrying(|| self.write(ctx, settlement, accounts, key, answer)).await {
            Ok(()) => {
                fail_point!("pay::after_write");
                if settlement.is_executed() {
                    self.due.notify_one();
                }
                Ok(true)
            }
            Err(WriteError::Duplicate(_) | WriteError::Stale) => Ok(false),
            Err(error @ WriteError::Database(_)) => Err(Error::Write(error)),
        }
    }

    /// Writes it in one statement, or, if it is large, in several of one transaction.
    async fn write<R: Message>(
        &self,
        ctx: &Ctx,
        settlement: &Settlement,
        accounts: &HashMap<MemberId, String>,
        key: Option<&Idempotency>,
        answer: &R,
    ) -> Result<(), WriteError> {
        let (mut first, others) =
            store::settlement::write_sets(ctx, self.db.service(), settlement, accounts);
        if let Some(key) = key {
            first.insert(key.remember(ctx, answer.encode_to_vec()));
        }
        if others.len() == 0 {
            return first.commit(&self.db).await;
        }
        let tx = Tx::begin(&self.db, ctx).await?;
        tx.write(first).await?;
        for set in others {
            fail_point!("pay::between_pieces");
            tx.write(set).await?;
        }
        tx.commit().await
    }

    /// Leaves a trace of a refusal.
    async fn deny(&self, ctx: &Ctx, excluded: &[Excluded], source: Source) -> Result<(), Error> {
        retrying(|| {
            store::settlement::refusal_set(ctx, self.db.service(), excluded, source)
                .commit(&self.db)
        })
        .await
        .map_err(Error::Write)
    }
}

fn replay<R: Message + Default>(answer: &[u8]) -> Result<Paid<R>, Error> {
    METRICS.replayed();
    R::decode(answer).map(Paid::Before).map_err(|_| Error::Unreadable("an answer"))
}
