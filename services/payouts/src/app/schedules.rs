//! Schedules as platform admins keep them: make, read, change, give up, trigger.

use prost::Message;
use quittance_chassis::db::{Idempotency, Journal, Tx, WriteError, WriteSet};
use quittance_chassis::fail_point;
use quittance_events::kind;
use quittance_kernel::{Ctx, PageError, PageRequest, token};
use uuid::Uuid;

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::earning::EarningStatus;
use crate::domain::schedule::{
    NewSchedule, Schedule, ScheduleChange, ScheduleError, ScheduleState,
};
use crate::store;
use crate::store::schedule::Filter;

impl Payouts {
    /// Takes a step once per key: again when others were faster, and never twice.
    pub(super) async fn once<R, F>(
        &self,
        ctx: &Ctx,
        key: Option<&Idempotency>,
        attempt: impl Fn() -> F + Send,
    ) -> Result<Answered<R>, Error>
    where
        R: Message + Default,
        F: Future<Output = Result<R, Error>> + Send,
    {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            match attempt().await {
                Ok(reply) => return Ok(Answered { reply, replayed: false }),
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {}
                Err(error) => {
                    // The same request may have done it since the key was looked up.
                    return match self.recall(ctx, key).await? {
                        Some(before) => Ok(before),
                        None => Err(error),
                    };
                }
            }
        }
        Err(Error::Contended)
    }

    /// Completes a set with its journal and the answer under its key, and commits.
    pub(super) async fn finish<R: Message>(
        &self,
        tx: Tx,
        ctx: &Ctx,
        (mut set, journal): (WriteSet, Journal),
        key: Option<&Idempotency>,
        reply: &R,
    ) -> Result<(), Error> {
        journal.write_to(ctx, &mut set);
        if let Some(key) = key {
            set.insert(key.remember(ctx, reply.encode_to_vec()));
        }
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)
    }

    pub(super) fn pages(&self) -> (WriteSet, Journal) {
        (WriteSet::new(), Journal::new(self.db.service()))
    }

    /// Schedules a payout (S2-4).
    #[tracing::instrument(name = "schedules.create", skip_all)]
    pub(crate) async fn create_schedule<R: Message + Default>(
        &self,
        ctx: &Ctx,
        new: &NewSchedule,
        key: Option<&Idempotency>,
        reply: impl Fn(&Schedule) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let schedule = new.clone().create(ctx.organization(), ctx.member(), ctx.now)?;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let reply = reply(&schedule);
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = self.pages();
                store::schedule::create(ctx, &mut set, &mut journal, &schedule);
                super::create_payouts::finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }

    /// Returns a schedule of the organization.
    pub(crate) async fn schedule(&self, ctx: &Ctx, id: Uuid) -> Result<Schedule, Error> {
        let found = store::schedule::find(self.db.conn(), ctx.organization(), id).await?;
        Ok(found.ok_or(ScheduleError::NotFound(id))?)
    }

    /// Lists schedules, the newest first, and the token of the next page.
    #[tracing::instrument(name = "schedules.list", skip_all)]
    pub(crate) async fn schedules(
        &self,
        ctx: &Ctx,
        filter: Filter,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Schedule>, String), Error> {
        let query = format!("schedules?{filter:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before = position(page.after.as_deref())?;
        let mut found =
            store::schedule::list(&self.db, ctx.organization(), filter, before, page.size + 1)
                .await?;
        let next = next(&mut found, page.size, &query, |one| one.id);
        Ok((found, next))
    }

    /// Changes a schedule while nothing is on its way. `seen` is the version that the caller has
    /// seen, 0 if none.
    #[tracing::instrument(name = "schedules.update", skip_all, fields(schedule.id = %id))]
    pub(crate) async fn update_schedule<R: Message + Default>(
        &self,
        ctx: &Ctx,
        (id, seen): (Uuid, i64),
        change: &ScheduleChange,
        key: Option<&Idempotency>,
        reply: impl Fn(&Schedule) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let reply = &reply;
        self.once(ctx, key, || async move {
            let tx = Tx::begin(&self.db, ctx).await?;
            let before = self.locked(&tx, ctx, id, seen).await?;
            let after = before.clone().change(change.clone(), ctx.member(), ctx.now)?;
            self.free_of_payouts(&tx, ctx, &before).await?;
            let (mut set, mut journal) = self.pages();
            let (both, told) = ((&before, &after), kind::SCHEDULE_UPDATED);
            store::schedule::change(ctx, &mut set, &mut journal, both, told, None);
            let reply = reply(&after);
            self.finish(tx, ctx, (set, journal), key, &reply).await?;
            Ok(reply)
        })
        .await
    }

    /// Gives a schedule up; the row stays. What is left of an earlier attempt is no longer owed.
    #[tracing::instrument(name = "schedules.cancel", skip_all, fields(schedule.id = %id))]
    pub(crate) async fn cancel_schedule<R: Message + Default>(
        &self,
        ctx: &Ctx,
        (id, seen): (Uuid, i64),
        reason: Option<&str>,
        key: Option<&Idempotency>,
        reply: impl Fn(&Schedule) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let reply = &reply;
        self.once(ctx, key, || async move {
            let tx = Tx::begin(&self.db, ctx).await?;
            let before = self.locked(&tx, ctx, id, seen).await?;
            let after = before.clone().cancel(ctx.now)?;
            self.free_of_payouts(&tx, ctx, &before).await?;
            let (mut set, mut journal) = self.pages();
            let (both, told) = ((&before, &after), kind::SCHEDULE_CANCELLED);
            store::schedule::change(ctx, &mut set, &mut journal, both, told, reason);
            if before.payout.is_some() {
                let organizations = vec![ctx.organization().0];
                let earnings = store::due::earnings(tx.conn(), organizations, vec![id]).await?;
                let open = earnings.values().find(|one| one.status == EarningStatus::Approved);
                if let Some(earning) = open {
                    store::due::give_up(ctx, &mut set, &mut journal, earning);
                }
            }
            let reply = reply(&after);
            self.finish(tx, ctx, (set, journal), key, &reply).await?;
            Ok(reply)
        })
        .await
    }

    async fn locked(&self, tx: &Tx, ctx: &Ctx, id: Uuid, seen: i64) -> Result<Schedule, Error> {
        let found = store::schedule::lock(tx.conn(), ctx.organization(), vec![id]).await?.pop();
        let found = found.ok_or(ScheduleError::NotFound(id))?;
        if seen != 0 && seen != found.version {
            return Err(ScheduleError::Stale(found.version).into());
        }
        Ok(found)
    }

    /// An admin may have had its failed payout tried again: then it is not ours to change.
    async fn free_of_payouts(&self, tx: &Tx, ctx: &Ctx, of: &Schedule) -> Result<(), Error> {
        if of.payout.is_none() {
            return Ok(());
        }
        let organizations = vec![ctx.organization().0];
        let earnings = store::due::earnings(tx.conn(), organizations, vec![of.id]).await?;
        let taken = earnings
            .values()
            .any(|earning| earning.status == EarningStatus::Approved && earning.payout.is_some());
        if taken {
            return Err(ScheduleError::InPayout.into());
        }
        Ok(())
    }

    /// Has a schedule processed at once, once per key; failures are counted anew (S2-8).
    ///
    /// Two transactions: what is left after the first is due, and the next job takes it.
    #[tracing::instrument(name = "schedules.trigger", skip_all, fields(schedule.id = %id))]
    pub(crate) async fn trigger_schedule<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: Uuid,
        key: Option<&Idempotency>,
        reply: impl Fn(&Schedule) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let reply = &reply;
        let answered = self
            .once(ctx, key, || async move {
                self.make_due(ctx, id).await?;
                fail_point!("schedules::triggered");
                let tx = Tx::begin(&self.db, ctx).await?;
                let found = self.locked(&tx, ctx, id, 0).await?;
                if found.state != ScheduleState::Triggered {
                    // A job was faster: what it did is the answer.
                    return Ok(reply(&found));
                }
                let (set, decided, _) = self.decide_all(&tx, ctx, vec![found], ctx.now).await?;
                let after = decided.first().map(|one| &one.after);
                let reply = reply(after.ok_or(ScheduleError::NotFound(id))?);
                let written = (set, Journal::new(self.db.service()));
                fail_point!("due::before_commit");
                self.finish(tx, ctx, written, key, &reply).await?;
                fail_point!("due::after_commit");
                Ok(reply)
            })
            .await?;
        self.due.notify_one();
        Ok(answered)
    }

    /// The first half of a trigger, unless it was done before.
    async fn make_due(&self, ctx: &Ctx, id: Uuid) -> Result<(), Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let before = self.locked(&tx, ctx, id, 0).await?;
        if before.state == ScheduleState::Triggered {
            return Ok(());
        }
        let placements = vec![before.placement];
        let holds = store::hold::active(tx.conn(), vec![ctx.organization().0], placements).await?;
        let held = holds.iter().any(|hold| hold.keeps_back(&before));
        let after = before.clone().trigger(ctx.member(), held, ctx.now)?;
        self.free_of_payouts(&tx, ctx, &before).await?;
        let (mut set, mut journal) = self.pages();
        let both = (&before, &after);
        store::schedule::change(ctx, &mut set, &mut journal, both, kind::SCHEDULE_TRIGGERED, None);
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)
    }
}

/// Where a page begins.
pub(super) fn position(keys: Option<&[String]>) -> Result<Option<Uuid>, PageError> {
    match keys {
        Some([id]) => id.parse().map(Some).map_err(|_| PageError::BadToken),
        Some(_) => Err(PageError::BadToken),
        None => Ok(None),
    }
}

/// Cuts a list to its page, and returns the token of the next one.
pub(super) fn next<T>(
    rows: &mut Vec<T>,
    size: u32,
    query: &str,
    id: impl Fn(&T) -> Uuid,
) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    match rows.last() {
        Some(last) if more => token::encode(&[id(last).to_string()], query),
        Some(_) | None => String::new(),
    }
}
