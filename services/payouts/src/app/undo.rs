//! Void, return and cancel: what can still happen to a payout after it was made.

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx, WriteError};
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, PayoutId};

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::lifecycle::{LifecycleError, Undo, Undone, Wish, undo};
use crate::store;

impl Payouts {
    /// Undoes a payout, once per key. `reply` makes the answer, which is stored with the effect.
    #[tracing::instrument(name = "payouts.undo", skip_all, fields(payout.id = %id, undo = ?wish.undo))]
    pub(crate) async fn undo<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: PayoutId,
        wish: &Wish,
        key: Option<&Idempotency>,
        reply: impl Fn(&Undone) -> R,
    ) -> Result<Answered<R>, Error> {
        Self::permit_runs(ctx)?;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            match self.try_undo(ctx, id, wish, key, &reply).await {
                Ok(reply) => return Ok(Answered { reply, replayed: false }),
                // Somebody has paid or undone something of it in between.
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {}
                Err(Error::Lifecycle(refusal)) => {
                    // The same request may have done it since the key was looked up.
                    if let Some(before) = self.recall(ctx, key).await? {
                        return Ok(before);
                    }
                    return Err(refusal.into());
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    async fn try_undo<R: Message>(
        &self,
        ctx: &Ctx,
        id: PayoutId,
        wish: &Wish,
        key: Option<&Idempotency>,
        reply: &impl Fn(&Undone) -> R,
    ) -> Result<R, Error> {
        let organization = ctx.organization();
        let tx = Tx::begin(&self.db, ctx).await?;
        let payout = store::payout::lock(tx.conn(), organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        let partner = if store::lifecycle_read::is_of_partner(tx.conn(), organization, id).await? {
            // Before its items are looked at: while it waits, its earning is not one to be moved.
            wish.undo.check(payout.state)?;
            store::partner::lock(&tx, organization, &[id]).await?.pop()
        } else {
            None
        };
        let held = store::lifecycle_read::hold(tx.conn(), organization, id).await?;
        let undone = undo(&payout, &held, wish, ctx.member(), ctx.now)?;
        let reply = reply(&undone);
        let released =
            store::lifecycle::release(tx.conn(), organization, id, &undone.items).await?;
        if usize::try_from(released) != Ok(undone.items.len()) {
            return Err(Error::Write(WriteError::Stale));
        }
        let mut set = match &partner {
            Some(before) => {
                if undone.undo != Undo::Void {
                    store::partner_undo::free(&tx, organization, id).await?;
                }
                store::partner_undo::write_set(ctx, self.db.service(), &undone, before)
            }
            None => store::lifecycle::write_set(ctx, self.db.service(), &undone),
        };
        if undone.undo == Undo::Return && payout.netted_minor > 0 {
            // What was kept back was not paid after all: it is owed again.
            let kept = store::receivable::kept_by(tx.conn(), organization, id).await?;
            store::receivable::give_back(ctx, self.db.service(), &mut set, &kept);
            store::receivable::forget(tx.conn(), organization, id).await?;
        }
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        tx.write(set).await.map_err(Error::Write)?;
        fail_point!("undo::before_commit");
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("undo::after_commit");
        Ok(reply)
    }
}
