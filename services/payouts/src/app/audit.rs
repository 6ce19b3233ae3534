//! The audit log, page by page.

use quittance_kernel::{Ctx, PageError, PageRequest, token};
use uuid::Uuid;

use super::{Error, Payouts};
use crate::store::audit::{self, AuditEntry};

impl Payouts {
    /// Lists decisions, the newest first, and the token of the next page.
    #[tracing::instrument(name = "payouts.audit", skip_all)]
    pub(crate) async fn audit(
        &self,
        ctx: &Ctx,
        entity: Option<Uuid>,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<AuditEntry>, String), Error> {
        let query = format!("audit?entity={entity:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before = match page.after.as_deref() {
            Some([seq]) => Some(seq.parse().map_err(|_| PageError::BadToken)?),
            Some(_) => return Err(PageError::BadToken.into()),
            None => None,
        };
        let mut entries =
            audit::list(&self.db, ctx.organization(), entity, before, page.size + 1).await?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = entries.len() > size;
        entries.truncate(size);
        let next = match entries.last() {
            Some(last) if more => token::encode(&[last.seq.to_string()], &query),
            Some(_) | None => String::new(),
        };
        Ok((entries, next))
    }
}
