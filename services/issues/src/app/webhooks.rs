use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quittance_chassis::bus::Message;
use quittance_chassis::clock;
use quittance_chassis::db::Tx;
use quittance_events::queue;
use quittance_kernel::{Ctx, OrganizationId, Principal, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use super::page::Cursor;
use super::{Answer, Issues, Page, Paging, expect_version};
use crate::domain::webhook::{Endpoint, EndpointPatch, MOST, WebhookError};
use crate::error::Error;
use crate::store::delivery::{
    Delivery, NewDelivery, again, give_up, list as deliveries, queue as enqueue,
};
use crate::store::webhook::{
    find, hold, insert, list, listening, listening_still, remove, save, wake,
};

/// What every secret begins with (Standard Webhooks).
pub(crate) const SECRET: &str = "whsec_";

/// What an admin asks for.
#[derive(Clone, Debug, Default)]
pub struct NewEndpoint {
    pub url: String,
    pub description: String,
    pub kinds: Vec<String>,
}

impl Issues {
    /// Adds an address. Its secret is told once, here.
    #[tracing::instrument(name = "webhooks.create", skip_all)]
    pub async fn create_endpoint(
        &self,
        ctx: &Ctx,
        new: &NewEndpoint,
        answer: Answer<(Endpoint, SecretString)>,
    ) -> Result<(Endpoint, SecretString), Error> {
        let insecure = self.insecure_webhooks;
        let endpoint = Endpoint::add(&new.url, &new.description, &new.kinds, insecure, ctx.now)?;
        let random: [u8; 32] = rand::random();
        let secret = format!("{SECRET}{}", STANDARD.encode(random));
        let mut tx = Tx::begin(&self.db, ctx).await?;
        // Two at once may end with one more than allowed, which does no harm.
        if MOST <= list(tx.conn(), ctx.organization()).await?.len() {
            return Err(WebhookError::Full.into());
        }
        insert(&mut tx, &endpoint, &secret).await?;
        let made = (endpoint, secret.into());
        answer.leave(&tx, &made).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Lists the addresses of the caller's organization.
    #[tracing::instrument(name = "webhooks.list", skip_all)]
    pub async fn list_endpoints(&self, ctx: &Ctx) -> Result<Vec<Endpoint>, Error> {
        Ok(list(self.db.conn(), ctx.organization()).await?)
    }

    /// Gets one.
    #[tracing::instrument(name = "webhooks.get", skip_all, fields(endpoint.id = %id))]
    pub async fn get_endpoint(&self, ctx: &Ctx, id: Uuid) -> Result<Endpoint, Error> {
        let found = find(self.db.conn(), ctx.organization(), id).await?;
        Ok(found.ok_or(WebhookError::NoEndpoint)?)
    }

    /// Changes one. What waits for one that is disabled is given up; it can be replayed.
    #[tracing::instrument(name = "webhooks.update", skip_all, fields(endpoint.id = %id))]
    pub async fn update_endpoint(
        &self,
        ctx: &Ctx,
        id: Uuid,
        patch: &EndpointPatch,
        answer: Answer<Endpoint>,
    ) -> Result<Endpoint, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let before = hold(&tx, id).await?.ok_or(WebhookError::NoEndpoint)?;
        expect_version(patch.version, before.version)?;
        let after = before.clone().change(patch, self.insecure_webhooks, ctx.now)?;
        save(&mut tx, &before, &after, "webhook_endpoint.updated").await?;
        if !after.enabled {
            give_up(&tx, id, "the endpoint was disabled").await?;
        }
        answer.leave(&tx, &after).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Removes one. What was not delivered never will be.
    #[tracing::instrument(name = "webhooks.delete", skip_all, fields(endpoint.id = %id))]
    pub async fn delete_endpoint(&self, ctx: &Ctx, id: Uuid) -> Result<(), Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let endpoint = hold(&tx, id).await?.ok_or(WebhookError::NoEndpoint)?;
        remove(&mut tx, &endpoint).await?;
        give_up(&tx, id, "the endpoint was removed").await?;
        Ok(tx.commit().await?)
    }

    /// Lists what was and is to be delivered to one, the newest first.
    #[tracing::instrument(name = "webhooks.deliveries", skip_all, fields(endpoint.id = %id))]
    pub async fn list_deliveries(
        &self,
        ctx: &Ctx,
        id: Uuid,
        paging: &Paging,
    ) -> Result<Page<Delivery>, Error> {
        let mut cursor = Cursor::<Timestamp>::parse(paging, format!("deliveries/{id}"))?;
        self.get_endpoint(ctx, id).await?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = deliveries(self.db.conn(), id, after, limit).await?;
        Ok(cursor.page(rows, |row| (row.created_at, row.id)))
    }

    /// Delivers an event again, soon: whoever asks for it has a receiver that is well.
    #[tracing::instrument(name = "webhooks.replay", skip_all, fields(delivery.id = %id))]
    pub async fn replay_delivery(
        &self,
        ctx: &Ctx,
        endpoint: Uuid,
        id: Uuid,
    ) -> Result<Delivery, Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let held = hold(&tx, endpoint).await?.ok_or(WebhookError::NoEndpoint)?;
        if !held.enabled {
            return Err(WebhookError::Disabled.into());
        }
        wake(&tx, endpoint).await?;
        let delivery = again(&tx, endpoint, id).await?.ok_or(WebhookError::NoDelivery)?;
        tx.commit().await?;
        self.queued.notify_one();
        Ok(delivery)
    }

    /// Queues events for those who want to be told of them: once for each endpoint, however often an
    /// event is heard. Organizations without endpoints cost one read per batch.
    pub async fn queue_deliveries(&self, messages: &[Message]) -> Result<(), Error> {
        let organizations: std::collections::BTreeSet<Uuid> =
            messages.iter().map(|message| message.organization).collect();
        let organizations: Vec<Uuid> = organizations.into_iter().collect();
        let endpoints = listening(self.db.conn(), organizations.clone()).await?;
        if wanted(messages, &endpoints).next().is_none() {
            return Ok(());
        }
        let nobody = Principal::service(OrganizationId(Uuid::nil()));
        let ctx = Ctx::new(nobody, clock::now(), queue::WEBHOOKS.name.to_owned());
        let tx = Tx::begin(&self.db, &ctx).await?;
        // Held, so that nothing is queued behind whoever gives up what waits for one.
        let endpoints = listening_still(&tx, organizations).await?;
        enqueue(&tx, wanted(messages, &endpoints).collect()).await?;
        tx.commit().await?;
        self.queued.notify_one();
        Ok(())
    }
}

/// What is to be delivered: each event to each endpoint of its organization that wants it.
fn wanted(
    messages: &[Message],
    endpoints: &[(Uuid, Endpoint)],
) -> impl Iterator<Item = NewDelivery> {
    messages.iter().flat_map(move |message| {
        let wanted = endpoints.iter().filter(move |(organization, endpoint)| {
            *organization == message.organization && endpoint.wants(&message.kind)
        });
        wanted.map(move |(organization, endpoint)| NewDelivery {
            organization: *organization,
            endpoint: endpoint.id,
            event: message.id,
            kind: message.kind.clone(),
            // Events are JSON, hence UTF-8.
            body: String::from_utf8_lossy(&message.body).into_owned(),
        })
    })
}
