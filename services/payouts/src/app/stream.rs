//! Every earning of an organization, for those who rebuild a projection.

use futures_util::stream::{Stream, try_unfold};
use quittance_kernel::{IssueId, OrganizationId};

use super::{Error, Payouts};
use crate::store::stream::{self, Told};

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
