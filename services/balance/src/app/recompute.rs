//! Whether the kept sums are what the lines add up to.

use super::{Balances, Error};
use crate::store;

impl Balances {
    /// Recomputes every sum from the lines and tells each one that was kept differently.
    #[tracing::instrument(name = "balance.drift", skip_all)]
    pub async fn drift(&self) -> Result<Vec<String>, Error> {
        Ok(store::drift(&self.db, None).await?)
    }
}
