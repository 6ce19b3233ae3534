//! Plans, for those who see all money of the organization.

use quittance_kernel::{Ctx, PageError, PageRequest, PlanId, token};

use super::{Error, Payouts};
use crate::domain::plan::{Plan, PlanError, PlanItem, PlanState};
use crate::store::{approval, plan};

impl Payouts {
    /// Returns a plan, one page of its items in the order of their earnings, and the token of the
    /// next page.
    #[tracing::instrument(name = "payouts.plan", skip_all, fields(plan.id = %id))]
    pub(crate) async fn plan(
        &self,
        ctx: &Ctx,
        id: PlanId,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Plan, Vec<PlanItem>, String), Error> {
        let query = format!("plan-items?plan={id}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let after = position(page.after.as_deref())?;
        let (found, mut items) = tokio::try_join!(
            plan::find(&self.db, ctx.organization(), id),
            plan::items(&self.db, ctx.organization(), id, after, page.size + 1),
        )?;
        let found = self.needing(ctx, found.ok_or(PlanError::NotFound(id))?).await?;
        let more = cut(&mut items, page.size);
        let next = match items.last() {
            Some(last) if more => token::encode(&[last.earning.to_string()], &query),
            Some(_) | None => String::new(),
        };
        Ok((found, items, next))
    }

    /// Lists plans, the newest first, and the token of the next page.
    #[tracing::instrument(name = "payouts.plans", skip_all)]
    pub(crate) async fn plans(
        &self,
        ctx: &Ctx,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Plan>, String), Error> {
        let query = "plans";
        let page = PageRequest::parse(page_size, page_token, query)?;
        let before = position(page.after.as_deref())?;
        let (mut plans, policies) = tokio::try_join!(
            plan::list(&self.db, ctx.organization(), before, page.size + 1),
            approval::policies(&self.db, ctx.organization()),
        )?;
        let more = cut(&mut plans, page.size);
        let next = match plans.last() {
            Some(last) if more => token::encode(&[last.id.to_string()], query),
            Some(_) | None => String::new(),
        };
        let needing = |plan: Plan| match plan.state_at(ctx.now) {
            PlanState::Open => plan.needing(&policies),
            PlanState::Committed | PlanState::Expired | PlanState::Stale | PlanState::Cancelled => {
                plan
            }
        };
        Ok((plans.into_iter().map(needing).collect(), next))
    }
}

fn position<T: std::str::FromStr>(keys: Option<&[String]>) -> Result<Option<T>, PageError> {
    match keys {
        Some([id]) => id.parse().map(Some).map_err(|_| PageError::BadToken),
        Some(_) => Err(PageError::BadToken),
        None => Ok(None),
    }
}

/// Cuts a list to its page and tells whether there is more.
fn cut<T>(rows: &mut Vec<T>, size: u32) -> bool {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    more
}
