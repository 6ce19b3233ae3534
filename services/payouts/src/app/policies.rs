//! Setting the amounts from which approvals are needed: more at once, less with a second admin.

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx, WriteError, WriteSet};
use quittance_kernel::Ctx;
use uuid::Uuid;

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::approval::{PayoutPolicy, Proposal, Wanted};
use crate::domain::plan::PlanError;
use crate::store;

impl Payouts {
    /// Sets what is asked for in one currency. What asks for less than before is only proposed: the
    /// policy stays as it is until another admin has confirmed it.
    #[tracing::instrument(name = "payouts.set_policy", skip_all)]
    pub(crate) async fn set_policy(
        &self,
        ctx: &Ctx,
        wanted: &Wanted,
    ) -> Result<(PayoutPolicy, Option<Proposal>), Error> {
        Self::permit_runs(ctx)?;
        for _ in 0..TRIES {
            let policies = self.policies(ctx).await?;
            let before = policies.iter().find(|policy| policy.currency == wanted.currency);
            if let Some(before) = before.filter(|before| wanted.loosens(Some(before))) {
                let proposal = Proposal::new(*wanted, before.version, ctx.member(), ctx.now);
                match self.propose(ctx, &proposal).await {
                    Ok(()) => return Ok((*before, Some(proposal))),
                    Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => continue,
                    Err(error) => return Err(error),
                }
            }
            let policy = wanted.after(before, ctx.member(), ctx.now);
            let wrote = self.wrote(|| {
                let mut set = WriteSet::new();
                store::approval::set_policy(ctx, self.db.service(), &mut set, before, &policy);
                set
            });
            if wrote.await? {
                return Ok((policy, None));
            }
        }
        Err(Error::Contended)
    }

    /// Takes the place of what was proposed in this currency before.
    async fn propose(&self, ctx: &Ctx, proposal: &Proposal) -> Result<(), Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let organization = ctx.organization();
        let currency = proposal.wanted.currency;
        store::policy::replace(tx.conn(), organization, currency, ctx.now).await?;
        let set = store::policy::propose(ctx, self.db.service(), proposal);
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)
    }

    /// Lists what waits for another admin.
    pub(crate) async fn proposals(&self, ctx: &Ctx) -> Result<Vec<Proposal>, Error> {
        Ok(store::policy::open(&self.db, ctx.organization()).await?)
    }

    /// Confirms what another admin has proposed, if the policy is still the one that it was about.
    #[tracing::instrument(name = "payouts.confirm_policy", skip_all, fields(proposal.id = %id))]
    pub(crate) async fn confirm_policy<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: Uuid,
        key: Option<&Idempotency>,
        reply: impl Fn(&PayoutPolicy) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        Self::permit_runs(ctx)?;
        let reply = &reply;
        self.once(ctx, key, || async move {
            let proposals = self.proposals(ctx).await?;
            let proposal = proposals.iter().find(|proposal| proposal.id == id);
            let proposal = proposal.ok_or(PlanError::ProposalNotFound(id))?;
            let policies = self.policies(ctx).await?;
            let holds = policies.iter().find(|policy| policy.currency == proposal.wanted.currency);
            proposal.check(holds, ctx.member())?;
            let policy = proposal.wanted.after(holds, ctx.member(), ctx.now);
            let reply = reply(&policy);
            let set = || {
                let mut set = store::policy::confirm(ctx, self.db.service(), proposal);
                store::approval::set_policy(ctx, self.db.service(), &mut set, holds, &policy);
                set
            };
            self.write_remembered(ctx, key, &reply, set).await?;
            Ok(reply)
        })
        .await
    }
}
