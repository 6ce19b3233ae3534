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
use super::{Issues, Page, Paging, expect_version};
use crate::domain::webhook::{Endpoint, EndpointPatch, MOST, WebhookError};
use crate::error::Error;
use crate::store::delivery::{Delivery, NewDelivery, again, list as deliveries, queue as enqueue};
use crate::store::webhook::{find, hold, insert, list, listening, remove, save};

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
        tx.commit().await?;
        Ok((endpoint, secret.into()))
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

    /// Changes one.
    #[tracing::instrument(name = "webhooks.update", skip_all, fields(endpoint.id = %id))]
    pub async fn update_endpoint(
        &self,
        ctx: &Ctx,
        id: Uuid,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let before = hold(&tx, id).await?.ok_or(WebhookError::NoEndpoint)?;
        expect_version(patch.version, before.version)?;
        let after = before.clone().change(patch, self.insecure_webhooks, ctx.now)?;
        save(&mut tx, &before, &after, "webhook_endpoint.updated").await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Removes one. What was not delivered never will be.
    #[tracing::instrument(name = "webhooks.delete", skip_all, fields(endpoint.id = %id))]
    pub async fn delete_endpoint(&self, ctx: &Ctx, id: Uuid) -> Result<(), Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let endpoint = hold(&tx, id).await?.ok_or(WebhookError::NoEndpoint)?;
        remove(&mut tx, &endpoint).await?;
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

    /// Delivers an event again.
    #[tracing::instrument(name = "webhooks.replay", skip_all, fields(delivery.id = %id))]
    pub async fn replay_delivery(
        &self,
        ctx: &Ctx,
        endpoint: Uuid,
        id: Uuid,
    ) -> Result<Delivery, Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        hold(&tx, endpoint).await?.ok_or(WebhookError::NoEndpoint)?;
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
        let endpoints = listening(self.db.conn(), organizations.into_iter().collect()).await?;
        let new: Vec<NewDelivery> = messages
            .iter()
            .flat_map(|message| {
                let wanted = endpoints.iter().filter(|(organization, endpoint)| {
                    *organization == message.organization && endpoint.wants(&message.kind)
                });
                wanted.map(|(organization, endpoint)| NewDelivery {
                    organization: *organization,
                    endpoint: endpoint.id,
                    event: message.id,
                    kind: message.kind.clone(),
                    // Events are JSON, hence UTF-8.
                    body: String::from_utf8_lossy(&message.body).into_owned(),
                })
            })
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let nobody = Principal::service(OrganizationId(Uuid::nil()));
        let ctx = Ctx::new(nobody, clock::now(), queue::WEBHOOKS.name.to_owned());
        let tx = Tx::begin(&self.db, &ctx).await?;
        enqueue(&tx, new).await?;
        tx.commit().await?;
        self.queued.notify_one();
        Ok(())
    }
}
