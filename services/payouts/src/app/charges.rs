//! Charging payers: as transfers are made, and beside them. What is due is written down, called, and
//! its outcome written; what never arrived is charged again under its own key.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _};
use quittance_chassis::db::{Journal, Tx, WriteError, WriteSet};
use quittance_chassis::{clock, fail_point};
use quittance_kernel::{Ctx, MemberId, PayoutId};
use uuid::Uuid;

use super::pay_bounty::RAIL;
use super::pay_out::{AT_ONCE, CHUNK, PATIENCE, service_ctx, wait_a_little};
use super::{Error, Payouts};
use crate::domain::bounty_payment::BountyPayment;
use crate::domain::charge::{ChargeAttempt, ChargeState, Charged, Purpose, conclude};
use crate::domain::lifecycle::Held;
use crate::domain::payout::{Payout, PayoutState};
use crate::rail::{AskedCharge, Charge, Rails};
use crate::store;
use crate::store::charge_outcome::Concluded;
use crate::store::execution::NewAttempt;
use crate::store::outcome::Moved;

/// What a payment says while its payer has to do something.
const ACTION: &str = "payer_action_required";
/// What the payee is told when the payer could not be charged.
const NOT_CHARGED: &str = "the_payer_could_not_be_charged";

impl Payouts {
    /// One look at charges that are due. `false` when there were none.
    pub(super) async fn charge_round(&self) -> Result<bool, Error> {
        let due = store::charge::due(&self.db, clock::now(), CHUNK).await?;
        let Some((organization, charges)) = due else { return Ok(false) };
        let ctx = service_ctx(organization);
        let (back, charges): (Vec<_>, Vec<_>) =
            charges.into_iter().partition(|charge| charge.state == ChargeState::Refunding);
        futures_util::stream::iter(back)
            .map(|charge| self.give_back(charge))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let (fresh, rest): (Vec<_>, Vec<_>) =
            charges.into_iter().partition(|charge| charge.state == ChargeState::Created);
        if !fresh.is_empty() {
            let about: Vec<&ChargeAttempt> = fresh.iter().collect();
            if !self.wrote(|| store::charge::submit(&ctx, self.db.service(), &about)).await? {
                // Another worker took over in between, and calls them.
                return Ok(true);
            }
        }
        fail_point!("charge::before_call");
        let submitted = fresh.into_iter().map(|charge| {
            let version = charge.version + 1;
            (ChargeAttempt { state: ChargeState::Submitted, version, ..charge }, true)
        });
        let calls = submitted.chain(rest.into_iter().map(|charge| (charge, false)));
        let answered: Vec<(ChargeAttempt, Charged)> = futures_util::stream::iter(calls)
            .map(|(charge, fresh)| {
                let call = call_or_ask(self.rails.clone(), charge.clone(), fresh);
                async move {
                    // Not cancelled with its timeout: a write of the sandbox must not be cut off.
                    let answer = tokio::time::timeout(PATIENCE, tokio::spawn(call)).await;
                    (charge, answer.ok().and_then(Result::ok).unwrap_or(Charged::Unknown))
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        fail_point!("charge::after_call");
        let ctx = service_ctx(organization);
        let mut concluded = Vec::with_capacity(answered.len());
        for (charge, charged) in answered {
            match conclude(&charge, &charged, ctx.now) {
                Ok(follows) => concluded.push(Concluded { charge, charged, follows }),
                Err(refused) => tracing::error!(charge = %charge.id, %refused, "left as it is"),
            }
        }
        match self.write_charges(&ctx, &concluded).await {
            // Somebody else has written them: what is still open is asked for in the next round.
            Err(Error::Write(WriteError::Stale | WriteError::Duplicate(_))) => {
                wait_a_little().await;
                Ok(true)
            }
            done => done.map(|()| true),
        }
    }

    async fn write_charges(&self, ctx: &Ctx, concluded: &[Concluded]) -> Result<(), Error> {
        let organization = ctx.organization();
        let of_payouts = concluded.iter().filter(|one| one.charge.purpose == Purpose::Payout);
        let ids: Vec<Uuid> = of_payouts.map(|one| one.charge.subject).collect();
        let tx = Tx::begin(&self.db, ctx).await?;
        let payouts = store::payout::lock_all(tx.conn(), organization, ids.clone()).await?;
        let held = store::lifecycle_read::hold_all(tx.conn(), organization, ids.clone()).await?;
        let payments = store::bounty_payment::lock_of(tx.conn(), organization, ids).await?;
        let known = Known {
            payouts: payouts.into_iter().map(|payout| (payout.id.0, payout)).collect(),
            held,
            payments: payments
                .into_iter()
                .filter_map(|payment| Some((payment.payout?.0, payment)))
                .collect(),
        };
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        store::charge_outcome::write(ctx, &mut set, &mut journal, concluded);
        for one in concluded {
            if one.charge.purpose == Purpose::TopUp && one.follows.funded == Some(true) {
                store::pre_fund::fill(ctx, &mut set, &one.charge);
            }
        }
        let moves = self.follow_charges(&tx, ctx, &mut set, known, concluded).await?;
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        store::outcome::write(&tx, ctx, self.db.service(), &[], &moves)
            .await
            .map_err(Error::Write)?;
        // A set of its own: what failed must have made room in the index first.
        let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
        let again: Vec<ChargeAttempt> = concluded
            .iter()
            .filter(|one| one.follows.another)
            .map(|one| {
                let at = one.follows.again_at.unwrap_or(ctx.now);
                ChargeAttempt { created_at: at, ..one.charge.another(ctx.now) }
            })
            .collect();
        if !again.is_empty() {
            store::charge::insert_charges(ctx, &mut set, &mut journal, &again);
        }
        journal.write_to(ctx, &mut set);
        tx.write(set).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)?;
        fail_point!("charge::after_outcome");
        self.wake_topped_up(ctx, concluded).await?;
        if concluded.iter().any(|one| one.follows.funded == Some(true)) {
            self.due.notify_one();
        }
        Ok(())
    }

    /// What waited for money goes on when there is some.
    async fn wake_topped_up(&self, ctx: &Ctx, concluded: &[Concluded]) -> Result<(), Error> {
        let filled = |one: &&Concluded| {
            one.charge.purpose == Purpose::TopUp && one.follows.funded == Some(true)
        };
        let filled = concluded.iter().filter(filled).map(|one| one.charge.product.0);
        let products: Vec<Uuid> = filled.collect();
        if !products.is_empty() {
            let organization = ctx.organization();
            store::bounty_payment::wake_products(&self.db, organization, products, ctx.now).await?;
        }
        Ok(())
    }

    /// What charges mean for payments: the money is there and is sent, or the payment has failed.
    async fn follow_charges(
        &self,
        tx: &Tx,
        ctx: &Ctx,
        set: &mut WriteSet,
        mut known: Known,
        concluded: &[Concluded],
    ) -> Result<Vec<Moved>, Error> {
        let payees: Vec<Uuid> = known.payouts.values().map(|payout| payout.payee.0).collect();
        let accounts = if payees.is_empty() {
            HashMap::new()
        } else {
            self.open_accounts(tx.conn(), ctx, RAIL, payees).await?
        };
        let account = |payee: MemberId| {
            accounts.get(&payee).map(|(account, _)| account.clone()).unwrap_or_default()
        };
        let ids = known.payouts.keys().copied().collect();
        let numbers = store::execution::last_numbers(tx.conn(), ctx.organization(), ids).await?;
        let (mut moves, mut attempts) = (Vec::new(), Vec::new());
        for one in concluded.iter().filter(|one| one.charge.purpose == Purpose::Payout) {
            let subject = one.charge.subject;
            let Some(payout) = known.payouts.remove(&subject) else { continue };
            let Some(payment) = known.payments.remove(&subject) else { continue };
            let reasons = match one.follows.funded {
                Some(true) => Vec::new(),
                Some(false) => vec![one.code().to_owned()],
                None if one.follows.state == ChargeState::NeedsAction => vec![ACTION.to_owned()],
                None => payment.reasons.clone(),
            };
            if payment.reasons != reasons || one.follows.funded.is_some() {
                let version = payment.version + 1;
                let after = BountyPayment { reasons, version, ..payment };
                store::bounty_payment::put(ctx, set, &after);
            }
            match one.follows.funded {
                Some(true) => {
                    let to = account(payout.payee);
                    let last = numbers.get(&payout.id);
                    attempts.push(NewAttempt::after(last, &payout, to, ctx.now));
                }
                Some(false) => moves.push(failed(ctx, payout, &mut known.held)),
                None => {}
            }
        }
        if !attempts.is_empty() {
            set.insert(store::execution::insert_attempts(ctx, &attempts));
        }
        Ok(moves)
    }
}

/// What charges of payouts may move, as it is.
struct Known {
    payouts: HashMap<Uuid, Payout>,
    held: HashMap<PayoutId, Vec<Held>>,
    payments: HashMap<Uuid, BountyPayment>,
}

/// A payout whose payer could not be charged: nothing has moved, and the work can be paid otherwise.
fn failed(ctx: &Ctx, payout: Payout, held: &mut HashMap<PayoutId, Vec<Held>>) -> Moved {
    let (from, version) = (payout.state, payout.version + 1);
    let items = held.remove(&payout.id).unwrap_or_default();
    let payout = Payout { state: PayoutState::Failed, version, updated_at: ctx.now, ..payout };
    // Why a card was refused is for its holder to know, not for the payee.
    Moved { from, payout, items, code: NOT_CHARGED.to_owned(), keeps: false }
}

/// Charges a payer, or asks what became of a charge.
async fn call_or_ask(rails: Rails, charge: ChargeAttempt, fresh: bool) -> Charged {
    let Some(rail) = rails.of(RAIL) else {
        return Charged::Declined { code: "no_such_rail".to_owned() };
    };
    let group = match charge.purpose {
        Purpose::Payout => PayoutId(charge.subject).to_string(),
        Purpose::TopUp => charge.subject.to_string(),
    };
    let call = Charge {
        attempt: charge.id,
        customer: charge.customer.clone(),
        payment_method: charge.payment_method.clone(),
        amount: charge.amount(),
        group,
    };
    if fresh {
        return rail.charge(&call).await;
    }
    match rail.ask_charge(&call).await {
        AskedCharge::Known(charged) => charged,
        AskedCharge::NeverArrived => rail.charge(&call).await,
        AskedCharge::Unclear => Charged::Unknown,
    }
}
