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
        let ended = self.pay_anew(caller, order, key, reply).await;
        if matches!(ended, Ok(Paid::Now(_) | Paid::Before(_))) {
            return ended;
        }
        // The payment that stands in the way may be our own, made under this key: its answer is given
        // again, also when the facts cannot be reached. Looked for only now, so that the first request
        // does without this look; what it writes is refused if the key is taken.
        if let Some(answer) = self.answer_under(ctx, key).await? {
            return replay(&answer);
        }
        if let Ok(Paid::Refused(excluded)) = &ended {
            self.deny(ctx, excluded, order.source()).await?;
        }
        ended
    }

    /// Pays an order as if it came for the first time.
    async fn pay_anew<R: Message + Default>(
        &self,
        caller: &Caller,
        order: &Order,
        key: Option<&Idempotency>,
        reply: impl Fn(&Ctx, &Settlement) -> R,
    ) -> Result<Paid<R>, Error> {
        let ctx = &caller.ctx;
        for _ in 0..TRIES {
            let (known, policies) = self.find_out(caller, order).await?;
            let known = self.with_accounts(ctx, order, known).await?;
            let verdict = decide(order, &known, ctx.member());
            let accounts = known.accounts.unwrap_or_default();
            let refused = match order.on_blocked() {
                OnBlocked::Fail => !verdict.excluded.is_empty(),
                OnBlocked::Skip => verdict.payable.is_empty(),
            };
            if refused {
                return Ok(Paid::Refused(verdict.excluded));
            }
            let settlement = Settlement::of(order, verdict)?;
            let settlement = self.keep_back(ctx, order, settlement).await?;
            check_unplanned(&policies, settlement.totals.iter().map(|(sum, _)| sum))?;
            let answer = reply(ctx, &settlement);
            if self.settle(ctx, (&settlement, &accounts), key, &answer).await? {
                METRICS.settled(&settlement);
                return Ok(Paid::Now(answer));
            }
            if let Some(answer) = self.answer_under(ctx, key).await? {
                return replay(&answer);
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

    /// Reads our own rows and the facts, at once.
    async fn find_out(
        &self,
        caller: &Caller,
        order: &Order,
    ) -> Result<(Known, Vec<PayoutPolicy>), Error> {
        let ctx = &caller.ctx;
        // One after the other, on what is then one connection: they take less time than waking a
        // server process for each.
        let own = async {
            let issues = order.issues().map(|issue| issue.0).collect();
            let rules = self.payment_rules(ctx).await?;
            let earnings = store::earning::of_issues(&self.db, ctx.organization(), issues).await?;
            Ok::<_, Error>((earnings, rules))
        };
        let facts = self.facts(caller, order.issues());
        let ((earnings, (limits, policies)), facts) = tokio::try_join!(own, facts)?;
        Ok((Known { facts, earnings, accounts: None, limits }, policies))
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
