//! A member's own balance.

use quittance_kernel::Ctx;

use super::{Balances, Error};
use crate::domain::Balance;
use crate::store;

impl Balances {
    /// Returns the caller's balance, as far as events have told it.
    #[tracing::instrument(name = "balance.get", skip_all)]
    pub async fn balance(&self, ctx: &Ctx) -> Result<Balance, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        let (cycles, partner) = tokio::try_join!(
            store::cycles_of(&self.db, organization, member),
            store::partner_sums(&self.db, organization, member),
        )?;
        Ok(Balance::of(cycles)?.with(&partner)?)
    }
}
