use quittance_kernel::{Ctx, MemberId, Role};

use super::page::Cursor;
use super::{Issues, Page, Paging};
use crate::domain::member::Member;
use crate::domain::sight::Sight;
use crate::error::{Error, Kind};
use crate::store::member::{find, list};

impl Issues {
    /// Gets a member. Whoever has no role beyond their own work sees themselves alone.
    #[tracing::instrument(name = "members.get", skip_all, fields(member.id = %id))]
    pub async fn get_member(&self, ctx: &Ctx, id: MemberId) -> Result<Member, Error> {
        let sees_others = ctx.has(Role::Lead) || Sight::of(ctx) == Sight::All;
        if id != ctx.member() && !sees_others {
            return Err(Error::NotFound(Kind::Member, id.0));
        }
        let found = find(self.db.conn(), ctx.organization(), id).await?;
        found.ok_or(Error::NotFound(Kind::Member, id.0))
    }

    /// Lists the members of the organization by name.
    #[tracing::instrument(name = "members.list", skip_all)]
    pub async fn list_members(&self, ctx: &Ctx, paging: &Paging) -> Result<Page<Member>, Error> {
        let mut cursor = Cursor::parse(paging, "members".to_owned())?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), ctx.organization(), after, limit).await?;
        Ok(cursor.page(rows, |member| (member.name.clone(), member.id.0)))
    }
}
