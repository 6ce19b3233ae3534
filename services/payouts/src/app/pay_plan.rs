//! Paying lines that are too many for memory: in pieces of one transaction, all or nothing.

use quittance_chassis::db::{Idempotency, Tx, WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{BatchId, Ctx, EarningId, PlanId, Totals};

use super::draft::{Draft, PAGE, minimums};
use super::plan::TRIES;
use super::{Answered, Committed, Error, Payouts};
use crate::domain::approval::check_unplanned;
use crate::domain::decision::Excluded;
use crate::domain::eligibility::Reason;
use crate::domain::order::Source;
use crate::domain::plan::{
    Difference, INLINE, Plan, PlanError, PlanItem, PlanState, Run, netted_otherwise, payout_of,
};
use crate::domain::settlement::{NewPayout, Settlement};
use crate::metrics::METRICS;
use crate::store;
use crate::store::plan::draft::{self, DuePayee};

/// What is paid in pieces.
#[derive(Clone, Copy)]
struct Paying<'a> {
    run: &'a Run,
    batch: BatchId,
    items: i64,
    /// Whose lines are paid.
    lines: PlanId,
    /// Whose lines tell what was left out.
    left_out: PlanId,
}

impl Payouts {
    /// As [`Payouts::run_batch`], of what is too large for memory. `reply` makes the answer.
    pub(super) async fn run_large<R: prost::Message + Default>(
        &self,
        caller: &Caller,
        (run, dry): (&Run, bool),
        key: Option<&Idempotency>,
        reply: impl Fn(&Plan) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let ctx = &caller.ctx;
        for _ in 0..TRIES {
            let drawn = self.try_run_large(caller, (run, dry), key, &reply).await;
            match drawn {
                Ok(reply) => return Ok(Answered { reply, replayed: false }),
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {
                    self.forget_draft(ctx, run.plan).await?;
                }
                Err(error) => {
                    self.forget_draft(ctx, run.plan).await?;
                    return Err(error);
                }
            }
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
        }
        Err(Error::Contended)
    }

    async fn try_run_large<R: prost::Message>(
        &self,
        caller: &Caller,
        (run, dry): (&Run, bool),
        key: Option<&Idempotency>,
        reply: &(impl Fn(&Plan) -> R + Send + Sync),
    ) -> Result<R, Error> {
        let ctx = &caller.ctx;
        let draft = Draft { run, author: ctx.member(), id: run.plan, like: None };
        let sums = self.draft(caller, draft).await?;
        let policies = self.policies(ctx).await?;
        if !dry {
            check_unplanned(&policies, sums.totals.iter().map(|(sum, _)| *sum))?;
        }
        let batch = (!dry && sums.item_count > 0).then(BatchId::new);
        let plan = Plan::summed(run, sums, ctx.member(), ctx.now, dry, batch).needing(&policies);
        let reply = reply(&plan);
        let mut set = WriteSet::new();
        store::plan::show(ctx, self.db.service(), &mut set, &plan);
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        fail_point!("plan::before_write");
        let tx = Tx::begin(&self.db, ctx).await?;
        tx.write(set).await.map_err(Error::Write)?;
        draft::settle(tx.conn(), ctx.organization(), run.plan).await?;
        if let Some(batch) = batch {
            let (items, lines) = (plan.item_count, run.plan);
            let paying = Paying { run, batch, items, lines, left_out: lines };
            self.pay_pieces(&tx, ctx, paying).await?;
        }
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("plan::after_write");
        if !dry {
            METRICS.settled_sums(&plan.totals, plan.method);
        }
        Ok(reply)
    }

