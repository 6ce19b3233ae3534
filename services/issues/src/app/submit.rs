use quittance_chassis::db::Tx;
use quittance_kernel::{BountyId, ClaimId, Ctx, IssueId, IssueStatus, Severity};

use super::claim_bounty::{fresh, open_offer, taken};
use super::create_bounty::standing;
use super::{Answer, IssueDetail, Issues};
use crate::domain::bounty::Bounty;
use crate::domain::issue::Issue;
use crate::domain::review::Review;
use crate::domain::text::{FieldError, MAX_BODY, paragraphs};
use crate::domain::view::Frame;
use crate::error::{Error, Kind};
use crate::{instruments, store};

/// Work for a bounty.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    pub bounty: BountyId,
    pub description: String,
    pub evidence: String,
    /// The caller's active claim when absent, or a new one.
    pub claim: Option<ClaimId>,
}

impl Issues {
    /// Hands work in for a bounty: an issue of the product, and a claim that waits for its review.
    #[tracing::instrument(name = "submissions.create", skip_all, fields(bounty.id = %new.bounty))]
    pub async fn submit(
        &self,
        ctx: &Ctx,
        new: NewSubmission,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let description = paragraphs("description", new.description.trim(), MAX_BODY)?;
        if description.is_empty() {
            return Err(FieldError::new("description", "must not be empty").into());
        }
        let evidence = paragraphs("evidence", new.evidence.trim(), MAX_BODY)?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (bounty, own) = open_offer(&mut tx, new.bounty).await?;
        if let Some(wanted) = new.claim
            && own.as_ref().is_none_or(|own| own.id != wanted)
        {
            return Err(Error::NotFound(Kind::Claim, wanted.0));
        }
        if !bounty.evidence.is_empty() && evidence.is_empty() {
            return Err(FieldError::new("evidence", "must be given: the bounty asks for it").into());
        }
        let claim = match &own {
            Some(own) => own.clone(),
            None => fresh(&tx, &bounty).await?,
        };
        let body = whole(&description, &evidence)?;
        let (issue, frame) = prepare(&tx, &bounty, body).await?;
        let issue = store::issue::save(&mut tx, issue.file(), &frame).await?;
        let handed_in = claim.hand_in(issue.id);
        match &own {
            Some(own) => store::claim::update(&mut tx, own, handed_in).await?,
            None => store::claim::insert(&mut tx, &bounty, handed_in)
                .await
                .map_err(|error| taken(bounty.id, error))?,
        };
        let detail = IssueDetail::from((issue, frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        instruments::filed();
        Ok(detail)
    }
}

fn whole(description: &str, evidence: &str) -> Result<String, FieldError> {
    if evidence.is_empty() {
        return Ok(description.to_owned());
    }
    paragraphs("evidence", &format!("{description}\n\nEvidence:\n{evidence}"), MAX_BODY)
}

async fn prepare(tx: &Tx, bounty: &Bounty, body: String) -> Result<(Issue, Frame), Error> {
    let ctx = tx.ctx();
    let organization = ctx.organization();
    let id = standing(bounty.product);
    // Shared, so that the cycle is not closed before this submission is in it.
    let found = store::cycle::load(tx, id, "SHARE").await?;
    let (cycle, product_gate) = found.ok_or(Error::NotFound(Kind::Cycle, id.0))?;
    if !cycle.open {
        return Err(Error::CycleClosed(cycle.id));
    }
    let reporter = store::member::find(tx.conn(), organization, ctx.member()).await?;
    let frame = Frame {
        product_key: bounty.product_key.clone(),
        cycle_name: cycle.name,
        reporter_name: reporter.map(|reporter| reporter.name).unwrap_or_default(),
        product_gate,
        cycle_gate: cycle.requires_verification,
        rates: cycle.rates,
        offer: bounty.reward.value(),
    };
    let number = store::product::next_number(tx, bounty.product).await?;
    let issue = Issue {
        id: IssueId::new(),
        organization,
        product: bounty.product,
        cycle: cycle.id,
        reporter: ctx.member(),
        number,
        title: bounty.title.clone(),
        body,
        // Issues have one; a submission is worth what its bounty says.
        severity: Severity::Medium,
        status: IssueStatus::Open,
        review: Review::Pending,
        verification: None,
        payment: None,
        duplicate_of: None,
        bounty: Some(bounty.id),
        version: 0,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    Ok((issue, frame))
}
