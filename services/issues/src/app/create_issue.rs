use quittance_chassis::db::{Entry, Tx};
use quittance_kernel::{Ctx, CycleId, IssueId, IssueStatus, Severity};

use super::attachments::{audited, of_links};
use super::{Answer, IssueDetail, Issues};
use crate::domain::attachment;
use crate::domain::issue::Issue;
use crate::domain::review::Review;
use crate::domain::text::{FieldError, MAX_BODY, MAX_TITLE, line, paragraphs};
use crate::domain::view::Frame;
use crate::error::{Error, Kind};
use crate::{instruments, store};

/// What a reporter hands in.
#[derive(Clone, Debug)]
pub struct NewIssue {
    pub cycle: CycleId,
    pub title: String,
    pub body: String,
    pub severity: Severity,
    /// `draft` or `open`.
    pub status: IssueStatus,
    /// Address and name; without a name it is the end of the address.
    pub links: Vec<(String, String)>,
}

impl Issues {
    /// Files an issue in an open cycle, in the name of the caller.
    #[tracing::instrument(name = "issues.create", skip_all, fields(cycle.id = %new.cycle))]
    pub async fn create_issue(
        &self,
        ctx: &Ctx,
        new: NewIssue,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let title = line("title", &new.title, MAX_TITLE)?;
        let body = paragraphs("body", &new.body, MAX_BODY)?;
        if !matches!(new.status, IssueStatus::Draft | IssueStatus::Open) {
            return Err(FieldError::new("status", "must be draft or open").into());
        }
        let links = attachment::links(&new.links)?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (issue, frame) = prepare(&tx, new, title, body).await?;
        let issue = store::issue::save(&mut tx, issue.file(), &frame).await?;
        let attachments = of_links(links, &issue);
        store::attachment::insert(&tx, &attachments).await?;
        for added in &attachments {
            tx.note(Entry::new("attachment.added", "issue", issue.id.0).after(audited(added)));
        }
        let detail = IssueDetail { issue, frame, attachments };
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        instruments::filed();
        Ok(detail)
    }
}

async fn prepare(
    tx: &Tx,
    new: NewIssue,
    title: String,
    body: String,
) -> Result<(Issue, Frame), Error> {
    let ctx = tx.ctx();
    let organization = ctx.organization();
    // Shared, so that the cycle is not closed before this issue is in it.
    let found = store::cycle::load(tx, new.cycle, "SHARE").await?;
    let (cycle, product_gate) = found.ok_or(Error::NotFound(Kind::Cycle, new.cycle.0))?;
    if !cycle.open {
        return Err(Error::CycleClosed(cycle.id));
    }
    let product = store::product::find(tx.conn(), organization, cycle.product).await?;
    let product = product.ok_or(Error::NotFound(Kind::Product, cycle.product.0))?;
    let reporter = store::member::find(tx.conn(), organization, ctx.member()).await?;
    let frame = Frame {
        product_key: product.key,
        cycle_name: cycle.name,
        reporter_name: reporter.map(|reporter| reporter.name).unwrap_or_default(),
        product_gate,
        cycle_gate: cycle.requires_verification,
        rates: cycle.rates,
        offer: None,
    };
    // Last, because it makes everybody else wait who files in this product.
    let number = store::product::next_number(tx, cycle.product).await?;
    let issue = Issue {
        id: IssueId::new(),
        organization,
        product: cycle.product,
        cycle: cycle.id,
        reporter: ctx.member(),
        number,
        title,
        body,
        severity: new.severity,
        status: new.status,
        review: Review::Pending,
        verification: None,
        payment: None,
        duplicate_of: None,
        bounty: None,
        version: 0,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    Ok((issue, frame))
}
