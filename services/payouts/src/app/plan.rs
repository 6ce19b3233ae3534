//! What runs and plans have in common: who may, what is found, and how it is written.

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteError, WriteSet, retrying};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, MemberId, Role};

use super::{Error, Payouts};
use crate::domain::decision::Known;
use crate::domain::plan::{Drawn, INLINE, Run, draw};
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

    /// Finds what is due and decides about it. `author` is whose run it is. None if it finds more
    /// than is decided on at once; see [`Payouts::draft`].
    pub(super) async fn draw(
        &self,
        caller: &Caller,
        run: &Run,
        author: MemberId,
    ) -> Result<Option<Drawn>, Error> {
        let organization = caller.ctx.organization();
        let found =
            store::candidates::due(&self.db, organization, &run.filters, None, INLINE + 1).await?;
        if found.len() > INLINE {
            return Ok(None);
        }
        let issues = found.iter().map(|earning| earning.issue);
        let facts = self.facts(caller, issues).await?;
        let known = Known {
            limits: self.limits(&caller.ctx).await?,
            facts,
            earnings: found.into_iter().map(|earning| (earning.issue, earning)).collect(),
            accounts: None,
        };
        let drawn = draw(run, &known, author)?;
        if !run.nets() {
            return Ok(Some(drawn));
        }
        let payees = drawn.settlement.payees().iter().map(|payee| payee.0).collect();
        let owed = store::receivable::open(&self.db, organization, payees).await?;
        Ok(Some(drawn.keeping_back(owed)?))
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

    /// Writes a set, and the answer under its key. Fits into [`Payouts::once`].
    pub(super) async fn write_remembered<R: Message>(
        &self,
        ctx: &Ctx,
        key: Option<&Idempotency>,
        reply: &R,
        set: impl Fn() -> WriteSet + Send + Sync,
    ) -> Result<(), Error> {
        let wrote = retrying(|| {
            let mut set = set();
            if let Some(key) = key {
                set.insert(key.remember(ctx, reply.encode_to_vec()));
            }
            set.commit(&self.db)
        });
        wrote.await.map_err(Error::Write)
    }
}
