//! Approving plans, and the amounts from which approvals are needed.

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteSet};
use quittance_kernel::{Ctx, PlanId};

use super::{Answered, Error, Payouts};
use crate::domain::approval::{Approver, PayoutPolicy};
use crate::domain::plan::{Plan, PlanState};
use crate::store;

impl Payouts {
    /// Approves a plan as it was seen. Approving it again answers with the plan as it is.
    #[tracing::instrument(name = "payouts.approve_plan", skip_all, fields(plan.id = %id))]
    pub(crate) async fn approve_plan<R: Message + Default>(
        &self,
        ctx: &Ctx,
        (id, digest): (PlanId, &str),
        key: Option<&Idempotency>,
        reply: impl Fn(&Plan) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let (organization, reply) = (ctx.organization(), &reply);
        self.once(ctx, key, || async move {
            let plan = self.find_plan(ctx, id).await?;
            let is_payee = store::approval::pays(&self.db, organization, id, ctx.member()).await?;
            let plan = self.needing(ctx, plan).await?;
            let by = Approver { member: ctx.member(), is_payee, digest };
            let approved = match plan.approved(by, ctx.now) {
                Ok(Some(approved)) => approved,
                Ok(None) => return Ok(reply(&plan)),
                Err(refusal) => return Err(self.denied(ctx, &plan, refusal).await?),
            };
            let reply = reply(&approved);
            let set = || {
                let mut set = WriteSet::new();
                store::approval::approve(ctx, self.db.service(), &mut set, &plan, &approved);
                set
            };
            self.write_remembered(ctx, key, &reply, set).await?;
            Ok(reply)
        })
        .await
    }

    /// Lists what the organization asks for.
    #[tracing::instrument(name = "payouts.policies", skip_all)]
    pub(crate) async fn policies(&self, ctx: &Ctx) -> Result<Vec<PayoutPolicy>, Error> {
        Ok(store::approval::policies(&self.db, ctx.organization()).await?)
    }

    /// A plan with the number of approvals that it needs now, as long as it is open.
    pub(super) async fn needing(&self, ctx: &Ctx, plan: Plan) -> Result<Plan, Error> {
        if plan.state_at(ctx.now) != PlanState::Open {
            return Ok(plan);
        }
        Ok(plan.needing(&self.policies(ctx).await?))
    }
}
