//! Approving, rejecting and paying what waits for it: one payout or many, one transaction.

use std::collections::HashMap;

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx, WriteError, retrying};
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, PayoutId};

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::partner::{PartnerError, PartnerPayout, Step};
use crate::store;

/// What becomes of the others when one payout cannot take the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// There are no others: the refusal is the answer.
    Single,
    /// None takes it.
    Atomic,
    /// Each that can takes it.
    BestEffort,
}

/// What became of one payout.
pub(crate) type Moved = (PayoutId, Result<PartnerPayout, PartnerError>);

/// A transaction that came to its end, whatever it was.
enum Ended<R> {
    Moved(R),
    Refused(R),
    Failed(Error),
}

impl Payouts {
    /// Takes a step with payouts, once per key. `reply` makes the answer of what became of each, in
    /// the order of the request; its second argument tells whether anything was written.
    #[tracing::instrument(
        name = "payouts.move",
        skip_all,
        fields(to = step.to().as_str(), count = ids.len())
    )]
    pub(crate) async fn move_payouts<R: Message + Default>(
        &self,
        ctx: &Ctx,
        ids: &[PayoutId],
        step: &Step,
        mode: Mode,
        key: Option<&Idempotency>,
        reply: impl Fn(&[Moved], bool) -> R,
    ) -> Result<Answered<R>, Error> {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            match retrying(|| self.try_move(ctx, ids, step, mode, key, &reply)).await {
                Ok(Ended::Moved(reply)) => return Ok(Answered { reply, replayed: false }),
                Ok(Ended::Refused(reply)) => {
                    // The same request may have done it since the key was looked up.
                    if let Some(before) = self.recall(ctx, key).await? {
                        return Ok(before);
                    }
                    return Ok(Answered { reply, replayed: false });
                }
                Ok(Ended::Failed(error)) => {
                    if let Some(before) = self.recall(ctx, key).await? {
                        return Ok(before);
                    }
                    return Err(error);
                }
                Err(WriteError::Duplicate(_) | WriteError::Stale) => {}
                Err(error @ WriteError::Database(_)) => return Err(Error::Write(error)),
            }
        }
        Err(Error::Contended)
    }

    async fn try_move<R: Message>(
        &self,
        ctx: &Ctx,
        ids: &[PayoutId],
        step: &Step,
        mode: Mode,
        key: Option<&Idempotency>,
        reply: &impl Fn(&[Moved], bool) -> R,
    ) -> Result<Ended<R>, WriteError> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let found = match store::partner::lock(&tx, ctx.organization(), ids).await {
            Ok(found) => found,
            Err(store::StoreError::Database(error)) => return Err(error.into()),
            Err(error) => return Ok(Ended::Failed(error.into())),
        };
        let found: HashMap<PayoutId, PartnerPayout> =
            found.into_iter().map(|payout| (payout.payout.id, payout)).collect();
        let decide = |id: &PayoutId| match found.get(id) {
            None => (*id, Err(PartnerError::PayoutNotFound(*id))),
            Some(payout) => (*id, step.take(payout, ctx.member(), ctx.now)),
        };
        let decided: Vec<Moved> = ids.iter().map(decide).collect();
        for (id, refusal) in &decided {
            // A single refusal is noted where the call is answered, as all of them are.
            if let Err(refusal) = refusal
                && mode != Mode::Single
                && found.contains_key(id)
            {
                store::partner::refused(&mut tx, *id, step, refusal);
            }
        }
        let refused = decided.iter().any(|(_, result)| result.is_err());
        if refused && mode != Mode::BestEffort {
            tx.commit().await?;
            let single = decided.iter().find_map(|(_, result)| result.as_ref().err());
            return Ok(match single {
                Some(error) if mode == Mode::Single => Ended::Failed(error.clone().into()),
                Some(_) | None => Ended::Refused(reply(&decided, false)),
            });
        }
        let moved: Vec<(PartnerPayout, PartnerPayout)> = decided
            .iter()
            .filter_map(|(id, result)| {
                Some((found.get(id)?.clone(), result.as_ref().ok()?.clone()))
            })
            .collect();
        let changed = store::partner::take(&mut tx, step, &moved).await?;
        if usize::try_from(changed) != Ok(moved.len()) {
            return Err(WriteError::Stale);
        }
        let answer = reply(&decided, true);
        if let Some(key) = key {
            tx.insert(key.remember(ctx, answer.encode_to_vec())).await?;
        }
        fail_point!("move::before_commit");
        tx.commit().await?;
        Ok(Ended::Moved(answer))
    }
}
