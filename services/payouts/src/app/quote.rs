//! What a fixed bounty costs, shown before anybody confirms it.

use quittance_chassis::db::{Journal, WriteSet};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, IssueId, Money};
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1::{GetSubmissionTermsRequest, GetSubmissionTermsResponse};
use tonic::{Code, Status};
use tracing::Instrument as _;

use super::{Error, Payouts};
use crate::domain::bounty_payment::Work;
use crate::domain::eligibility::Facts;
use crate::domain::profit::ProfitError;
use crate::domain::quote::{PREPAID, Terms, VERSION, prepaid, quote};
use crate::store;
use crate::store::quote::Stored;

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
        self.stored_quote(&caller.ctx, &terms, VERSION).await
    }

    /// The quote of these terms, which is made if there is none.
    pub(super) async fn stored_quote(
        &self,
        ctx: &Ctx,
        terms: &Terms,
        version: i64,
    ) -> Result<Stored, Error> {
        let detail = "must be between 0 and what a payment can be";
        let refused = |_| ProfitError::Field { field: "tip_minor", detail };
        let price = if version == PREPAID { prepaid } else { quote };
        let priced = price(terms.value, terms.tip, terms.fee_bps).map_err(refused)?;
        if let Some(known) =
            store::quote::find(&self.db, ctx.organization(), terms, version).await?
        {
            return Ok(known);
        }
        let stored = Stored::new(terms, (priced, version), ctx.now);
        let write = || {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            store::quote::insert(ctx, &mut set, &mut journal, terms, &stored);
            journal.write_to(ctx, &mut set);
            set
        };
        if self.wrote(write).await? {
            return Ok(stored);
        }
        // Somebody else asked at the same time.
        let known = store::quote::find(&self.db, ctx.organization(), terms, version).await?;
        known.ok_or(Error::Contended)
    }

    async fn terms(&self, caller: &Caller, issue: IssueId, tip: i64) -> Result<Terms, Error> {
        let work = self.work(caller, issue).await?;
        let work = work.ok_or(ProfitError::SubmissionNotFound(issue))?;
        // Once it is approved the tip is what it is.
        let tip = if work.facts.approved.is_some() { work.terms.tip } else { tip };
        Ok(Terms { tip, ..work.terms })
    }

    /// What issues knows of a submission; none if it is not there, not the caller's to see, or not
    /// paid in money.
    pub(super) async fn work(&self, caller: &Caller, id: IssueId) -> Result<Option<Work>, Error> {
        let request = caller.request(GetSubmissionTermsRequest { issue_id: id.to_string() });
        let mut bounties = self.bounties.clone();
        let call = async move { bounties.get_submission_terms(request).await };
        // Runs to its end even if nobody waits any more, as asking for facts does.
        let reply = tokio::spawn(call.in_current_span()).await;
        match reply.unwrap_or_else(|_| Err(Status::internal("the call panicked"))) {
            Ok(reply) => read(id, &reply.into_inner()),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(Error::Facts(Box::new(status))),
        }
    }
}

fn read(issue: IssueId, reply: &GetSubmissionTermsResponse) -> Result<Option<Work>, Error> {
    let unreadable = || Error::Unreadable("terms");
    let money = |of: &common::Money| {
        let currency = of.currency_code.parse().map_err(|_| unreadable())?;
        Ok::<_, Error>(Money::signed(of.minor_units, currency))
    };
    let Some(value) = reply.value.as_ref().map(money).transpose()? else { return Ok(None) };
    let approved = reply.approved.as_ref().map(money).transpose()?;
    let tip = approved.map_or(0, |amount| amount.minor().saturating_sub(value.minor()));
    let decided_by = Some(reply.decided_by.as_str()).filter(|text| !text.is_empty());
    Ok(Some(Work {
        terms: Terms { issue, value, tip, fee_bps: reply.platform_fee_bps },
        product: reply.product_id.parse().map_err(|_| unreadable())?,
        bounty: reply.bounty_id.parse().map_err(|_| unreadable())?,
        decided_by: decided_by.map(str::parse).transpose().map_err(|_| unreadable())?,
        facts: Facts {
            reporter: reply.reporter_id.parse().map_err(|_| unreadable())?,
            cycle: reply.cycle_id.parse().map_err(|_| unreadable())?,
            approved,
            gate: reply.gate,
            verified: reply.verified,
            version: reply.version,
        },
    }))
}
