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
use crate::store;

/// An account, and from when on it is paid if that is not now.
pub(crate) type Shown = (PayoutAccount, Option<Timestamp>);

impl Payouts {
    /// How long a changed account waits.
    pub(super) fn cooldown(&self) -> TimeDelta {
        TimeDelta::hours(self.policy.account_cooldown_hours.into())
    }

    fn shown(&self, account: PayoutAccount, now: Timestamp) -> Shown {
        let payable_at = account.payable_at(self.cooldown(), now);
        (account, payable_at)
    }

    /// Lists the accounts of a member, masked. Members see their own.
    #[tracing::instrument(name = "accounts.list", skip_all)]
    pub(crate) async fn accounts(&self, ctx: &Ctx, member: MemberId) -> Result<Vec<Shown>, Error> {
        if !sees(ctx, member) {
            return Err(AccountError::MemberNotFound(member).into());
        }
        let found = store::account::of_member(&self.db, ctx.organization(), member).await?;
        Ok(found.into_iter().map(|kept| self.shown(kept.account, ctx.now)).collect())
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
                return Ok(self.shown(kept.account.clone(), ctx.now));
            }
            let before = before.map(|kept| kept.account);
            let after = PayoutAccount {
                id: before.as_ref().map_or_else(Uuid::now_v7, |before| before.id),
                member,
                method: number.method,
                masked: number.masked(),
                version: before.as_ref().map_or(1, |before| before.version + 1),
                changed_at: before.as_ref().map(|_| ctx.now),
                created_at: before.as_ref().map_or(ctx.now, |before| before.created_at),
            };
            let bound = store::account::bound(organization, member, number.method);
            let sealed = self.keys.seal(&bound, &number.plain)?;
            fail_point!("accounts::before_write");
            let wrote = self.wrote(|| {
                store::account::set(ctx, self.db.service(), &after, &sealed, before.as_ref())
            });
            if wrote.await? {
                self.wake_payee(organization, member, ctx.now).await?;
                return Ok(self.shown(after, ctx.now));
            }
        }
        Err(Error::Contended)
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