    /// Pays a plan that is too large for memory, exactly as it was shown, or nothing. None if others
    /// were faster.
    pub(super) async fn commit_large<R: prost::Message>(
        &self,
        caller: &Caller,
        plan: &Plan,
        key: Option<&Idempotency>,
        reply: &(impl Fn(&Plan, Committed<'_>) -> R + Send + Sync),
    ) -> Result<Option<R>, Error> {
        let (ctx, run, id) = (&caller.ctx, plan.run()?, PlanId::new());
        let done = self.try_commit_large(caller, (plan, &run, id), key, reply).await;
        self.forget_draft(ctx, id).await?;
        match done {
            Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => Ok(None),
            done => done,
        }
    }

    async fn try_commit_large<R: prost::Message>(
        &self,
        caller: &Caller,
        (plan, run, id): (&Plan, &Run, PlanId),
        key: Option<&Idempotency>,
        reply: &(impl Fn(&Plan, Committed<'_>) -> R + Send + Sync),
    ) -> Result<Option<R>, Error> {
        let ctx = &caller.ctx;
        // Where sums by payee decide, they are drawn anew; else only what is included is compared.
        let whole = is_large(plan) && minimums(&self.limits(ctx).await?, run).is_empty();
        let like = whole.then_some(plan.id);
        let draft = Draft { run, author: plan.created_by, id, like };
        let sums = self.draft(caller, draft).await?;
        let lines = like.unwrap_or(id);
        if store::approval::pays(&self.db, ctx.organization(), lines, ctx.member()).await? {
            return Err(self.denied(ctx, plan, PlanError::SelfPayment).await?);
        }
        if sums.digest != plan.digest {
            // What was only compared is drawn whole now, to tell how it differs.
            let draft = Draft { like: None, ..draft };
            let sums = if like.is_some() { self.draft(caller, draft).await? } else { sums };
            if sums.digest == plan.digest {
                return Ok(None);
            }
            let netted = netted_otherwise(&plan.nettings, &sums.nettings);
            return self.outdate_large(ctx, (plan, id), netted, key, reply).await;
        }
        let plan = &self.needing(ctx, plan.clone()).await?;
        if let Err(refusal) = plan.check_approved() {
            return Err(self.denied(ctx, plan, refusal).await?);
        }
        let batch = (plan.item_count > 0).then(BatchId::new);
        let paid = plan.moved(PlanState::Committed, batch, ctx.now);
        let reply = reply(&paid, Committed::Paid(None));
        let mut set = WriteSet::new();
        store::plan::change(ctx, self.db.service(), &mut set, plan, &paid);
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        fail_point!("plan::before_commit");
        let tx = Tx::begin(&self.db, ctx).await?;
        // The plan first: of two who commit it, one waits and then finds it committed.
        tx.write(set).await.map_err(Error::Write)?;
        if let Some(batch) = batch {
            let paying = Paying { run, batch, items: plan.item_count, lines, left_out: id };
            self.pay_pieces(&tx, ctx, paying).await?;
        }
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("plan::after_commit");
        METRICS.settled_sums(&plan.totals, plan.method);
        Ok(Some(reply))
    }

    /// Marks a plan stale and tells how what would be paid now differs.
    async fn outdate_large<R: prost::Message>(
        &self,
        ctx: &Ctx,
        (plan, drawn): (&Plan, PlanId),
        netted: Vec<quittance_kernel::MemberId>,
        key: Option<&Idempotency>,
        reply: &(impl Fn(&Plan, Committed<'_>) -> R + Send + Sync),
    ) -> Result<Option<R>, Error> {
        let (conn, organization) = (self.db.conn(), ctx.organization());
        let found = draft::difference(conn, organization, (plan.id, drawn)).await?;
        let difference = Difference { netted, ..found };
        let stale = plan.moved(PlanState::Stale, None, ctx.now);
        let reply = reply(&stale, Committed::Stale(&difference));
        let mut set = WriteSet::new();
        store::plan::change(ctx, self.db.service(), &mut set, plan, &stale);
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        let tx = Tx::begin(&self.db, ctx).await?;
        tx.write(set).await.map_err(Error::Write)?;
        self.tell_left_out(&tx, ctx, drawn).await?;
        tx.commit().await.map_err(Error::Write)?;
        Ok(Some(reply))
    }

    /// Writes a batch in pieces: payouts, then items in the order of the earnings' ids, as all rows
    /// are locked, then who was left out.
    async fn pay_pieces(&self, tx: &Tx, ctx: &Ctx, paying: Paying<'_>) -> Result<(), Error> {
        let (organization, service) = (ctx.organization(), self.db.service());
        let payouts = draft::count_payees(tx.conn(), organization, paying.lines).await?;
        let batch =
            store::settlement::batch_piece(ctx, service, paying.batch, payouts, paying.items);
        tx.write(batch).await.map_err(Error::Write)?;
        let mut after: Option<DuePayee> = None;
        loop {
            let payees =
                draft::payees(tx.conn(), organization, paying.lines, after.as_ref(), PAGE).await?;
            let Some(last) = payees.last() else { break };
            after = Some(*last);
            let settlement = self.payouts_of(ctx, paying.run, paying.batch, &payees).await?;
            let set = store::settlement::payouts_piece(ctx, service, &settlement);
            tx.write(set).await.map_err(Error::Write)?;
        }
        let (mut after, mut written): (Option<EarningId>, usize) = (None, 0);
        loop {
            let (items, payouts) =
                draft::due(tx.conn(), organization, paying.lines, after, PAGE).await?;
            let Some(last) = items.last() else { break };
            after = Some(last.paid.earning);
            written += items.len();
            let payout = |(payee, currency)| NewPayout {
                id: payout_of(paying.batch, payee, currency),
                payee,
                total: quittance_kernel::Money::signed(0, currency),
                netted: 0,
                method: paying.run.method,
                reference: paying.run.reference.clone(),
                issues: vec![],
                item_count: 0,
            };
            let settlement = Settlement {
                batch: Some(paying.batch),
                source: Source::RunBatch,
                payouts: payouts.into_iter().map(payout).collect(),
                items,
                excluded: vec![],
                totals: Totals::default(),
                receivables: vec![],
                nettings: vec![],
            };
            let set = store::settlement::items_piece(ctx, service, &settlement);
            tx.write(set).await.map_err(Error::Write)?;
        }
        // An earning that is gone would be missing from the join.
        if i64::try_from(written) != Ok(paying.items) {
            return Err(Error::Write(WriteError::Stale));
        }
        self.tell_left_out(tx, ctx, paying.left_out).await
    }

    /// Leaves a trace of everything that was left out, as every attempt to pay does.
    async fn tell_left_out(&self, tx: &Tx, ctx: &Ctx, lines: PlanId) -> Result<(), Error> {
        let (service, mut after) = (self.db.service(), None);
        loop {
            let (conn, organization) = (tx.conn(), ctx.organization());
            let items =
                store::plan::told_apart(conn, organization, lines, false, after, PAGE).await?;
            let Some(last) = items.last() else { return Ok(()) };
            after = Some(last.earning);
            let excluded: Vec<Excluded> = items.iter().map(excluded).collect();
            let set = store::settlement::refusal_set(ctx, service, &excluded, Source::RunBatch);
            tx.write(set).await.map_err(Error::Write)?;
        }
    }
}

fn excluded(item: &PlanItem) -> Excluded {
    let reasons = item.reasons.iter().filter_map(|word| Reason::read(word)).collect();
    Excluded { issue: item.issue, reasons }
}

/// Whether a plan was drawn in pieces.
pub(super) fn is_large(plan: &Plan) -> bool {
    usize::try_from(plan.item_count + plan.excluded_count).is_ok_and(|count| count > INLINE)
}
