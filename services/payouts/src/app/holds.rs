//! Escrow holds as platform admins keep them: make, read, change, release, cancel.

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx};
use quittance_events::kind;
use quittance_kernel::{Ctx, PageRequest};
use uuid::Uuid;

use super::due::kept_back;
use super::schedules::{next, position};
use super::{Answered, Error, Payouts};
use crate::domain::hold::{Hold, HoldChange, HoldError, HoldState, NewHold};
use crate::store;
use crate::store::due::Contexts;
use crate::store::hold::{Filter, Total};

/// What is asked of a hold that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Whole, or so much of it.
    Release(Option<i64>),
    Cancel,
}

/// A hold after its end: of a partial release what is left, and the released part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedHold {
    pub(crate) hold: Hold,
    pub(crate) part: Option<Hold>,
    /// Schedules that became due by it.
    pub(crate) unblocked: u64,
}

impl Payouts {
    /// Keeps money of a placement back (S2-21).
    #[tracing::instrument(name = "holds.create", skip_all)]
    pub(crate) async fn create_hold<R: Message + Default>(
        &self,
        ctx: &Ctx,
        new: &NewHold,
        key: Option<&Idempotency>,
        reply: impl Fn(&Hold) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let hold = &new.clone().create(ctx.organization(), ctx.member(), ctx.now)?;
        let reply = &reply;
        self.once(ctx, key, || async move {
            let tx = Tx::begin(&self.db, ctx).await?;
            if let Some(id) = hold.schedule {
                // Locked, so that a job that is deciding about it comes before or after.
                let found = store::schedule::lock(tx.conn(), ctx.organization(), vec![id]).await?;
                if !found.iter().any(|schedule| schedule.placement == hold.placement) {
                    return Err(HoldError::NoSchedule(id).into());
                }
            }
            let (mut set, mut journal) = self.pages();
            store::hold::create(ctx, &mut set, &mut journal, hold, kind::HOLD_CREATED);
            let reply = reply(hold);
            self.finish(tx, ctx, (set, journal), key, &reply).await?;
            Ok(reply)
        })
        .await
    }

    /// Returns a hold of the organization.
    pub(crate) async fn hold(&self, ctx: &Ctx, id: Uuid) -> Result<Hold, Error> {
        let found = store::hold::find(&self.db, ctx.organization(), id).await?;
        Ok(found.ok_or(HoldError::NotFound(id))?)
    }

    /// Lists holds, the newest first, and the token of the next page.
    #[tracing::instrument(name = "holds.list", skip_all)]
    pub(crate) async fn holds(
        &self,
        ctx: &Ctx,
        filter: Filter,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Hold>, String), Error> {
        let query = format!("holds?{filter:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before = position(page.after.as_deref())?;
        let mut found =
            store::hold::list(&self.db, ctx.organization(), filter, before, page.size + 1).await?;
        let next = next(&mut found, page.size, &query, |one| one.id);
        Ok((found, next))
    }

    /// What is held of a placement now, by currency, and by how many holds (S2-26).
    pub(crate) async fn total_held(&self, ctx: &Ctx, placement: Uuid) -> Result<Vec<Total>, Error> {
        Ok(store::hold::total(&self.db, ctx.organization(), placement).await?)
    }

    /// Changes a hold while it is active.
    #[tracing::instrument(name = "holds.update", skip_all, fields(hold.id = %id))]
    pub(crate) async fn update_hold<R: Message + Default>(
        &self,
        ctx: &Ctx,
        (id, seen): (Uuid, i64),
        change: &HoldChange,
        key: Option<&Idempotency>,
        reply: impl Fn(&Hold) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let reply = &reply;
        self.once(ctx, key, || async move {
            let tx = Tx::begin(&self.db, ctx).await?;
            let before = self.locked_hold(&tx, ctx, id, seen).await?;
            let after = before.clone().change(change.clone(), ctx.now)?;
            let (mut set, mut journal) = self.pages();
            set.update(store::hold::advance(std::slice::from_ref(&after)));
            store::hold::tell(ctx, &mut journal, Some(&before), &after, kind::HOLD_UPDATED);
            let reply = reply(&after);
            self.finish(tx, ctx, (set, journal), key, &reply).await?;
            Ok(reply)
        })
        .await
    }

    async fn locked_hold(&self, tx: &Tx, ctx: &Ctx, id: Uuid, seen: i64) -> Result<Hold, Error> {
        let found = store::hold::lock(tx.conn(), ctx.organization(), id).await?;
        let found = found.ok_or(HoldError::NotFound(id))?;
        if seen != 0 && seen != found.version {
            return Err(HoldError::Stale(found.version).into());
        }
        Ok(found)
    }

    /// Releases a hold, whole or in part, or cancels it, once per key. Schedules without another
    /// hold become due at once.
    #[tracing::instrument(name = "holds.end", skip_all, fields(hold.id = %id))]
    pub(crate) async fn end_hold<R: Message + Default>(
        &self,
        ctx: &Ctx,
        (id, seen): (Uuid, i64),
        (end, why): (&End, &str),
        key: Option<&Idempotency>,
        reply: impl Fn(&EndedHold) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let why = &crate::domain::hold::reason(why)?;
        let reply = &reply;
        self.once(ctx, key, || async move {
            let tx = Tx::begin(&self.db, ctx).await?;
            let before = self.locked_hold(&tx, ctx, id, seen).await?;
            let (by, now) = (ctx.member(), ctx.now);
            // Who is paid by it lets nothing go (rule 8).
            if before.payee == by {
                return Err(HoldError::OwnPayout.into());
            }
            let whole = before.amount.minor();
            let (after, part) = match end {
                End::Cancel => (before.clone().cancel(by, why, now)?, None),
                End::Release(Some(minor)) if *minor != whole => {
                    let (left, part) = before.clone().release_part(*minor, by, why, now)?;
                    (left, Some(part))
                }
                End::Release(_) => (before.clone().release(by, why, now)?, None),
            };
            let (mut set, mut journal) = self.pages();
            set.update(store::hold::advance(std::slice::from_ref(&after)));
            let told = store::hold::ended_kind(after.state);
            store::hold::tell(ctx, &mut journal, Some(&before), &after, told);
            if let Some(part) = &part {
                let kind = kind::HOLD_RELEASED;
                store::hold::create(ctx, &mut set, &mut journal, part, kind);
            }
            tx.write(set).await.map_err(Error::Write)?;
            let (mut set, _) = self.pages();
            let over = after.state != HoldState::Active;
            let gone = if over { std::slice::from_ref(&before) } else { &[] };
            let free = kept_back(&tx, gone, now).await?;
            let mut contexts = Contexts::new(ctx);
            store::due::unblock(&mut contexts, &mut set, &mut journal, &free.changed);
            let payment = part.as_ref().unwrap_or(&after).payment(by, now)?;
            store::due::pay_holds(&mut contexts, &mut set, &mut journal, payment.as_slice());
            let ended = EndedHold { hold: after, part, unblocked: free.due };
            let reply = reply(&ended);
            self.finish(tx, ctx, (set, journal), key, &reply).await?;
            Ok(reply)
        })
        .await
    }
}
