//! Declaring void what is owed and not paid.

use prost::Message;
use quittance_chassis::db::Idempotency;
use quittance_kernel::{Ctx, IssueId};

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::lifecycle::{Voided, check_issues, void_unpaid};
use crate::store;

impl Payouts {
    /// Voids earnings, all or nothing, once per key. `reply` makes the answer, which is stored with
    /// the effect.
    #[tracing::instrument(name = "payouts.void_earnings", skip_all, fields(count = issues.len()))]
    pub(crate) async fn void_earnings<R: Message + Default>(
        &self,
        ctx: &Ctx,
        issues: &[IssueId],
        reason: &str,
        key: Option<&Idempotency>,
        reply: impl Fn(&Voided) -> R,
    ) -> Result<Answered<R>, Error> {
        Self::permit_runs(ctx)?;
        check_issues(issues)?;
        let ids = || issues.iter().map(|issue| issue.0).collect();
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let organization = ctx.organization();
            let known = store::earning::of_issues(&self.db, organization, ids()).await?;
            let held = store::lifecycle_read::in_payouts(&self.db, organization, ids()).await?;
            let voided = match void_unpaid(&known, &held, (issues, reason), ctx.member()) {
                Ok(voided) => voided,
                Err(refusal) => {
                    // The same request may have done it since the key was looked up.
                    if let Some(before) = self.recall(ctx, key).await? {
                        return Ok(before);
                    }
                    return Err(refusal.into());
                }
            };
            let reply = reply(&voided);
            let wrote = self.wrote(|| {
                let mut set = store::lifecycle::void_set(ctx, self.db.service(), &voided);
                if let Some(key) = key {
                    set.insert(key.remember(ctx, reply.encode_to_vec()));
                }
                set
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }
}
