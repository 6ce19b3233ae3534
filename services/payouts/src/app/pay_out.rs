//! Calling providers: what is due is written down, called, and its outcome written.
//!
//! A crash leaves attempts `submitted`. Whoever works next asks the provider for these, and calls
//! again only what never arrived, under the same key.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use quittance_chassis::bus::relay::leadership::Leadership;
use quittance_chassis::db::{Tx, WriteError};
use quittance_chassis::{clock, fail_point};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, Principal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Error, Payouts};
use crate::domain::attempt::{Answer, Attempt, AttemptState, conclude};
use crate::domain::lifecycle::Held;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::payout_machine;
use crate::rail::{Asked, Rails, Transfer};
use crate::store::outcome::{Concluded, Moved};
use crate::store::{self};

/// How many attempts are called in one round.
pub(super) const CHUNK: u32 = 64;
/// Calls at once.
pub(super) const AT_ONCE: usize = 8;
/// After that an answer is unknown, and asked for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often due attempts are looked for when nobody wakes the worker.
const POLL: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(1);

impl Payouts {
    /// Starts calling providers. Any number of processes may: one of them does, per database.
    #[must_use]
    pub fn pay_out(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(self.keep_paying(shutdown))
    }

    async fn keep_paying(self, shutdown: CancellationToken) {
        let mut leadership = Leadership::new(self.db.clone(), "rails", self.db.service());
        while !shutdown.is_cancelled() {
            if !leadership.holds().await {
                wait(PAUSE, &shutdown).await;
                continue;
            }
            let due = self.due.clone();
            // Registered before the rows are read, so that no commit falls in between.
            let mut woken = pin!(due.notified());
            woken.as_mut().enable();
            let pause = match self.round().await {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(error) => {
                    let error = quittance_chassis::problem::chain(&error);
                    tracing::warn!(error, "no provider was called");
                    PAUSE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = &mut woken => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        leadership.resign().await;
    }

    /// One look at what is due. `false` when there was nothing.
    pub async fn round(&self) -> Result<bool, Error> {
        let called = match store::attempt::due(&self.db, clock::now(), CHUNK).await? {
            Some((organization, attempts)) => {
                self.call(organization, attempts).await?;
                true
            }
            None => false,
        };
        let charged = self.charge_round().await?;
        let looked = self.look_round().await?;
        Ok(self.end_batches().await? || called || charged || looked)
    }

    async fn call(
        &self,
        organization: OrganizationId,
        attempts: Vec<Attempt>,
    ) -> Result<(), Error> {
        let ctx = service_ctx(organization);
        let (fresh, rest): (Vec<_>, Vec<_>) =
            attempts.into_iter().partition(|attempt| attempt.state == AttemptState::Created);
        if !fresh.is_empty() {
            let about: Vec<&Attempt> = fresh.iter().collect();
            if !self.wrote(|| store::attempt::submit(&ctx, self.db.service(), &about)).await? {
                // Another worker took over in between, and calls them.
                return Ok(());
            }
        }
        fail_point!("rail::before_send");
        let payouts = rest.iter().chain(&fresh).map(|attempt| attempt.payout.0).collect();
        let charges = store::charge::references(self.db.conn(), organization, payouts).await?;
        let submitted = fresh.into_iter().map(|attempt| {
            let version = attempt.version + 1;
            (Attempt { state: AttemptState::Submitted, version, ..attempt }, true)
        });
        let calls = submitted.chain(rest.into_iter().map(|attempt| (attempt, false)));
        let answered: Vec<(Attempt, Answer)> = futures_util::stream::iter(calls)
            .map(|(attempt, fresh)| {
                let charge = charges.get(&attempt.payout.0).cloned();
                let call = call_or_ask(self.rails.clone(), attempt.clone(), charge, fresh);
                async move {
                    // Not cancelled with its timeout: a write of the sandbox must not be cut off.
                    let answer = tokio::time::timeout(PATIENCE, tokio::spawn(call)).await;
                    (attempt, answer.ok().and_then(Result::ok).unwrap_or(Answer::Unknown))
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        fail_point!("rail::after_send");
        let ctx = service_ctx(organization);
        let mut concluded = Vec::with_capacity(answered.len());
        for (attempt, answer) in answered {
            match conclude(&attempt, &answer, ctx.now) {
                Ok(conclusion) => concluded.push(Concluded { attempt, answer, conclusion }),
                Err(refused) => tracing::error!(attempt = %attempt.id, %refused, "left as it is"),
            }
        }
        match self.write_outcomes(&ctx, &concluded).await {
            // Somebody else has written them: what is still open is asked for in the next round.
            Err(Error::Write(WriteError::Stale | WriteError::Duplicate(_))) => {
                wait_a_little().await;
                Ok(())
            }
            done => done,
        }
    }

    async fn write_outcomes(&self, ctx: &Ctx, concluded: &[Concluded]) -> Result<(), Error> {
        let organization = ctx.organization();
        let ids: Vec<Uuid> =
            store::outcome::payouts_of(concluded).into_iter().map(|id| id.0).collect();
        let tx = Tx::begin(&self.db, ctx).await?;
        let payouts = store::payout::lock_all(tx.conn(), organization, ids.clone()).await?;
        let held = store::lifecycle_read::hold_all(tx.conn(), organization, ids.clone()).await?;
        let bounties = store::bounty_payment::among(tx.conn(), organization, ids).await?;
        let moves = moves(ctx, concluded, payouts, (held, &bounties));
        store::outcome::write(&tx, ctx, self.db.service(), concluded, &moves)
            .await
            .map_err(Error::Write)?;
        self.follow_schedules(&tx, ctx, &moves).await?;
        self.follow_transfers(&tx, ctx, &moves).await?;
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("rail::after_outcome");
        Ok(())
    }

    /// Says of batches that they are over.
    async fn end_batches(&self) -> Result<bool, Error> {
        let Some((organization, ended)) = store::outcome::ended(&self.db, CHUNK).await? else {
            return Ok(false);
        };
        let ctx = service_ctx(organization);
        self.wrote(|| store::outcome::end_batches(&ctx, self.db.service(), &ended)).await
    }
}

/// Calls a provider, or asks what became of a call. A call that never arrived is sent again under
/// its own key, so that nothing moves twice even if it arrives after all.
async fn call_or_ask(
    rails: Rails,
    attempt: Attempt,
    charge: Option<String>,
    fresh: bool,
) -> Answer {
    let rail = attempt.rail.parse().ok().and_then(|method| rails.of(method));
    let Some(rail) = rail else { return Answer::Declined { code: "no_such_rail".to_owned() } };
    let transfer = Transfer {
        attempt: attempt.id,
        payout: attempt.payout,
        account: attempt.account,
        amount: attempt.amount,
        charge,
    };
    if fresh {
        return rail.send(&transfer).await;
    }
    match rail.ask(&transfer).await {
        Asked::Known(answer) => answer,
        Asked::NeverArrived => rail.send(&transfer).await,
        Asked::Unclear => Answer::Unknown,
    }
}

/// The steps that payouts take. One that its machine does not know is left out, and noticed.
fn moves(
    ctx: &Ctx,
    concluded: &[Concluded],
    payouts: Vec<Payout>,
    (mut held, bounties): (HashMap<PayoutId, Vec<Held>>, &HashSet<PayoutId>),
) -> Vec<Moved> {
    let mut payouts: HashMap<PayoutId, Payout> =
        payouts.into_iter().map(|payout| (payout.id, payout)).collect();
    let mut moves = Vec::new();
    for Concluded { attempt, answer, conclusion } in concluded {
        let Some(command) = conclusion.payout else { continue };
        let Some(payout) = payouts.remove(&attempt.payout) else { continue };
        let from = payout.state;
        let state = match payout_machine::step(from, command) {
            Ok(state) => state,
            Err(refused) => {
                tracing::error!(payout = %payout.id, %refused, "left as it is");
                continue;
            }
        };
        let (reference, code) = match answer {
            // What we called it stays, where we did.
            Answer::Sent { reference } if payout.reference.is_empty() => {
                (reference.clone(), String::new())
            }
            Answer::Sent { .. } | Answer::Unknown => (payout.reference.clone(), String::new()),
            Answer::Declined { code } | Answer::Retryable { code } => {
                (payout.reference.clone(), code.clone())
            }
        };
        let paid_at = (state == PayoutState::Paid).then_some(ctx.now);
        let items = held.remove(&payout.id).unwrap_or_default();
        let version = payout.version + 1;
        let payout = Payout { state, reference, paid_at, version, updated_at: ctx.now, ..payout };
        // What is sent for a bounty was charged for before.
        let keeps = bounties.contains(&payout.id);
        moves.push(Moved { from, payout, items, code, keeps });
    }
    moves
}

pub(super) fn service_ctx(organization: OrganizationId) -> Ctx {
    Ctx::new(Principal::service(organization), clock::now(), "rails".to_owned())
}

async fn wait(pause: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

pub(super) async fn wait_a_little() {
    tokio::time::sleep(POLL).await;
}
