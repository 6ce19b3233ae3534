use quittance_kernel::{Ctx, CycleId};

use super::page::Cursor;
use super::{CycleDetail, CycleFilter, Issues, Page, Paging};
use crate::domain::cycle::Cycle;
use crate::domain::sight::Sight;
use crate::error::{Error, Kind};
use crate::store::cycle::{Found, find, list};

impl Issues {
    /// Gets a cycle. Cycles are nobody's own: everyone in the organization may file in them.
    #[tracing::instrument(name = "cycles.get", skip_all, fields(cycle.id = %id))]
    pub async fn get_cycle(&self, ctx: &Ctx, id: CycleId) -> Result<CycleDetail, Error> {
        let found = find(self.db.conn(), ctx.organization(), id).await?;
        let (cycle, gate) = found.ok_or(Error::NotFound(Kind::Cycle, id.0))?;
        Ok(CycleDetail::new(cycle, gate))
    }

    /// Lists cycles, the newest first.
    #[tracing::instrument(name = "cycles.list", skip_all)]
    pub async fn list_cycles(
        &self,
        ctx: &Ctx,
        filter: CycleFilter,
        paging: &Paging,
    ) -> Result<Page<CycleDetail>, Error> {
        let mut cursor = Cursor::parse(paging, format!("cycles {filter:?}"))?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), ctx.organization(), filter, after, limit).await?;
        let items = rows.into_iter().map(|(cycle, gate)| CycleDetail::new(cycle, gate)).collect();
        Ok(cursor.page(items, |item| (item.cycle.created_at, item.cycle.id.0)))
    }

    /// Finds a cycle whose money the caller may see: a lead sees that of their own cycles only.
    pub(super) async fn cycle_in_charge(&self, ctx: &Ctx, id: CycleId) -> Result<Found, Error> {
        let found = find(self.db.conn(), ctx.organization(), id).await?;
        let visible = |cycle: &Cycle| match Sight::in_charge(ctx) {
            Sight::All => true,
            Sight::Led(member) | Sight::OwnAndLed(member) | Sight::Own(member) => {
                cycle.crew.leads().contains(&member)
            }
        };
        found.filter(|(cycle, _)| visible(cycle)).ok_or(Error::NotFound(Kind::Cycle, id.0))
    }
}
