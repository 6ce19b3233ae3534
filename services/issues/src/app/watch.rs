//! A stream of notifications.
//!
//! Ids are made before the commit, so a row can become visible after one with a higher id. The
//! stream therefore looks back over a stretch that is longer than any transaction, and remembers
//! what it has sent of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;

use quittance_chassis::clock;
use quittance_kernel::{Ctx, NotificationId, Timestamp};
use uuid::Uuid;

use super::listen::ASLEEP;
use super::read_notifications::owner;
use super::{Ear, Issues, Notification};
use crate::error::Error;
use crate::store::notification::{Owner, after, by_ids, ids_within};

/// How often is looked when the bell is silent: another process may have written.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// How late a row can become visible, in milliseconds: a transaction waits at most 10 seconds for a
/// lock and idles no longer; clocks of processes differ by less than the rest.
const LATE: u64 = 30_000;

/// How many rows are read at once.
const PAGE: u32 = 200;

/// A member's notifications as they are written.
#[derive(Debug)]
pub struct Watch {
    issues: Issues,
    owner: Owner,
    ear: Ear,
    /// The highest id that was sent, or where the stream began.
    cursor: Uuid,
    /// What was sent, or was there before, of the stretch before the cursor.
    known: BTreeSet<Uuid>,
    waiting: VecDeque<Notification>,
}

impl Issues {
    /// Watches the caller's notifications: those after a given one, or those to come. Whatever is
    /// committed after this returns is seen.
    #[tracing::instrument(name = "notifications.watch", skip_all)]
    pub async fn watch(&self, ctx: &Ctx, from: Option<NotificationId>) -> Result<Watch, Error> {
        let ear = self.bell.listen();
        let now = first_of(millis(clock::now()));
        // An id of the future would hide everything until then.
        let cursor = from.map_or(now, |from| from.0.min(last_of(millis(clock::now()))));
        let owner = owner(ctx);
        let known = ids_within(self.db.conn(), owner, (look_back(cursor), cursor)).await?;
        let known = known.into_iter().collect();
        let issues = self.clone();
        let mut watch = Watch { issues, owner, ear, cursor, known, waiting: VecDeque::new() };
        if from.is_none() {
            watch.skip().await?;
        }
        Ok(watch)
    }
}

impl Watch {
    /// Waits for the next notification; `None` when the service stops.
    pub async fn next(&mut self) -> Result<Option<Notification>, Error> {
        let shutdown = self.issues.shutdown.clone();
        loop {
            if shutdown.is_cancelled() {
                return Ok(None);
            }
            if let Some(next) = self.waiting.pop_front() {
                return Ok(Some(next));
            }
            self.look().await?;
            if !self.waiting.is_empty() {
                continue;
            }
            let me = self.owner.member;
            let heard = self.issues.listening.load(Ordering::Relaxed);
            let patience = if heard { ASLEEP } else { POLL };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.ear.hear(|member| member == me) => {}
                () = tokio::time::sleep(patience) => {}
            }
        }
    }

    /// Takes what is there for known: another process's clock may be ahead.
    async fn skip(&mut self) -> Result<(), Error> {
        let there =
            ids_within(self.issues.db.conn(), self.owner, (self.cursor, Uuid::max())).await?;
        self.cursor = there.iter().copied().max().unwrap_or(self.cursor);
        self.known.extend(there);
        Ok(())
    }

    /// Reads what is new, and what has become visible late.
    async fn look(&mut self) -> Result<(), Error> {
        self.look_behind().await?;
        let fresh = after(self.issues.db.conn(), self.owner, self.cursor, PAGE).await?;
        if let Some(last) = fresh.last() {
            self.cursor = last.id.0;
        }
        self.take(fresh);
        Ok(())
    }

    async fn look_behind(&mut self) -> Result<(), Error> {
        let floor = look_back(self.cursor);
        // Long after the cursor nothing can be late any more.
        if id_millis(self.cursor).saturating_add(2 * LATE) < millis(clock::now()) {
            self.known.clear();
            return Ok(());
        }
        self.known = self.known.split_off(&floor);
        let conn = self.issues.db.conn();
        let mut late = ids_within(conn, self.owner, (floor, self.cursor)).await?;
        late.retain(|id| !self.known.contains(id));
        if !late.is_empty() {
            late.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
            let late = by_ids(conn, self.owner, late).await?;
            self.take(late);
        }
        Ok(())
    }

    fn take(&mut self, rows: Vec<Notification>) {
        self.known.extend(rows.iter().map(|row| row.id.0));
        self.waiting.extend(rows);
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.timestamp_millis()).unwrap_or_default()
}

/// When an id was made, as it says itself: the first 48 bits of a `UUIDv7`.
fn id_millis(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap_or_default()
}

/// What is not greater than any id of this millisecond.
fn first_of(millis: u64) -> Uuid {
    Uuid::from_u128(u128::from(millis) << 80)
}

/// What is not less than any id of this millisecond.
fn last_of(millis: u64) -> Uuid {
    Uuid::from_u128((u128::from(millis) << 80) | ((1 << 80) - 1))
}

/// What no id is less than that can become visible from now on.
pub(super) fn floor_at(now: Timestamp) -> Uuid {
    first_of(millis(now).saturating_sub(LATE))
}

fn look_back(cursor: Uuid) -> Uuid {
    first_of(id_millis(cursor).saturating_sub(LATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_when_they_were_made() {
        let before = millis(clock::now());
        let id = Uuid::now_v7();
        assert!((before..=millis(clock::now())).contains(&id_millis(id)));
        assert!(first_of(id_millis(id)) <= id && id <= last_of(id_millis(id)));
        assert_eq!(id_millis(look_back(id)), id_millis(id) - LATE);
        assert_eq!(look_back(Uuid::nil()), Uuid::nil());
    }
}
