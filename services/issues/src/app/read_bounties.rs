use quittance_kernel::{BountyId, Ctx, IssueId, ProductId, Role};

use super::page::Cursor;
use super::{IssueDetail, Issues, Page, Paging};
use crate::domain::bounty::{Bounty, BountyError, BountyStatus};
use crate::domain::claim::Claim;
use crate::domain::gate;
use crate::domain::issue::Issue;
use crate::domain::pool::Pool;
use crate::domain::sight::Sight;
use crate::error::{Error, Kind};
use crate::store;

/// What a submission is worth, for who is to pay it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub issue: Issue,
    pub bounty: Bounty,
    pub fee_bps: i32,
    /// Whether the effective gate asks for a verification.
    pub gate: bool,
}

impl Issues {
    /// Gets a bounty and those of its claims that the caller may see.
    #[tracing::instrument(name = "bounties.get", skip_all, fields(bounty.id = %id))]
    pub async fn get_bounty(&self, ctx: &Ctx, id: BountyId) -> Result<(Bounty, Vec<Claim>), Error> {
        let organization = ctx.organization();
        let found = store::bounty::find(self.db.conn(), organization, id, ctx.now).await?;
        let visible = |bounty: &Bounty| bounty.status != BountyStatus::Draft || sees_drafts(ctx);
        let bounty = found.filter(visible).ok_or(Error::NotFound(Kind::Bounty, id.0))?;
        let own = (Sight::of(ctx) != Sight::All).then(|| ctx.member());
        let claims = store::claim::of_bounty(self.db.conn(), organization, id, own).await?;
        Ok((bounty, claims))
    }

    /// Lists the bounties of a product, the newest first.
    #[tracing::instrument(name = "bounties.list", skip_all, fields(product.id = %product))]
    pub async fn list_bounties(
        &self,
        ctx: &Ctx,
        product: ProductId,
        status: Option<BountyStatus>,
        paging: &Paging,
    ) -> Result<Page<Bounty>, Error> {
        self.get_product(ctx, product).await?;
        let name = format!("bounties:{product}:{}", status.map_or("", BountyStatus::as_str));
        let mut cursor = Cursor::parse(paging, name)?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let whose = (ctx.organization(), ctx.now);
        let filter = (status, sees_drafts(ctx));
        let rows =
            store::bounty::list(self.db.conn(), whose, product, filter, after, limit).await?;
        Ok(cursor.page(rows, |bounty| (bounty.created_at, bounty.id.0)))
    }

    /// What a submission is worth, to whoever sees it.
    #[tracing::instrument(name = "submissions.terms", skip_all, fields(issue.id = %issue))]
    pub async fn submission_terms(&self, ctx: &Ctx, issue: IssueId) -> Result<Terms, Error> {
        let IssueDetail { issue, frame, .. } = self.get_issue(ctx, issue, None).await?;
        let id = issue.bounty.ok_or(BountyError::NoSubmission(issue.id))?;
        let organization = ctx.organization();
        let bounty = store::bounty::find(self.db.conn(), organization, id, ctx.now).await?;
        let bounty = bounty.ok_or(Error::NotFound(Kind::Bounty, id.0))?;
        let fee_bps = self.get_product(ctx, issue.product).await?.platform_fee_bps;
        let gate = gate::effective(frame.cycle_gate, frame.product_gate).required;
        Ok(Terms { issue, bounty, fee_bps, gate })
    }

    /// Where the reward pool of a product stands.
    #[tracing::instrument(name = "pools.get", skip_all, fields(product.id = %product))]
    pub async fn reward_pool(&self, ctx: &Ctx, product: ProductId) -> Result<Pool, Error> {
        let found = store::pool::read(self.db.conn(), ctx.organization(), product).await?;
        found.ok_or(Error::NotFound(Kind::Product, product.0))
    }
}

fn sees_drafts(ctx: &Ctx) -> bool {
    ctx.principal.roles.any_of(&[Role::Admin, Role::Auditor, Role::PlatformAdmin, Role::Service])
}
