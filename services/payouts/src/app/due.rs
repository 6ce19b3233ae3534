//! What is due, in chunks: schedules are settled and timed holds released (rule 15).
//!
//! A chunk is one transaction: what it claims is locked, decided about and written before anybody
//! else sees it, so that a process that is killed leaves nothing half done. Workers pass over what
//! others have locked.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use quittance_chassis::db::{Journal, Tx, WriteError, WriteSet, is_transient};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;
use quittance_events::kind;
use quittance_kernel::{Ctx, MoneyError, PayoutId, Timestamp, Totals};
use uuid::Uuid;

use super::plan::TRIES;
use super::{Error, Payouts};
use crate::domain::attempt::told;
use crate::domain::due::{Candidate, Decided, Outcome, decide};
use crate::domain::hold::Hold;
use crate::domain::payout::PayoutState;
use crate::domain::schedule::{Failed, Schedule, ScheduleState};
use crate::store::due::Contexts;
use crate::store::outcome::Moved;
use crate::store::{self, StoreError};

/// What one chunk of a job did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueChunk {
    /// What it took in hand; nothing is left when that is none.
    pub claimed: u64,
    /// Schedules that stand in the pay queue now, or holds that were released.
    pub processed: u64,
    /// Schedules that have failed for the third time.
    pub failed: u64,
    /// Schedules that failed and are tried again later.
    pub retried: u64,
    /// Schedules that may not be paid yet; they are looked at again later.
    pub skipped: u64,
    /// Schedules that a provider is paying now; its answer processes them.
    pub submitted: u64,
    /// Schedules that became due because their last hold was released.
    pub unblocked: u64,
    /// Of what was processed or submitted.
    pub amounts: Totals,
}

impl Payouts {
    /// Claims at most `limit` due schedules of all organizations and settles them, in one
    /// transaction (S2-7). None claimed means that nothing is due.
    pub async fn process_due_schedules(
        &self,
        caller: &Caller,
        at: Timestamp,
        limit: u32,
    ) -> Result<DueChunk, Error> {
        for _ in 1..TRIES {
            match self.process_schedules(&caller.ctx, at, limit).await {
                Err(error) if may_pass(&error) => {}
                done => return done,
            }
        }
        self.process_schedules(&caller.ctx, at, limit).await
    }

    /// Releases at most `limit` holds whose time has come, in one transaction (S2-24). Schedules
    /// without another hold become due at once: whoever runs this drains them next.
    pub async fn release_due_holds(
        &self,
        caller: &Caller,
        at: Timestamp,
        limit: u32,
    ) -> Result<DueChunk, Error> {
        for _ in 1..TRIES {
            match self.release_holds(&caller.ctx, at, limit).await {
                Err(error) if may_pass(&error) => {}
                done => return done,
            }
        }
        self.release_holds(&caller.ctx, at, limit).await
    }
}

/// Whether a chunk of which nothing was written may go well the next time: somebody else has
/// changed a row, or the database ended a deadlock by it.
fn may_pass(error: &Error) -> bool {
    if let Error::Write(WriteError::Stale | WriteError::Duplicate(_)) = error {
        return true;
    }
    let (Error::Write(WriteError::Database(cause))
    | Error::Store(StoreError::Database(cause))
    | Error::Database(cause)) = error
    else {
        return false;
    };
    is_transient(cause)
}

/// Schedules that no hold keeps back any more.
pub(super) struct Unblocked {
    /// Those that had been waiting, before and after.
    pub(super) changed: Vec<(Schedule, Schedule)>,
    /// How many are due now.
    pub(super) due: u64,
}

/// What these holds, which are over, have kept back and no other hold keeps back. Locks the
/// schedules: a job that is deciding about one of them has decided before this goes on.
pub(super) async fn kept_back(tx: &Tx, gone: &[Hold], at: Timestamp) -> Result<Unblocked, Error> {
    let mut found = Unblocked { changed: vec![], due: 0 };
    if gone.is_empty() {
        return Ok(found);
    }
    let organizations = distinct(gone.iter().map(|hold| hold.organization.0));
    let placements = distinct(gone.iter().map(|hold| hold.placement));
    let schedules =
        store::due::lock_of_placements(tx.conn(), organizations.clone(), placements.clone(), at)
            .await?;
    let active = store::hold::active(tx.conn(), organizations, placements).await?;
    let (was, is) = (Held::by(gone), Held::by(&active));
    for before in schedules {
        if !was.on(&before) || is.on(&before) {
            continue;
        }
        let waited = !before.waiting_for.is_empty();
        let after = if waited { before.clone().unblock(at) } else { before.clone() };
        if after.next_attempt_at <= at {
            found.due += 1;
        }
        if waited {
            found.changed.push((before, after));
        }
    }
    Ok(found)
}

