//! Paying a plan exactly as it was shown, or not at all; and giving one up.

use std::collections::HashMap;

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteSet};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, PlanId};

use super::pay_plan::is_large;
use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::plan::{
    Difference, Drawn, INLINE, Plan, PlanError, PlanState, difference, netted_otherwise,
};
use crate::metrics::METRICS;
use crate::store;

/// How committing ended, for the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Committed<'a> {
    /// What was paid, unless it is too large for memory.
    Paid(Option<&'a Drawn>),
    /// Something has changed; nothing was paid.
    Stale(&'a Difference),
}

impl Payouts {
    /// Commits a plan, once per key. `reply` makes the answer, which is stored with the effect.
    #[tracing::instrument(name = "payouts.commit_plan", skip_all, fields(plan.id = %id))]
    pub(crate) async fn commit_plan<R: Message + Default>(
        &self,
        caller: &Caller,
        id: PlanId,
        key: Option<&Idempotency>,
        reply: impl Fn(&Plan, Committed<'_>) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let ctx = &caller.ctx;
        Self::permit_runs(ctx)?;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let plan = self.find_plan(ctx, id).await?;
            if let Err(refusal) = plan.check_open(ctx.now) {
                // The same request may have committed it since the key was looked up.
                if let Some(before) = self.recall(ctx, key).await? {
                    return Ok(before);
                }
                return Err(self.denied(ctx, &plan, refusal).await?);
            }
            let drawn = if is_large(&plan) {
                None
            } else {
                self.draw(caller, &plan.run()?, plan.created_by).await?
            };
            let Some(drawn) = drawn else {
                match self.commit_large(caller, &plan, key, &reply).await? {
                    Some(reply) => return Ok(Answered { reply, replayed: false }),
                    None => continue,
                }
            };
            // The author's own earnings were never in it; the committer's may be.
            if drawn.included.iter().any(|item| item.payee == ctx.member()) {
                return Err(self.denied(ctx, &plan, PlanError::SelfPayment).await?);
            }
            let done = if drawn.digest == plan.digest {
                // Now, not when it was made: a policy holds for plans that are open already.
                let plan = self.needing(ctx, plan).await?;
                if let Err(refusal) = plan.check_approved() {
                    return Err(self.denied(ctx, &plan, refusal).await?);
                }
                self.pay_plan(ctx, &plan, &drawn, key, &reply).await?
            } else {
                self.outdate(ctx, &plan, &drawn, key, &reply).await?
            };
            if let Some(reply) = done {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }

    /// Gives up an open plan.
    #[tracing::instrument(name = "payouts.cancel_plan", skip_all, fields(plan.id = %id))]
    pub(crate) async fn cancel_plan<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: PlanId,
        key: Option<&Idempotency>,
        reply: impl Fn(&Plan) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        Self::permit_runs(ctx)?;
        let reply = &reply;
        self.once(ctx, key, || async move {
            let plan = self.find_plan(ctx, id).await?;
            if let Err(refusal) = plan.check_open(ctx.now) {
                return Err(self.denied(ctx, &plan, refusal).await?);
            }
            let cancelled = plan.moved(PlanState::Cancelled, None, ctx.now);
            let reply = reply(&cancelled);
            let set = || {
                let mut set = WriteSet::new();
                store::plan::change(ctx, self.db.service(), &mut set, &plan, &cancelled);
                set
            };
            self.write_remembered(ctx, key, &reply, set).await?;
            Ok(reply)
        })
        .await
    }

    pub(super) async fn find_plan(&self, ctx: &Ctx, id: PlanId) -> Result<Plan, Error> {
        let plan = store::plan::find(&self.db, ctx.organization(), id).await?;
        Ok(plan.ok_or(PlanError::NotFound(id))?)
    }

    /// Refuses; a plan whose time is over is marked so. The refusal itself is noted at the edge.
    pub(super) async fn denied(
        &self,
        ctx: &Ctx,
        plan: &Plan,
        refusal: PlanError,
    ) -> Result<Error, Error> {
        if plan.state_at(ctx.now) != plan.state {
            // Whoever else has changed the plan meanwhile has left a trace of that.
            self.wrote(|| {
                let mut set = WriteSet::new();
                let expired = plan.moved(PlanState::Expired, None, ctx.now);
                store::plan::change(ctx, self.db.service(), &mut set, plan, &expired);
                set
            })
            .await?;
        }
        Ok(Error::Plan(refusal))
    }

    async fn pay_plan<R: Message>(
        &self,
        ctx: &Ctx,
        plan: &Plan,
        drawn: &Drawn,
        key: Option<&Idempotency>,
        reply: &impl Fn(&Plan, Committed<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let paid = plan.moved(PlanState::Committed, drawn.settlement.batch, ctx.now);
        let reply = reply(&paid, Committed::Paid(Some(drawn)));
        fail_point!("plan::before_commit");
        let wrote = self.wrote(|| {
            let service = self.db.service();
            let mut set =
                store::settlement::write_set(ctx, service, &drawn.settlement, &HashMap::new());
            store::plan::change(ctx, service, &mut set, plan, &paid);
            if let Some(key) = key {
                set.insert(key.remember(ctx, reply.encode_to_vec()));
            }
            set
        });
        if !wrote.await? {
            return Ok(None);
        }
        fail_point!("plan::after_commit");
        METRICS.settled(&drawn.settlement);
        Ok(Some(reply))
    }

    async fn outdate<R: Message>(
        &self,
        ctx: &Ctx,
        plan: &Plan,
        drawn: &Drawn,
        key: Option<&Idempotency>,
        reply: &impl Fn(&Plan, Committed<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let (conn, organization) = (self.db.conn(), ctx.organization());
        let shown =
            store::plan::told_apart(conn, organization, plan.id, true, None, INLINE).await?;
        let netted = netted_otherwise(&plan.nettings, &drawn.nettings());
        let difference = Difference { netted, ..difference(&shown, &drawn.included) };
        let stale = plan.moved(PlanState::Stale, None, ctx.now);
        let reply = reply(&stale, Committed::Stale(&difference));
        let (excluded, source) = (&drawn.settlement.excluded, drawn.settlement.source);
        let wrote = self.wrote(|| {
            let service = self.db.service();
            // Whoever the gate has stopped meanwhile is told, as after every attempt to pay.
            let mut set = store::settlement::refusal_set(ctx, service, excluded, source);
            store::plan::change(ctx, service, &mut set, plan, &stale);
            if let Some(key) = key {
                set.insert(key.remember(ctx, reply.encode_to_vec()));
            }
            set
        });
        Ok(wrote.await?.then_some(reply))
    }
}
