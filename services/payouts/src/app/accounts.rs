//! Where members want to be paid, and from which sum on the organization pays.

use chrono::TimeDelta;
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, MemberId, Timestamp};
use uuid::Uuid;

use super::plan::TRIES;
use super::read_payouts::sees;
use super::{Error, Payouts};
use crate::domain::account::{AccountError, Number, PayoutAccount};
use crate::domain::approval::PayoutPolicy;
use crate::domain::limits::{Limits, Minimum};
use crate::domain::onboarding::{ProviderAccount, Seen, Standing};
use crate::domain::rail::is_onboarded;
use crate::rail::{SANDBOX, STRIPE};
use crate::store;

/// An account, as its owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) account: PayoutAccount,
    /// From when on it is paid, if that is not now.
    pub(crate) payable_at: Option<Timestamp>,
    /// How it stands with its provider; nothing where people pay.
    pub(crate) seen: Option<Seen>,
}

impl Payouts {
    /// How long a changed account waits.
    pub(super) fn cooldown(&self) -> TimeDelta {
        TimeDelta::hours(self.policy.account_cooldown_hours.into())
    }

    fn shown(
        &self,
        account: PayoutAccount,
        number: &str,
        known: Option<&ProviderAccount>,
        now: Timestamp,
    ) -> Shown {
        let payable_at = account.payable_at(self.cooldown(), now);
        let seen = (!account.method.is_manual()).then(|| {
            let rail = self.rails.name();
            let known = known.filter(|known| known.rail == rail && known.account == number);
            let unasked = || Seen {
                standing: match (rail, is_onboarded(rail, number, None)) {
                    (_, true) => Standing::Onboarded,
                    (SANDBOX, false) => Standing::Incomplete,
                    (_, false) => Standing::Unknown,
                },
                reason: String::new(),
            };
            known.map_or_else(unasked, |known| known.seen.clone())
        });
        Shown { account, payable_at, seen }
    }

    /// Lists the accounts of a member, masked. Members see their own.
    #[tracing::instrument(name = "accounts.list", skip_all)]
    pub(crate) async fn accounts(&self, ctx: &Ctx, member: MemberId) -> Result<Vec<Shown>, Error> {
        if !sees(ctx, member) {
            return Err(AccountError::MemberNotFound(member).into());
        }
        let found = store::account::of_member(&self.db, ctx.organization(), member).await?;
        let executed = found.iter().filter(|kept| !kept.account.method.is_manual());
        let ids = executed.map(|kept| kept.account.id).collect();
        let known = store::provider_account::of(self.db.conn(), ids).await?;
        let mut accounts = Vec::with_capacity(found.len());
        for kept in found {
            // Only what its provider is asked about is opened.
            let number = if kept.account.method.is_manual() {
                String::new()
            } else {
                self.keys.open(&kept.bound(), &kept.sealed)?
            };
            let known = known.get(&kept.account.id);
            accounts.push(self.shown(kept.account, &number, known, ctx.now));
        }
        Ok(accounts)
    }

    /// Sets the caller's account of a method. The same number again changes nothing, so that
    /// nobody waits because of a repeated request.
    #[tracing::instrument(name = "accounts.set", skip_all)]
    pub(crate) async fn set_account(&self, ctx: &Ctx, number: &Number) -> Result<Shown, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        for _ in 0..TRIES {
            let kept = store::account::of_member(&self.db, organization, member).await?;
            let before = kept.into_iter().find(|kept| kept.account.method == number.method);
            if let Some(kept) = &before
                && self.keys.open(&kept.bound(), &kept.sealed)? == number.plain
            {
                let known = vec![kept.account.id];
                let known = store::provider_account::of(self.db.conn(), known).await?;
                let known = known.get(&kept.account.id);
                return Ok(self.shown(kept.account.clone(), &number.plain, known, ctx.now));
            }
            let before = before.map(|kept| kept.account);
            if let Some(after) = self.keep_account(ctx, number, before.as_ref()).await? {
                self.wake_payees(organization, vec![member.0], ctx.now).await?;
                return Ok(self.shown(after, &number.plain, None, ctx.now));
            }
        }
        Err(Error::Contended)
    }

    /// Keeps the first account of a method; nothing if there is one by now.
    pub(super) async fn first_account(
        &self,
        ctx: &Ctx,
        number: &Number,
    ) -> Result<Option<PayoutAccount>, Error> {
        self.keep_account(ctx, number, None).await
    }

    /// Writes a number in the place of what was there; nothing if that has changed meanwhile.
    async fn keep_account(
        &self,
        ctx: &Ctx,
        number: &Number,
        before: Option<&PayoutAccount>,
    ) -> Result<Option<PayoutAccount>, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        let after = PayoutAccount {
            id: before.map_or_else(Uuid::now_v7, |before| before.id),
            member,
            method: number.method,
            masked: number.masked(),
            version: before.map_or(1, |before| before.version + 1),
            changed_at: before.map(|_| ctx.now),
            created_at: before.map_or(ctx.now, |before| before.created_at),
        };
        let bound = store::account::bound(organization, member, number.method);
        let sealed = self.keys.seal(&bound, &number.plain)?;
        fail_point!("accounts::before_write");
        // Stripe says whether it can be paid to; the sandbox goes by its name.
        let asked = !number.method.is_manual() && self.rails.stripe().is_some();
        let wrote = self.wrote(|| {
            let mut set = store::account::set(ctx, self.db.service(), &after, &sealed, before);
            if asked {
                let (owner, standing) = ((organization, member), Standing::Unknown);
                let (id, plain) = (after.id, &number.plain);
                set.insert(store::provider_account::expect(
                    owner, id, STRIPE, plain, standing, ctx.now,
                ));
            }
            set
        });
        let wrote = wrote.await?;
        self.accounts_due.notify_one();
        Ok(wrote.then_some(after))
    }

    /// What limits payments at this moment.
    pub(super) async fn limits(&self, ctx: &Ctx) -> Result<Limits, Error> {
        Ok(self.payment_rules(ctx).await?.0)
    }

    /// The same, with what is asked for above certain amounts.
    pub(super) async fn payment_rules(
        &self,
        ctx: &Ctx,
    ) -> Result<(Limits, Vec<PayoutPolicy>), Error> {
        let since = ctx.now.checked_sub_signed(self.cooldown()).unwrap_or(ctx.now);
        Ok(store::rules::read(&self.db, ctx.organization(), since).await?)
    }

    /// Lists from which sum on the organization pays.
    #[tracing::instrument(name = "minimums.list", skip_all)]
    pub(crate) async fn minimums(&self, ctx: &Ctx) -> Result<Vec<Minimum>, Error> {
        Ok(store::account::minimums(&self.db, ctx.organization()).await?)
    }

    /// Sets one of them; zero takes it away.
    #[tracing::instrument(name = "minimums.set", skip_all)]
    pub(crate) async fn set_minimum(&self, ctx: &Ctx, minimum: Minimum) -> Result<Minimum, Error> {
        if minimum.amount.minor() < 0 {
            return Err(AccountError::Minimum.into());
        }
        let all = self.minimums(ctx).await?;
        let currency = minimum.amount.currency();
        let before = store::account::minor_of(&all, minimum.method, currency);
        let wrote =
            self.wrote(|| store::account::set_minimum(ctx, self.db.service(), &minimum, before));
        if wrote.await? { Ok(minimum) } else { Err(Error::Contended) }
    }
}
