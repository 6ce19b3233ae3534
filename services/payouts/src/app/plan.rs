//! What runs and plans have in common: who may, what is found, and how it is written.

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteError, WriteSet, retrying};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, IssueId, MemberId, Role};

use super::{Error, Payouts};
use crate::domain::decision::Known;
use crate::domain::order::MAX_ISSUES;
use crate::domain::plan::{DrawError, Drawn, MAX_CANDIDATES, PlanError, Run, draw};
use crate::metrics::METRICS;
use crate::store;

/// How often a run is decided anew when others change the same earnings.
pub(super) const TRIES: usize = 3;

/// An answer, and whether it was given before under the same key.
#[derive(Debug)]
pub(crate) struct Answered<R> {
    pub(crate) reply: R,
    pub(crate) replayed: bool,
}

impl Payouts {
    /// Runs are an admin's.
    pub(super) fn permit_runs(ctx: &Ctx) -> Result<(), Error> {
        if ctx.has(Role::Admin) { Ok(()) } else { Err(Error::AdminOnly) }
    }

    /// The answer that was given under this key, if there was one.
    pub(super) async fn recall<R: Message + Default>(
        &self,
        ctx: &Ctx,
        key: Option<&Idempotency>,
    ) -> Result<Option<Answered<R>>, Error> {
        let Some(bytes) = self.answer_under(ctx, key).await? else { return Ok(None) };
        METRICS.replayed();
        let reply = R::decode(bytes.as_slice()).map_err(|_| Error::Unreadable("an answer"))?;
        Ok(Some(Answered { reply, replayed: true }))
    }

    /// Finds what is due and decides about it. `author` is whose run it is.
    pub(super) async fn draw(
        &self,
        caller: &Caller,
        run: &Run,
        author: MemberId,
    ) -> Result<Drawn, Error> {
        let organization = caller.ctx.organization();
        let limit = u32::try_from(MAX_CANDIDATES).unwrap_or(u32::MAX);
        let found = store::candidates::due(&self.db, organization, &run.filters, limit + 1).await?;
        if found.len() > MAX_CANDIDATES {
            return Err(PlanError::TooMany.into());
        }
        let issues: Vec<IssueId> = found.iter().map(|earning| earning.issue).collect();
        let chunks = issues.chunks(MAX_ISSUES);
        let facts = chunks.map(|issues| self.facts(caller, issues.iter().copied()));
        let facts = futures_util::future::try_join_all(facts).await?;
        let known = Known {
            limits: self.limits(&caller.ctx).await?,
            facts: facts.into_iter().flatten().collect(),
            earnings: found.into_iter().map(|earning| (earning.issue, earning)).collect(),
            accounts: None,
        };
        let drawn = draw(run, &known, author)?;
        if !run.nets() {
            return Ok(drawn);
        }
        let payees = drawn.settlement.payees().iter().map(|payee| payee.0).collect();
        let owed = store::receivable::open(&self.db, organization, payees).await?;
        Ok(drawn.keeping_back(owed)?)
    }

    /// Writes a set. `false` if something has changed since it was decided on; nothing of it is
    /// written then.
    pub(super) async fn wrote(&self, set: impl Fn() -> WriteSet + Send) -> Result<bool, Error> {
        match retrying(|| set().commit(&self.db)).await {
            Ok(()) => Ok(true),
            Err(WriteError::Duplicate(_) | WriteError::Stale) => Ok(false),
            Err(error @ WriteError::Database(_)) => Err(Error::Write(error)),
        }
    }
}

impl From<DrawError> for Error {
    fn from(error: DrawError) -> Self {
        match error {
            DrawError::Plan(error) => Self::Plan(error),
            DrawError::Total(error) => Self::Total(error),
        }
    }
}
