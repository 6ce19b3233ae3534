//! Payouts as accounting sees them, and what partners were paid.

use quittance_kernel::{Ctx, MemberId, PageError, PageRequest, PayoutId, token};

use super::read_payouts::sees;
use super::{Error, Payouts};
use crate::domain::partner::{PartnerError, PartnerPayout};
use crate::store::partner_read::{self, Filter, Partner, Stat};

/// What a partner was paid and waits for.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) partner: Partner,
    pub(crate) stats: Vec<Stat>,
}

impl Payouts {
    /// Lists payouts, the newest first.
    #[tracing::instrument(name = "payouts.list_all", skip_all)]
    pub(crate) async fn partner_payouts(
        &self,
        ctx: &Ctx,
        filter: &Filter,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<PartnerPayout>, String), Error> {
        let query = format!("partner_payouts?{filter:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before: Option<PayoutId> = last(&page)?;
        let organization = ctx.organization();
        let mut found =
            partner_read::list(&self.db, organization, filter, before, page.size + 1).await?;
        let more = cut(&mut found, &page);
        let next = match found.last() {
            Some(end) if more => token::encode(&[end.payout.id.to_string()], &query),
            Some(_) | None => String::new(),
        };
        Ok((found, next))
    }

    /// Counts and sums all payouts by state and currency.
    #[tracing::instrument(name = "payouts.stats", skip_all)]
    pub(crate) async fn payout_stats(&self, ctx: &Ctx) -> Result<Vec<Stat>, Error> {
        Ok(partner_read::stats(&self.db, ctx.organization(), None).await?)
    }

    /// Lists partners in the order of their ids.
    #[tracing::instrument(name = "partners.list", skip_all)]
    pub(crate) async fn partners(
        &self,
        ctx: &Ctx,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Partner>, String), Error> {
        let query = "partners";
        let page = PageRequest::parse(page_size, page_token, query)?;
        let after: Option<MemberId> = last(&page)?;
        let organization = ctx.organization();
        let mut found =
            partner_read::partners(&self.db, organization, after, page.size + 1).await?;
        let more = cut(&mut found, &page);
        let next = match found.last() {
            Some(end) if more => token::encode(&[end.id.to_string()], query),
            Some(_) | None => String::new(),
        };
        Ok((found, next))
    }

    /// Sums up what a partner was paid. Partners see their own.
    #[tracing::instrument(name = "partners.summary", skip_all)]
    pub(crate) async fn partner_summary(&self, ctx: &Ctx, id: MemberId) -> Result<Summary, Error> {
        let organization = ctx.organization();
        let (partner, stats) = tokio::try_join!(
            partner_read::partner(&self.db, organization, id),
            partner_read::stats(&self.db, organization, Some(id)),
        )?;
        let partner = partner.filter(|_| sees(ctx, id)).ok_or(PartnerError::PartnerNotFound(id))?;
        Ok(Summary { partner, stats })
    }
}

/// The id after which a page begins.
fn last<T: std::str::FromStr>(page: &PageRequest) -> Result<Option<T>, PageError> {
    match page.after.as_deref() {
        Some([id]) => id.parse().map(Some).map_err(|_| PageError::BadToken),
        Some(_) => Err(PageError::BadToken),
        None => Ok(None),
    }
}

/// Takes away what was read to know whether there is more.
fn cut<T>(found: &mut Vec<T>, page: &PageRequest) -> bool {
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    more
}
