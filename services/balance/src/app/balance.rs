//! A member's own balance.

use quittance_kernel::Ctx;

use super::{Balances, Error};
use crate::domain::Balance;
use crate::store;

impl Balances {
    /// Returns the caller's balance, as far as events have told it.
    #[tracing::instrument(name = "balance.get", skip_all)]
    pub async fn balance(&self, ctx: &Ctx) -> Result<Balance, Error> {
        let cycles = store::cycles_of(&self.db, ctx.organization(), ctx.member()).await?;
        Ok(Balance::of(cycles)?)
    }
}
