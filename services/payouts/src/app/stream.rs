//! Every earning of an organization, for those who rebuild a projection.

use async_trait::async_trait;
use futures_util::stream::{Stream, try_unfold};
use quittance_chassis::snapshots::{Snapshot, SnapshotTotal, Snapshots, Wanted};
use quittance_kernel::{IssueId, OrganizationId};
use sea_orm::DbErr;

use super::{Error, Payouts};
use crate::store::stream::{self, Told};
use crate::store::{StoreError, snapshot};

const PAGE: u32 = 500;

impl Payouts {
    /// Reads earnings in the order of their issues, page by page, as the reader takes them.
    pub(crate) fn earnings(
        &self,
        organization: OrganizationId,
        after: Option<IssueId>,
    ) -> impl Stream<Item = Result<Vec<Told>, Error>> + Send + use<> {
        let db = self.db.clone();
        try_unfold(Some(after), move |position| {
            let db = db.clone();
            async move {
                let Some(after) = position else { return Ok(None) };
                let page = stream::page(&db, organization, after, PAGE).await?;
                let Some(last) = page.last().map(|told| told.earning.issue) else {
                    return Ok(None);
                };
                let full = u32::try_from(page.len()).is_ok_and(|count| count == PAGE);
                Ok(Some((page, full.then_some(Some(last)))))
            }
        })
    }
}

#[async_trait]
impl Snapshots for Payouts {
    async fn list(&self, wanted: &Wanted) -> Result<Vec<Snapshot>, DbErr> {
        snapshot::list(&self.db, wanted).await.map_err(|error| match error {
            StoreError::Database(error) => error,
            error @ StoreError::Corrupt { .. } => DbErr::Custom(error.to_string()),
        })
    }

    async fn totals(&self, organization: OrganizationId) -> Result<Vec<SnapshotTotal>, DbErr> {
        snapshot::totals(&self.db, organization).await
    }
}
