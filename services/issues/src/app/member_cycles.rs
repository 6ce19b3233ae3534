use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, CycleId, MemberId};

use super::create_cycle::MOST_PEOPLE;
use super::page::Cursor;
use super::{CycleDetail, Issues, Page, Paging};
use crate::domain::cycle::Cycle;
use crate::error::{Error, Kind};
use crate::store;

impl Issues {
    /// Lists the cycles that a member leads or is assigned to, the newest first.
    #[tracing::instrument(name = "members.cycles", skip_all, fields(member.id = %member))]
    pub async fn member_cycles(
        &self,
        ctx: &Ctx,
        member: MemberId,
        paging: &Paging,
    ) -> Result<Page<CycleDetail>, Error> {
        self.get_member(ctx, member).await?;
        let mut cursor = Cursor::parse(paging, format!("cycles of {member}"))?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let organization = ctx.organization();
        let rows =
            store::cycle::list_of(self.db.conn(), organization, member, after, limit).await?;
        let items = rows.into_iter().map(|(cycle, gate)| CycleDetail::new(cycle, gate)).collect();
        Ok(cursor.page(items, |item: &CycleDetail| (item.cycle.created_at, item.cycle.id.0)))
    }

    /// Assigns a member to a cycle as a lead or not, or, with none, takes them out of it. What is so
    /// already is not written again.
    #[tracing::instrument(
        name = "members.assign", skip_all, fields(member.id = %member, cycle.id = %cycle)
    )]
    pub async fn assign_member(
        &self,
        ctx: &Ctx,
        cycle: CycleId,
        member: MemberId,
        lead: Option<bool>,
    ) -> Result<CycleDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let found = store::cycle::load(&tx, cycle, "UPDATE").await?;
        let (before, gate) = found.ok_or(Error::NotFound(Kind::Cycle, cycle.0))?;
        let known = store::member::find(tx.conn(), ctx.organization(), member).await?;
        if known.is_none() {
            return Err(Error::NotFound(Kind::Member, member.0));
        }
        let crew = before.crew.with(member, lead);
        if crew == before.crew {
            return Ok(CycleDetail::new(before, gate));
        }
        for (field, people) in [("lead_ids", crew.leads()), ("member_ids", crew.members())] {
            let found = people.len();
            if MOST_PEOPLE < found {
                return Err(Error::Count { field, found, least: 0, most: MOST_PEOPLE });
            }
        }
        let after = Cycle { crew, ..before.clone() };
        let cycle = store::cycle::save(&mut tx, Some(&before), after).await?;
        tx.commit().await?;
        Ok(CycleDetail::new(cycle, gate))
    }
}