/// Which schedules holds are on.
struct Held<'a>(HashMap<(Uuid, Uuid), Vec<&'a Hold>>);

impl<'a> Held<'a> {
    fn by(holds: &'a [Hold]) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for hold in holds {
            all.entry((hold.organization.0, hold.placement)).or_default().push(hold);
        }
        Self(all)
    }

    fn on(&self, of: &Schedule) -> bool {
        let holds = self.0.get(&(of.organization.0, of.placement));
        holds.is_some_and(|holds| holds.iter().any(|hold| hold.is_on(of)))
    }
}

fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    ids.collect::<HashSet<_>>().into_iter().collect()
}

impl DueChunk {
    fn count(&mut self, decided: &[Decided]) -> Result<(), MoneyError> {
        self.claimed += decided.len() as u64;
        for one in decided {
            match one.outcome {
                Outcome::Queued(_) => self.processed += 1,
                Outcome::Submitted(_) => self.submitted += 1,
                Outcome::Failed(Failed::Retried) => self.retried += 1,
                Outcome::Failed(Failed::Final) => self.failed += 1,
                Outcome::Waits => self.skipped += 1,
            }
            if one.payment().is_some() {
                self.amounts.add(one.after.amount)?;
            }
        }
        Ok(())
    }
}

impl Payouts {
    #[tracing::instrument(name = "due.schedules", skip_all)]
    async fn process_schedules(
        &self,
        ctx: &Ctx,
        at: Timestamp,
        limit: u32,
    ) -> Result<DueChunk, Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let claimed = store::due::claim(tx.conn(), at, limit).await?;
        if claimed.is_empty() {
            return Ok(DueChunk::default());
        }
        let (set, _, chunk) = self.decide_all(&tx, ctx, claimed, at).await?;
        tx.write(set).await.map_err(Error::Write)?;
        fail_point!("due::before_commit");
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("due::after_commit");
        if chunk.submitted > 0 {
            self.due.notify_one();
        }
        Ok(chunk)
    }

    /// Decides about schedules that are locked, and says what is to be written.
    pub(super) async fn decide_all(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        claimed: Vec<Schedule>,
        at: Timestamp,
    ) -> Result<(WriteSet, Vec<Decided>, DueChunk), Error> {
        let conn = tx.conn();
        let organizations = distinct(claimed.iter().map(|one| one.organization.0));
        let placements = distinct(claimed.iter().map(|one| one.placement));
        let payees = distinct(claimed.iter().map(|one| one.payee.0));
        let tried: Vec<Uuid> =
            claimed.iter().filter(|one| one.payout.is_some()).map(|one| one.id).collect();
        let holds = store::hold::active(conn, organizations.clone(), placements).await?;
        let since = at.checked_sub_signed(self.waiting_time()).unwrap_or(at);
        let limits = store::due::limits(conn, organizations.clone(), payees.clone(), since).await?;
        let executed = claimed.iter().any(|one| !one.method.is_manual());
        let mut accounts = HashMap::new();
        if executed && !self.policy.sandbox_closed {
            accounts = self.accounts_of_all(conn, organizations.clone(), payees).await?;
        }
        let mut earnings = HashMap::new();
        if !tried.is_empty() {
            earnings = store::due::earnings(conn, organizations, tried).await?;
        }
        let held = Held::by(&holds);
        let decided: Result<Vec<Decided>, _> = claimed
            .into_iter()
            .map(|schedule| {
                let (organization, payee) = (schedule.organization, schedule.payee);
                let key = (organization, payee, schedule.method);
                let candidate = Candidate {
                    held: held.on(&schedule),
                    earning: earnings.get(&schedule.id).copied(),
                    account: accounts.get(&key).cloned(),
                    cooling: limits.is_cooling(&schedule),
                    below_minimum: limits.is_below(&schedule),
                    schedule,
                };
                decide(candidate, at, ctx.now)
            })
            .collect();
        let decided = decided?;
        let mut chunk = DueChunk::default();
        chunk.count(&decided)?;
        Ok((store::due::write_set(ctx, self.db.service(), &decided), decided, chunk))
    }

    /// How long a changed account is not paid.
    fn waiting_time(&self) -> TimeDelta {
        TimeDelta::hours(self.policy.account_cooldown_hours.into())
    }

    #[tracing::instrument(name = "due.holds", skip_all)]
    async fn release_holds(&self, ctx: &Ctx, at: Timestamp, limit: u32) -> Result<DueChunk, Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let due = store::hold::claim(tx.conn(), at, limit).await?;
        if due.is_empty() {
            return Ok(DueChunk::default());
        }
        let mut chunk = DueChunk { claimed: due.len() as u64, ..DueChunk::default() };
        let mut contexts = Contexts::new(ctx);
        let mut journal = Journal::new(self.db.service());
        let mut after = Vec::with_capacity(due.len());
        let mut payments = Vec::new();
        for hold in &due {
            let released = hold.clone().release(ctx.member(), "its time has come", ctx.now);
            let released = released?;
            let of = contexts.of(hold.organization);
            let kind = kind::HOLD_AUTO_RELEASED;
            store::hold::tell(of, &mut journal, Some(hold), &released, kind);
            chunk.processed += 1;
            chunk.amounts.add(hold.amount)?;
            payments.extend(released.payment(hold.created_by, at)?);
            after.push(released);
        }
        let mut set = WriteSet::new();
        set.update(store::hold::advance(&after));
        tx.write(set).await.map_err(Error::Write)?;
        let free = kept_back(&tx, &due, at).await?;
        let mut set = WriteSet::new();
        store::due::unblock(&mut contexts, &mut set, &mut journal, &free.changed);
        store::due::pay_holds(&mut contexts, &mut set, &mut journal, &payments);
        chunk.unblocked = free.due;
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        fail_point!("due::before_release");
        tx.commit().await.map_err(Error::Write)?;
        Ok(chunk)
    }

    /// What a provider's answers mean for schedules; in the transaction that writes the answers.
    pub(super) async fn follow_schedules(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        moves: &[Moved],
    ) -> Result<(), Error> {
        let mut answers: HashMap<Uuid, &Moved> = HashMap::new();
        for step in moves {
            let ours = step.items.iter().filter(|held| held.live && !held.earning.is_of_issue());
            answers.extend(ours.map(|held| (held.earning.issue.0, step)));
        }
        answers
            .retain(|_, step| matches!(step.payout.state, PayoutState::Paid | PayoutState::Failed));
        if answers.is_empty() {
            return Ok(());
        }
        let ids = answers.keys().copied().collect();
        let schedules = store::schedule::lock(tx.conn(), ctx.organization(), ids).await?;
        let mut changed = Vec::with_capacity(schedules.len());
        for before in schedules {
            let Some(step) = answers.get(&before.id) else { continue };
            if let Some((after, kind)) = answered(before.clone(), step, ctx.now)? {
                changed.push((before, after, kind));
            }
        }
        let set = store::due::follow_set(ctx, self.db.service(), &changed);
        tx.write(set).await.map_err(Error::Write)
    }
}

/// What becomes of a schedule when its payout was paid or has failed. A payout that an admin had
/// tried again counts when it is paid, and is no failure of the schedule when it is not.
fn answered(
    schedule: Schedule,
    step: &Moved,
    now: Timestamp,
) -> Result<Option<(Schedule, &'static str)>, Error> {
    let payout: PayoutId = step.payout.id;
    if step.payout.state == PayoutState::Paid {
        let open = !matches!(schedule.state, ScheduleState::Processed | ScheduleState::Cancelled);
        if !open {
            return Ok(None);
        }
        return Ok(Some((schedule.settle(payout, now)?, kind::SCHEDULE_PROCESSED)));
    }
    if schedule.state != ScheduleState::Processing || schedule.payout != Some(payout) {
        return Ok(None);
    }
    let (after, how) = schedule.fail(&told(&step.code), now, now)?;
    let kind = match how {
        Failed::Retried => kind::SCHEDULE_UPDATED,
        Failed::Final => kind::SCHEDULE_FAILED,
    };
    Ok(Some((after, kind)))
}
