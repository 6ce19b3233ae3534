//! Payouts, for whoever may see them.

use quittance_kernel::{Ctx, MemberId, PageRequest, PayoutId, Role, token};

use super::{Error, Payouts};
use crate::domain::lifecycle::Step;
use crate::domain::payout::{Payout, PayoutItem, PayoutState};
use crate::store::lifecycle_read;
use crate::store::payout::{self, Filter};

/// The most items that are shown with a payout.
const MAX_ITEMS: u32 = 1_000;

/// Who sees all payouts of their organization; everybody else sees their own.
const TREASURY: &[Role] =
    &[Role::Admin, Role::Finance, Role::Auditor, Role::PlatformAdmin, Role::Service];

/// Which payouts to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListPayouts {
    pub(crate) payee: Option<MemberId>,
    pub(crate) state: Option<PayoutState>,
    pub(crate) page_size: i32,
    pub(crate) page_token: String,
}

/// One page of payouts.
#[derive(Debug)]
pub(crate) struct PayoutPage {
    pub(crate) payouts: Vec<Payout>,
    pub(crate) next: String,
}

impl Payouts {
    /// Returns a payout, its first items and what happened to it later. One that the caller may not see is not found.
    #[tracing::instrument(name = "payouts.get", skip_all, fields(payout.id = %id))]
    pub(crate) async fn payout(
        &self,
        ctx: &Ctx,
        id: PayoutId,
    ) -> Result<(Payout, Vec<PayoutItem>, Vec<Step>), Error> {
        let organization = ctx.organization();
        let (found, items, steps) = tokio::try_join!(
            payout::find(&self.db, organization, id),
            payout::items(&self.db, organization, id, MAX_ITEMS),
            lifecycle_read::steps(&self.db, organization, id, MAX_ITEMS),
        )?;
        let found = found.filter(|found| sees(ctx, found.payee));
        Ok((found.ok_or(Error::PayoutNotFound(id))?, items, steps))
    }

    /// Lists payouts, the newest first.
    #[tracing::instrument(name = "payouts.list", skip_all)]
    pub(crate) async fn payouts(&self, ctx: &Ctx, list: &ListPayouts) -> Result<PayoutPage, Error> {
        let query = format!("payouts?payee={:?}&state={:?}", list.payee, list.state);
        let page = PageRequest::parse(list.page_size, &list.page_token, &query)?;
        let before = match page.after.as_deref() {
            Some([id]) => Some(id.parse().map_err(|_| quittance_kernel::PageError::BadToken)?),
            Some(_) => return Err(quittance_kernel::PageError::BadToken.into()),
            None => None,
        };
        let payee = match list.payee {
            Some(payee) if !sees(ctx, payee) => {
                return Ok(PayoutPage { payouts: vec![], next: String::new() });
            }
            Some(payee) => Some(payee),
            None if ctx.principal.roles.any_of(TREASURY) => None,
            None => Some(ctx.member()),
        };
        let filter = Filter { payee, state: list.state };
        let mut payouts =
            payout::list(&self.db, ctx.organization(), filter, before, page.size + 1).await?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = payouts.len() > size;
        payouts.truncate(size);
        let next = match payouts.last() {
            Some(end) if more => token::encode(&[end.id.to_string()], &query),
            Some(_) | None => String::new(),
        };
        Ok(PayoutPage { payouts, next })
    }
}

pub(super) fn sees(ctx: &Ctx, payee: MemberId) -> bool {
    payee == ctx.member() || ctx.principal.roles.any_of(TREASURY)
}
