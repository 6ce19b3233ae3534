//! What the provider tells us by itself: believed to be its own, noted once, and then looked into.
//!
//! An event changes no state of money. It only makes the worker ask sooner than it would have, so
//! that a lost, doubled, late or early one changes nothing but the time. Verified here rather than
//! by the gateway: whoever acts on it checks it, and one service less holds a secret.

use quittance_chassis::clock;
use quittance_chassis::db::{Tx, inbox};
use quittance_kernel::{Ctx, OrganizationId, Principal};

use super::{Error, Payouts};
use crate::domain::rail::{RailError, SignatureError};
use crate::metrics::METRICS;
use crate::rail::{About, ProviderEvent};
use crate::store;
use crate::store::provider_account::Owned;
use crate::store::provider_event::Touched;

/// The name of this consumer in the inbox.
const CONSUMER: &str = "stripe.webhooks";

impl Payouts {
    /// Takes a webhook. What is not about us, or was taken before, does nothing.
    #[tracing::instrument(name = "webhooks.receive", skip_all)]
    pub(crate) async fn receive_webhook(
        &self,
        ctx: &Ctx,
        payload: &[u8],
        signature: &str,
    ) -> Result<(), Error> {
        let done = self.take_webhook(ctx, payload, signature).await;
        METRICS.provider_told(match &done {
            Ok(true) => "noted",
            Ok(false) => "passed_over",
            Err(_) => "refused",
        });
        done.map(|_| ())
    }

    async fn take_webhook(
        &self,
        ctx: &Ctx,
        payload: &[u8],
        signature: &str,
    ) -> Result<bool, Error> {
        let stripe = self.rails.stripe().ok_or(SignatureError::NotSetUp)?;
        stripe.verify(payload, signature, clock::now())?;
        let event = ProviderEvent::parse(payload).ok_or(RailError::NoEvent)?;
        tracing::debug!(event = event.id, kind = event.kind, "told");
        if let About::Account(account) = &event.about {
            let owners = store::provider_account::owners(&self.db, account).await?;
            // One organization after the other: there is one, unless somebody has copied an id.
            let mut noted = false;
            for owners in owners.chunk_by(|a, b| a.organization == b.organization) {
                noted |= self.ask_about(ctx, &event, owners).await?;
            }
            self.accounts_due.notify_one();
            return Ok(noted);
        }
        match self.touched(&event.about).await? {
            Some(touched) => self.note_event(ctx, &event, touched).await,
            None => Ok(false),
        }
    }

    /// The row that an event is about.
    async fn touched(&self, about: &About) -> Result<Option<Touched>, Error> {
        let db = &self.db;
        let found = match about {
            About::Charge(key) => store::provider_event::charge(db, *key).await?,
            About::Transfer(key) => store::provider_event::attempt(db, *key).await?,
            About::TakenBack { reference, .. } if reference.starts_with("tr_") => {
                store::provider_event::attempt_of(db, reference).await?
            }
            About::TakenBack { reference, .. } => {
                store::provider_event::charge_of(db, reference).await?
            }
            About::Account(_) | About::Nothing => None,
        };
        Ok(found)
    }

    /// Notes an event once, and has its row asked for.
    async fn note_event(
        &self,
        ctx: &Ctx,
        event: &ProviderEvent,
        touched: Touched,
    ) -> Result<bool, Error> {
        let ctx = within(ctx, touched.organization);
        let mut tx = Tx::begin(&self.db, &ctx).await?;
        if inbox::first_times(&tx, CONSUMER, &[event.key()]).await?.is_empty() {
            return Ok(false);
        }
        tx.note(store::provider_event::entry(event, touched));
        match event.about {
            About::Charge(key) => {
                store::provider_event::hurry_charge(tx.conn(), key, ctx.now).await?;
            }
            About::Transfer(key) => {
                store::provider_event::hurry_attempt(tx.conn(), key, ctx.now).await?;
            }
            // For people to look at: what was decided about it is decided by them.
            About::TakenBack { .. } | About::Account(_) | About::Nothing => {}
        }
        tx.commit().await.map_err(Error::Write)?;
        self.due.notify_one();
        Ok(true)
    }

    /// Notes an event about accounts of one organization, and has the provider asked.
    async fn ask_about(
        &self,
        ctx: &Ctx,
        event: &ProviderEvent,
        owners: &[Owned],
    ) -> Result<bool, Error> {
        let Some(first) = owners.first() else { return Ok(false) };
        let ctx = within(ctx, first.organization);
        let mut tx = Tx::begin(&self.db, &ctx).await?;
        // A place of its own for each organization: the first must not take that of the others.
        let key = uuid::Uuid::new_v5(&event.key(), first.organization.0.as_bytes());
        if inbox::first_times(&tx, CONSUMER, &[key]).await?.is_empty() {
            return Ok(false);
        }
        for owned in owners {
            let (organization, id) = (owned.organization, owned.account.id);
            let touched = Touched { organization, entity: "payout_account", id };
            tx.note(store::provider_event::entry(event, touched));
        }
        let ids = owners.iter().map(|owned| owned.account.id).collect();
        store::provider_account::ask_now(tx.conn(), ids, ctx.now).await?;
        tx.commit().await.map_err(Error::Write)?;
        Ok(true)
    }
}

/// The provider speaks in nobody's name.
fn within(ctx: &Ctx, organization: OrganizationId) -> Ctx {
    Ctx {
        principal: Principal::service(organization),
        now: clock::now(),
        request_id: ctx.request_id.clone(),
        traceparent: ctx.traceparent.clone(),
    }
}
