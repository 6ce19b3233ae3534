//! What a fixed bounty costs, shown before anybody confirms it.

use quittance_chassis::db::{Journal, WriteSet};
use quittance_chassis::grpc::Caller;
use quittance_kernel::IssueId;
use quittance_proto::issues::v1::GetSubmissionTermsRequest;
use tonic::Code;

use super::{Error, Payouts};
use crate::domain::profit::ProfitError;
use crate::domain::quote::quote;
use crate::store;
use crate::store::quote::{Stored, Terms};

impl Payouts {
    /// Prices a submission. The same terms get the same quote, whoever asks and however often.
    #[tracing::instrument(name = "quotes.get", skip_all, fields(issue.id = %issue))]
    pub(crate) async fn quote(
        &self,
        caller: &Caller,
        issue: IssueId,
        tip: i64,
    ) -> Result<Stored, Error> {
        let terms = self.terms(caller, issue, tip).await?;
        let detail = "must be between 0 and what a payment can be";
        let refused = |_| ProfitError::Field { field: "tip_minor", detail };
        let priced = quote(terms.value, terms.tip, terms.fee_bps).map_err(refused)?;
        let ctx = &caller.ctx;
        if let Some(known) = store::quote::find(&self.db, ctx.organization(), &terms).await? {
            return Ok(known);
        }
        let stored = Stored::new(&terms, priced, ctx.now);
        let write = || {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            store::quote::insert(ctx, &mut set, &mut journal, &terms, &stored);
            journal.write_to(ctx, &mut set);
            set
        };
        if self.wrote(write).await? {
            return Ok(stored);
        }
        // Somebody else asked at the same time.
        let known = store::quote::find(&self.db, ctx.organization(), &terms).await?;
        known.ok_or(Error::Contended)
    }

    async fn terms(&self, caller: &Caller, issue: IssueId, tip: i64) -> Result<Terms, Error> {
        let request = caller.request(GetSubmissionTermsRequest { issue_id: issue.to_string() });
        let reply = self.bounties.clone().get_submission_terms(request).await;
        let terms = match reply {
            Ok(reply) => reply.into_inner(),
            Err(status) if status.code() == Code::NotFound => {
                return Err(ProfitError::SubmissionNotFound(issue).into());
            }
            Err(status) => return Err(Error::Facts(Box::new(status))),
        };
        let money = |of: quittance_proto::common::v1::Money| {
            let currency = of.currency_code.parse().map_err(|_| Error::Unreadable("terms"))?;
            Ok::<_, Error>(quittance_kernel::Money::signed(of.minor_units, currency))
        };
        let value = terms.value.map(money).transpose()?;
        let value = value.ok_or(ProfitError::SubmissionNotFound(issue))?;
        let approved = terms.approved.map(money).transpose()?;
        // Once it is approved the tip is what it is.
        let tip = approved.map_or(tip, |amount| amount.minor().saturating_sub(value.minor()));
        Ok(Terms { issue, value, tip, fee_bps: terms.platform_fee_bps })
    }
}
