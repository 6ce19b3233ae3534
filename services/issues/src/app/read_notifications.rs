use quittance_kernel::Ctx;

use super::page::{Cursor, SortKey};
use super::{Issues, Notification, Page, Paging};
use crate::error::Error;
use crate::store::notification::{Owner, list, unread};

/// The ids themselves are in order.
impl SortKey for () {
    fn write(&self) -> Vec<String> {
        Vec::new()
    }

    fn read(parts: &[String]) -> Option<Self> {
        parts.is_empty().then_some(())
    }
}

/// The caller as the owner of notifications: nobody reads those of others.
pub(super) fn owner(ctx: &Ctx) -> Owner {
    Owner { organization: ctx.organization(), member: ctx.member() }
}

impl Issues {
    /// Lists the caller's notifications, the newest first.
    #[tracing::instrument(name = "notifications.list", skip_all)]
    pub async fn list_notifications(
        &self,
        ctx: &Ctx,
        unread_only: bool,
        paging: &Paging,
    ) -> Result<Page<Notification>, Error> {
        let cursor = Cursor::<()>::parse(paging, format!("notifications?unread={unread_only}"))?;
        let before = cursor.after.as_ref().map(|after| after.id);
        let rows = list(self.db.conn(), owner(ctx), before, unread_only, cursor.limit()).await?;
        Ok(cursor.page(rows, |notification| ((), notification.id.0)))
    }

    /// Counts the caller's unread notifications.
    #[tracing::instrument(name = "notifications.count_unread", skip_all)]
    pub async fn count_unread(&self, ctx: &Ctx) -> Result<i64, Error> {
        Ok(unread(self.db.conn(), owner(ctx)).await?)
    }
}
