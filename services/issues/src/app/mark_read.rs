use quittance_chassis::db::Tx;
use quittance_kernel::Ctx;

use super::read_notifications::owner;
use super::{Issues, Marked};
use crate::error::Error;
use crate::store;

/// How many notifications one request may name.
const MOST: usize = 200;

impl Issues {
    /// Marks the caller's notifications as read. Returns how many were unread, and how many are.
    #[tracing::instrument(name = "notifications.mark_read", skip_all)]
    pub async fn mark_read(&self, ctx: &Ctx, which: Marked) -> Result<(i64, i64), Error> {
        if let Marked::These(ids) = &which
            && !(1..=MOST).contains(&ids.len())
        {
            let (field, found) = ("notification_ids", ids.len());
            return Err(Error::Count { field, found, least: 1, most: MOST });
        }
        let tx = Tx::begin(&self.db, ctx).await?;
        let marked = store::notification::mark(&tx, owner(ctx), which).await?;
        let unread = store::notification::unread(tx.conn(), owner(ctx)).await?;
        tx.commit().await?;
        Ok((i64::try_from(marked).unwrap_or(i64::MAX), unread))
    }
}
