use quittance_kernel::{Ctx, IssueId};

use super::{IssueDetail, Issues, whose};
use crate::domain::search::{LEAST_SCORE, likeness, terms};
use crate::error::Error;
use crate::store::issue_list::alike;

/// How many likely duplicates are shown.
const MOST: usize = 5;

/// An issue that may be the same as another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Similar {
    pub detail: IssueDetail,
    /// From 0 to 1, the same words.
    pub score: f64,
}

impl Issues {
    /// Finds likely duplicates of an issue in its product, among those that the caller may see.
    #[tracing::instrument(name = "issues.similar", skip_all, fields(issue.id = %issue))]
    pub async fn similar_issues(&self, ctx: &Ctx, issue: IssueId) -> Result<Vec<Similar>, Error> {
        let issue = self.get_issue(ctx, issue, None).await?.issue;
        let (_, sight) = whose(ctx);
        let terms = terms(&issue.title, &issue.body);
        let found = alike(self.db.conn(), sight, &issue, &terms).await?;
        let mut similar: Vec<Similar> = found
            .into_iter()
            .map(|(other, frame)| {
                let score = likeness((&issue.title, &issue.body), (&other.title, &other.body));
                Similar { detail: IssueDetail::from((other, frame)), score }
            })
            .filter(|similar| LEAST_SCORE <= similar.score)
            .collect();
        similar.sort_by(|a, b| {
            let newer = || b.detail.issue.number.cmp(&a.detail.issue.number);
            b.score.total_cmp(&a.score).then_with(newer)
        });
        similar.truncate(MOST);
        Ok(similar)
    }
}
