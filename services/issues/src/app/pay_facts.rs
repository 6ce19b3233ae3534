use quittance_kernel::{Ctx, IssueId};

use super::{Issues, in_charge};
use crate::domain::facts::PayFact;
use crate::error::Error;
use crate::store::facts::read;

/// How many issues one request may ask for.
const MOST: usize = 10_000;

impl Issues {
    /// Reads what payouts must know to pay these issues. Those that do not exist, or that the
    /// caller is not in charge of, are missing.
    #[tracing::instrument(name = "issues.pay_facts", skip_all, fields(issues = ids.len()))]
    pub async fn pay_facts(&self, ctx: &Ctx, ids: &[IssueId]) -> Result<Vec<PayFact>, Error> {
        let found = ids.len();
        if MOST < found {
            return Err(Error::Count { field: "issue_ids", found, least: 0, most: MOST });
        }
        if found == 0 {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.0).collect();
        Ok(read(self.db.conn(), in_charge(ctx), ids).await?)
    }
}
