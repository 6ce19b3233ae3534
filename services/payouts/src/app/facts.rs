//! Asking the issues service what is true of issues, in the name of the caller.

use std::collections::HashMap;

use quittance_chassis::grpc::Caller;
use quittance_kernel::{IssueId, Money};
use quittance_proto::common::v1::PayoutStatus;
use quittance_proto::issues::v1::{BatchGetPayFactsRequest, PayFact};
use tonic::Status;
use tracing::Instrument as _;

use super::{Error, Payouts};
use crate::domain::eligibility::Facts;

impl Payouts {
    /// Reads the facts of all these issues in one call. What the caller may not see is missing.
    ///
    /// The call runs to its end even if nobody waits for it any more: a server closes a connection
    /// on which too many calls are cancelled, and with it everybody else's.
    pub(super) async fn facts(
        &self,
        caller: &Caller,
        issues: impl Iterator<Item = IssueId>,
    ) -> Result<HashMap<IssueId, Facts>, Error> {
        let issue_ids = issues.map(|issue| issue.to_string()).collect();
        let request = caller.request(BatchGetPayFactsRequest { issue_ids });
        let mut issues = self.issues.clone();
        let call = async move { issues.batch_get_pay_facts(request).await };
        let reply = tokio::spawn(call.in_current_span()).await;
        let reply = reply.unwrap_or_else(|_| Err(Status::internal("the call panicked")));
        let facts = reply.map_err(|status| Error::Facts(Box::new(status)))?.into_inner().facts;
        facts.iter().map(read).collect()
    }
}

fn read(fact: &PayFact) -> Result<(IssueId, Facts), Error> {
    let unreadable = || Error::Unreadable("a pay fact");
    let issue = fact.issue_id.parse().map_err(|_| unreadable())?;
    let approved = match (fact.review(), &fact.amount) {
        (PayoutStatus::Approved, Some(amount)) => {
            let currency = amount.currency_code.parse().map_err(|_| unreadable())?;
            Some(Money::signed(amount.minor_units, currency))
        }
        (PayoutStatus::Approved, None)
        | (
            PayoutStatus::Pending
            | PayoutStatus::Rejected
            | PayoutStatus::Paid
            | PayoutStatus::Void
            | PayoutStatus::Unspecified,
            _,
        ) => None,
    };
    let facts = Facts {
        reporter: fact.reporter_id.parse().map_err(|_| unreadable())?,
        cycle: fact.cycle_id.parse().map_err(|_| unreadable())?,
        approved,
        gate: fact.gate,
        verified: fact.verified,
        version: fact.version,
    };
    Ok((issue, facts))
}
