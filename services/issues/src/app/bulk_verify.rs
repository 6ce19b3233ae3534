use std::collections::HashSet;

use quittance_kernel::{Ctx, IssueId, IssueStatus};

use super::{Answer, IssueDetail, Issues, Target};
use crate::error::Error;

/// How many issues one request may verify.
const MOST: usize = 100;

impl Issues {
    /// Refuses a request as a whole: empty, too long, or an issue named twice.
    pub fn check_bulk_verify(issues: &[IssueId]) -> Result<(), Error> {
        let found = issues.len();
        if !(1..=MOST).contains(&found) {
            return Err(Error::Count { field: "issue_ids", found, least: 1, most: MOST });
        }
        let mut seen = HashSet::with_capacity(found);
        match issues.iter().find(|issue| !seen.insert(**issue)) {
            Some(twice) => Err(Error::DuplicateId(twice.0)),
            None => Ok(()),
        }
    }

    /// Verifies one issue of a request, in a transaction of its own (S1-32).
    pub async fn verify(
        &self,
        ctx: &Ctx,
        issue: IssueId,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        self.set_status(ctx, Target::of(issue), IssueStatus::Verified, None, answer).await
    }
}
