use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quittance_chassis::db::Tx;
use quittance_kernel::Ctx;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Issues;
use crate::domain::api_key::{ApiKey, ApiKeyError, NewApiKey, PREFIX, Refused, SHOWN};
use crate::domain::member::Member;
use crate::error::{Error, Kind};
use crate::store;
use crate::store::api_key::{by_digest, hold, insert, is_use_stale, list, revoke, used};

/// How many are listed: those that are over are of interest for a while.
const LISTED: u32 = 100;

/// What stands for a secret.
fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

impl Issues {
    /// Makes a key of the caller. Its secret is told once, here.
    #[tracing::instrument(name = "api_keys.create", skip_all)]
    pub async fn create_api_key(
        &self,
        ctx: &Ctx,
        new: &NewApiKey,
    ) -> Result<(ApiKey, SecretString), Error> {
        if ctx.principal.impersonator.is_some() {
            return Err(ApiKeyError::Viewing.into());
        }
        let random: [u8; 32] = rand::random();
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let member = store::member::find(tx.conn(), ctx.organization(), ctx.member()).await?;
        let member = member.ok_or(Error::NotFound(Kind::Member, ctx.member().0))?;
        // Two at once may end with one more than allowed, which does no harm.
        let good = list(tx.conn(), ctx, LISTED).await?;
        let good = good.iter().filter(|key| key.is_good(ctx.now)).count();
        let key = ApiKey::make(&member, new, &secret[..SHOWN], good, ctx.now)?;
        insert(&mut tx, &key, &digest(&secret)).await?;
        tx.commit().await?;
        Ok((key, secret.into()))
    }

    /// Lists the caller's keys, the newest first.
    #[tracing::instrument(name = "api_keys.list", skip_all)]
    pub async fn list_api_keys(&self, ctx: &Ctx) -> Result<Vec<ApiKey>, Error> {
        Ok(list(self.db.conn(), ctx, LISTED).await?)
    }

    /// Ends a key of the caller. One that is over stays as it is.
    #[tracing::instrument(name = "api_keys.revoke", skip_all, fields(api_key.id = %id))]
    pub async fn revoke_api_key(&self, ctx: &Ctx, id: Uuid) -> Result<ApiKey, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let key = hold(&tx, id).await?.ok_or(Error::NotFound(Kind::ApiKey, id))?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let key = revoke(&mut tx, key).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// Tells whom the secret with this digest stands for, in the roles that it opens now.
    #[tracing::instrument(name = "api_keys.resolve", skip_all)]
    pub async fn resolve_api_key(
        &self,
        ctx: &Ctx,
        digest: &str,
    ) -> Result<(ApiKey, Member), Error> {
        let key = by_digest(self.db.conn(), digest).await?.ok_or(ApiKeyError::Dead)?;
        let member = store::member::find(self.db.conn(), key.organization, key.member).await?;
        let member = member.ok_or(ApiKeyError::Dead)?;
        let roles = key.roles(&member, ctx.now)?;
        if is_use_stale(&key, ctx) {
            let tx = Tx::begin(&self.db, ctx).await?;
            used(&tx, &key).await?;
            tx.commit().await?;
        }
        Ok((key, Member { roles, ..member }))
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Field(error) => error.into(),
            Refused::Rule(error) => error.into(),
        }
    }
}
