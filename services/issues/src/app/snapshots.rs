use async_trait::async_trait;
use quittance_chassis::snapshots::{Snapshot, SnapshotTotal, Snapshots, Wanted};
use quittance_kernel::{Ctx, IssueId, OrganizationId};
use sea_orm::DbErr;

use super::{IssueDetail, Issues};
use crate::error::Error;
use crate::store::issue_list::snapshots;
use crate::store::{StoreError, snapshot};

/// How many issues one message holds.
const PAGE: u32 = 500;

impl Issues {
    /// Reads the next issues of the organization in the order of their ids, for rebuilding
    /// projections. An empty answer is the end.
    pub async fn snapshots(
        &self,
        ctx: &Ctx,
        after: Option<IssueId>,
    ) -> Result<Vec<IssueDetail>, Error> {
        let rows = snapshots(self.db.conn(), ctx.organization(), after, PAGE).await?;
        Ok(rows.into_iter().map(IssueDetail::from).collect())
    }
}

#[async_trait]
impl Snapshots for Issues {
    async fn list(&self, wanted: &Wanted) -> Result<Vec<Snapshot>, DbErr> {
        snapshot::list(self.db.conn(), wanted).await.map_err(|error| match error {
            StoreError::Database(error) => error,
            error @ (StoreError::Duplicate(_) | StoreError::Stale | StoreError::Corrupt { .. }) => {
                DbErr::Custom(error.to_string())
            }
        })
    }

    async fn totals(&self, organization: OrganizationId) -> Result<Vec<SnapshotTotal>, DbErr> {
        snapshot::totals(self.db.conn(), organization).await
    }
}
