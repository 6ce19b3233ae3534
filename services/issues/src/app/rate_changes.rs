use quittance_kernel::{Ctx, CycleId};

use super::page::Cursor;
use super::{Issues, Page, Paging};
use crate::domain::rates::RateChange;
use crate::error::Error;
use crate::store::rate_change::list;

impl Issues {
    /// Lists every change of a cycle's rates, the newest first.
    #[tracing::instrument(name = "cycles.rate_changes", skip_all, fields(cycle.id = %cycle))]
    pub async fn rate_changes(
        &self,
        ctx: &Ctx,
        cycle: CycleId,
        paging: &Paging,
    ) -> Result<Page<RateChange>, Error> {
        self.cycle_in_charge(ctx, cycle).await?;
        let mut cursor = Cursor::parse(paging, format!("rate changes {cycle}"))?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), ctx.organization(), cycle, after, limit).await?;
        Ok(cursor.page(rows, |change| (change.at, change.id)))
    }
}
