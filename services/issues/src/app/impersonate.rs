use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, MemberId};
use uuid::Uuid;

use super::page::Cursor;
use super::{Issues, Page, Paging};
use crate::domain::impersonation::{Impersonation, ImpersonationError};
use crate::domain::member::Member;
use crate::domain::text::{FieldError, reason};
use crate::error::{Error, Kind};
use crate::store;
use crate::store::impersonation::{Logged, begin, end, find, list, note};

/// What is kept of an address; no route is longer.
const MAX_PATH: usize = 500;

/// What somebody who views has asked for.
#[derive(Clone, Debug)]
pub struct Looked {
    pub method: String,
    pub path: String,
    pub refused: bool,
}

impl Issues {
    /// Begins to view as a member of the caller's organization.
    #[tracing::instrument(name = "impersonations.start", skip_all, fields(member.id = %member))]
    pub async fn start_impersonation(
        &self,
        ctx: &Ctx,
        member: MemberId,
        why: &str,
    ) -> Result<(Impersonation, Member), Error> {
        let why = reason("reason", why)?;
        let why = why.ok_or_else(|| FieldError::new("reason", "must not be empty"))?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let found = store::member::find(tx.conn(), ctx.organization(), member).await?;
        let member = found.ok_or(Error::NotFound(Kind::Member, member.0))?;
        let begun = Impersonation::start(&ctx.principal, &member, why, ctx.now)?;
        let begun = begin(&mut tx, begun).await?;
        tx.commit().await?;
        Ok((begun, member))
    }

    /// Ends one impersonation, or all that the caller has begun. Returns how many were open.
    #[tracing::instrument(name = "impersonations.end", skip_all)]
    pub async fn end_impersonation(&self, ctx: &Ctx, only: Option<Uuid>) -> Result<usize, Error> {
        let admin = ctx.principal.impersonator.unwrap_or(ctx.member());
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let ended = end(&mut tx, admin, only).await?;
        if ended == 0 && only.is_some() {
            return Err(ImpersonationError::Ended.into());
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Writes down what is asked for while viewing; refuses when the impersonation has ended.
    #[tracing::instrument(name = "impersonations.note", skip_all)]
    pub async fn note_impersonation(
        &self,
        ctx: &Ctx,
        id: Uuid,
        looked: &Looked,
    ) -> Result<Logged, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let found = find(tx.conn(), ctx.organization(), id).await?;
        let found = found.ok_or(ImpersonationError::Ended)?;
        found.impersonation.admits(&ctx.principal, ctx.now)?;
        let path: String = looked.path.chars().take(MAX_PATH).collect();
        note(&mut tx, id, looked.refused, &looked.method, &path);
        tx.commit().await?;
        Ok(found)
    }

    /// Lists who viewed as whom, the newest first.
    #[tracing::instrument(name = "impersonations.list", skip_all)]
    pub async fn list_impersonations(
        &self,
        ctx: &Ctx,
        paging: &Paging,
    ) -> Result<Page<Logged>, Error> {
        let mut cursor = Cursor::parse(paging, "impersonations".to_owned())?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), ctx.organization(), after, limit).await?;
        Ok(cursor.page(rows, |row| (row.impersonation.started_at, row.impersonation.id)))
    }
}
