//! Sending a payer to the page on which they confirm a charge at their bank.

use quittance_chassis::clock;
use quittance_chassis::db::{Entry, Journal, WriteSet};
use quittance_kernel::Ctx;
use uuid::Uuid;

use super::charges::call;
use super::pay_bounty::RAIL;
use super::{Error, Payouts};
use crate::domain::charge::ChargeState;
use crate::domain::rail::RailError;
use crate::store;

impl Payouts {
    /// The provider's page for a charge that waits for its payer; nothing if it needs none. Whatever
    /// happens there is asked for, as always.
    #[tracing::instrument(name = "charges.confirm", skip_all, fields(charge.id = %id))]
    pub(crate) async fn confirm_charge(
        &self,
        ctx: &Ctx,
        id: Uuid,
    ) -> Result<Option<String>, Error> {
        Self::permit_runs(ctx)?;
        let found = store::charge::get(self.db.conn(), ctx.organization(), id).await?;
        let charge = found.ok_or(RailError::ChargeNotFound(id))?;
        if charge.state != ChargeState::NeedsAction {
            return Err(RailError::NothingToConfirm.into());
        }
        let rail = self.rails.of(RAIL).ok_or(RailError::NothingToConfirm)?;
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        journal.note(ctx, Entry::new("charge.confirming", "charge", id));
        journal.write_to(ctx, &mut set);
        set.commit(&self.db).await.map_err(Error::Write)?;
        let page = rail.confirmation(&call(&charge), &charge.reference).await;
        // Some banks agree at once, and some refuse.
        store::provider_event::hurry_charge(self.db.conn(), id, clock::now()).await?;
        self.due.notify_one();
        Ok(page?)
    }
}
