//! Getting payees onboarded: a link to the provider's pages, and asking how their accounts stand.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use quittance_chassis::bus::relay::leadership::Leadership;
use quittance_chassis::clock;
use quittance_kernel::{Ctx, Method, Principal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::plan::TRIES;
use super::{Error, Payouts};
use crate::domain::account::{Number, PayoutAccount};
use crate::domain::onboarding::{LINK_MINUTES, Seen, Standing};
use crate::domain::rail::RailError;
use crate::rail::{AccountLink, SANDBOX, STRIPE, Stripe};
use crate::store;
use crate::store::provider_account::Owned;

/// How many accounts are asked about in one round, and how many at once.
const CHUNK: i64 = 64;
const AT_ONCE: usize = 4;
/// How often accounts are looked for that are due, when nobody wakes us.
const POLL: Duration = Duration::from_secs(1);

/// A payout account with its number.
type Opened = (PayoutAccount, String);

impl Payouts {
    /// Makes a link on which the caller's account at the provider is set up; opens the account when
    /// there is none.
    #[tracing::instrument(name = "accounts.onboard", skip_all)]
    pub(crate) async fn onboarding_link(&self, ctx: &Ctx) -> Result<AccountLink, Error> {
        for _ in 0..TRIES {
            let account = match self.stripe_account(ctx).await? {
                Some(account) => account,
                None => match self.open_account(ctx).await? {
                    Some(account) => account,
                    // Somebody else has named one in the meantime.
                    None => continue,
                },
            };
            return match self.rails.stripe() {
                Some(stripe) => self.linked(ctx, stripe, account).await,
                None => self.played_link(ctx, account).await,
            };
        }
        Err(Error::Contended)
    }

    async fn stripe_account(&self, ctx: &Ctx) -> Result<Option<Opened>, Error> {
        let kept = store::account::of_member(&self.db, ctx.organization(), ctx.member()).await?;
        let kept = kept.into_iter().find(|kept| kept.account.method == Method::Stripe);
        let Some(kept) = kept else { return Ok(None) };
        let number = self.keys.open(&kept.bound(), &kept.sealed)?;
        Ok(Some((kept.account, number)))
    }

    /// Opens an account at the provider, and keeps it as the caller's own. The provider's key is
    /// the same each time: if it is not kept, the next try gets the same account.
    async fn open_account(&self, ctx: &Ctx) -> Result<Option<Opened>, Error> {
        let (organization, member) = (ctx.organization(), ctx.member());
        let plain = match self.rails.stripe() {
            Some(stripe) => {
                let key = Uuid::new_v5(&organization.0, format!("account {member}").as_bytes());
                let owner = (organization.to_string(), member.to_string());
                let owner = (owner.0.as_str(), owner.1.as_str());
                stripe.open_account(key, owner, ctx.principal.email.as_deref()).await?
            }
            None => format!("acct_pending_{}", Uuid::new_v4().simple()),
        };
        let number = Number { method: Method::Stripe, plain };
        let account = self.first_account(ctx, &number).await?;
        Ok(account.map(|account| (account, number.plain)))
    }

    async fn linked(
        &self,
        ctx: &Ctx,
        stripe: &Stripe,
        (account, number): Opened,
    ) -> Result<AccountLink, Error> {
        let link = stripe.link_account(&number).await?;
        // It will be filled in within minutes: it is asked about soon, also if no event comes.
        store::provider_account::ask_now(self.db.conn(), vec![account.id], ctx.now).await?;
        Ok(link)
    }

    /// A link of the sandbox: whoever opens it has filled everything in.
    async fn played_link(
        &self,
        ctx: &Ctx,
        (account, number): Opened,
    ) -> Result<AccountLink, Error> {
        let id = account.id;
        let known = store::provider_account::of(self.db.conn(), vec![id]).await?;
        let standing = match known.get(&id) {
            Some(known) if known.account == number => known.seen.standing,
            _ => Standing::Incomplete,
        };
        let owner = (ctx.organization(), ctx.member());
        let wrote = self.wrote(|| {
            let mut set = quittance_chassis::db::WriteSet::new();
            let row =
                store::provider_account::expect(owner, id, SANDBOX, &number, standing, ctx.now);
            set.insert(row);
            set
        });
        if !wrote.await? {
            return Err(Error::Contended);
        }
        let expires_at = ctx.now + TimeDelta::minutes(LINK_MINUTES);
        Ok(AccountLink { url: format!("/sandbox/onboarding/{id}"), expires_at })
    }

    /// Plays that everything was filled in on a link of the sandbox.
    #[tracing::instrument(name = "accounts.play", skip_all)]
    pub(crate) async fn play_onboarding(&self, ctx: &Ctx, id: Uuid) -> Result<(), Error> {
        if self.rails.stripe().is_some() || self.policy.sandbox_closed {
            return Err(RailError::LinkExpired.into());
        }
        let owned = store::provider_account::owner(&self.db, id).await?;
        let owned = owned.filter(|owned| owned.account.rail == SANDBOX);
        let owned = owned.ok_or(RailError::LinkExpired)?;
        if owned.account.updated_at + TimeDelta::minutes(LINK_MINUTES) < ctx.now {
            return Err(RailError::LinkExpired.into());
        }
        let onboarded = Seen { standing: Standing::Onboarded, reason: String::new() };
        if owned.account.seen != onboarded && !self.saw(vec![(owned, onboarded)]).await? {
            return Err(Error::Contended);
        }
        Ok(())
    }

    /// Starts asking the provider how accounts stand. One process does, per database; without a
    /// provider there is nobody to ask.
    #[must_use]
    pub fn watch_accounts(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            if self.rails.stripe().is_none() {
                return;
            }
            let mut leadership = Leadership::new(self.db.clone(), "accounts", self.db.service());
            let mut introduced = false;
            while !shutdown.is_cancelled() {
                if leadership.holds().await {
                    match self.ask_round(&mut introduced).await {
                        Ok(true) => continue,
                        Ok(false) => {}
                        Err(error) => {
                            let error = quittance_chassis::problem::chain(&error);
                            tracing::warn!(error, "no account was asked about");
                        }
                    }
                }
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = self.accounts_due.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            leadership.resign().await;
        })
    }

    async fn ask_round(&self, introduced: &mut bool) -> Result<bool, Error> {
        if !*introduced {
            self.introduce_accounts().await?;
            *introduced = true;
        }
        self.ask_accounts().await
    }

    /// Gives accounts a row that were named before Stripe was connected.
    async fn introduce_accounts(&self) -> Result<(), Error> {
        let mut after = Uuid::nil();
        loop {
            let found = store::provider_account::unasked(&self.db, after, CHUNK).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.account.id;
            let mut numbers = Vec::with_capacity(found.len());
            for kept in &found {
                numbers.push((kept, self.keys.open(&kept.bound(), &kept.sealed)?));
            }
            let now = clock::now();
            self.wrote(|| {
                let mut set = quittance_chassis::db::WriteSet::new();
                for (kept, number) in &numbers {
                    let owner = (kept.organization, kept.account.member);
                    let (id, standing) = (kept.account.id, Standing::Unknown);
                    set.insert(store::provider_account::expect(
                        owner, id, STRIPE, number, standing, now,
                    ));
                }
                set
            })
            .await?;
        }
    }

    /// Asks about the accounts that are due. `false` when there was none.
    pub async fn ask_accounts(&self) -> Result<bool, Error> {
        let Some(stripe) = self.rails.stripe() else { return Ok(false) };
        let due = store::provider_account::due(&self.db, clock::now(), CHUNK).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let answers: Vec<(Owned, Option<Seen>)> = futures_util::stream::iter(due)
            .map(|owned| async move {
                let seen = stripe.standing(&owned.account.account).await;
                (owned, seen)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        // What nobody could say is said again later, as it was.
        let answers: Vec<(Owned, Seen)> = answers
            .into_iter()
            .map(|(owned, seen)| {
                let seen = seen.unwrap_or_else(|| owned.account.seen.clone());
                (owned, seen)
            })
            .collect();
        let mut by_organization = answers;
        by_organization.sort_by_key(|(owned, _)| owned.organization.0);
        let parts = by_organization.chunk_by(|(a, _), (b, _)| a.organization == b.organization);
        for part in parts.map(<[(Owned, Seen)]>::to_vec).collect::<Vec<_>>() {
            self.saw(part).await?;
        }
        Ok(true)
    }

    /// Writes what was said of accounts of one organization, and has what waits for them looked at.
    async fn saw(&self, answers: Vec<(Owned, Seen)>) -> Result<bool, Error> {
        let Some((first, _)) = answers.first() else { return Ok(true) };
        let principal = Principal::service(first.organization);
        let ctx = Ctx::new(principal, clock::now(), "accounts".to_owned());
        let fresh = |(owned, seen): &&(Owned, Seen)| {
            seen.standing == Standing::Onboarded && owned.account.seen != *seen
        };
        let payees: Vec<Uuid> =
            answers.iter().filter(fresh).map(|(owned, _)| owned.member.0).collect();
        let seen: Vec<_> = answers.into_iter().map(|(owned, seen)| (owned.account, seen)).collect();
        let service = self.db.service();
        let wrote = self.wrote(|| store::provider_account::see(&ctx, service, &seen)).await?;
        if wrote && !payees.is_empty() {
            self.wake_payees(ctx.organization(), payees, ctx.now).await?;
        }
        Ok(wrote)
    }
}
