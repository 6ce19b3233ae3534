use quittance_chassis::clock;
use quittance_chassis::db::Tx;
use quittance_kernel::{BountyId, ClaimId, Ctx, Principal, Timestamp};

use super::{Answer, Issues};
use crate::domain::bounty::{Bounty, BountyError, BountyStatus};
use crate::domain::claim::{Claim, ClaimState, expiry};
use crate::error::{Error, Kind, StoreError};
use crate::store;

impl Issues {
    /// Reserves a bounty for the caller.
    #[tracing::instrument(name = "bounties.claim", skip_all, fields(bounty.id = %id))]
    pub async fn claim_bounty(
        &self,
        ctx: &Ctx,
        id: BountyId,
        answer: Answer<Claim>,
    ) -> Result<Claim, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (bounty, own) = open_offer(&mut tx, id).await?;
        if own.is_some() {
            return Err(BountyError::AlreadyClaimed(id).into());
        }
        let claim = fresh(&tx, &bounty).await?;
        let saved = store::claim::insert(&mut tx, &bounty, claim).await;
        let claim = saved.map_err(|error| taken(id, error))?;
        answer.leave(&tx, &claim).await?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Gives the caller's claim up.
    #[tracing::instrument(name = "bounties.abandon", skip_all, fields(claim.id = %id))]
    pub async fn abandon_claim(
        &self,
        ctx: &Ctx,
        bounty: BountyId,
        id: ClaimId,
    ) -> Result<Claim, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let missing = || Error::NotFound(Kind::Claim, id.0);
        store::bounty::load(&tx, bounty).await?.ok_or_else(missing)?;
        let found = store::claim::load(&tx, bounty, id).await?;
        let before = found.filter(|claim| claim.member == ctx.member()).ok_or_else(missing)?;
        if before.state == ClaimState::Abandoned {
            return Ok(before);
        }
        let after = before.clone().abandon(ctx.now).map_err(BountyError::from)?;
        let claim = store::claim::update(&mut tx, &before, after).await?;
        tx.commit().await?;
        Ok(claim)
    }

    /// Writes down which claims have expired, in every organization. Returns how many; at most
    /// some of each at once.
    pub async fn expire_claims(&self, now: Timestamp) -> Result<usize, Error> {
        let mut expired = 0;
        for organization in store::claim::overdue(self.db.conn(), now).await? {
            let ctx = Ctx::new(Principal::service(organization), now, "sweep".to_owned());
            let mut tx = Tx::begin(&self.db, &ctx).await?;
            expired += store::claim::expire(&mut tx, None).await?;
            tx.commit().await?;
        }
        Ok(expired)
    }

    pub(super) async fn sweep_claims(&self) {
        match self.expire_claims(clock::now()).await {
            Ok(0) => {}
            Ok(expired) => tracing::info!(expired, "claims have expired"),
            Err(error) => tracing::warn!(%error, "claims were not swept"),
        }
    }
}

/// Locks a bounty that is on offer, and finds the caller's active claim to it. Drafts do not exist
/// for who claims.
pub(super) async fn open_offer(
    tx: &mut Tx,
    id: BountyId,
) -> Result<(Bounty, Option<Claim>), Error> {
    let found = store::bounty::load(tx, id).await?;
    let found = found.filter(|bounty| bounty.status != BountyStatus::Draft);
    let bounty = found.ok_or(Error::NotFound(Kind::Bounty, id.0))?;
    bounty.offered()?;
    store::claim::expire(tx, Some(id)).await?;
    let own = store::claim::active(tx, id).await?;
    Ok((bounty, own))
}

/// A further claim, if there is room for it.
pub(super) async fn fresh(tx: &Tx, bounty: &Bounty) -> Result<Claim, Error> {
    let held = store::claim::count(tx, bounty.id, store::claim::HELD).await?;
    bounty.takes_another(held)?;
    let now = tx.ctx().now;
    Ok(Claim {
        id: ClaimId::new(),
        bounty: bounty.id,
        member: tx.ctx().member(),
        state: ClaimState::Active,
        expires_at: expiry(now, bounty.expiry_days),
        issue: None,
        version: 0,
        created_at: now,
        updated_at: now,
    })
}

/// The index is the last wall: what it refuses was claimed by somebody else.
pub(super) fn taken(bounty: BountyId, error: StoreError) -> Error {
    match error {
        StoreError::Duplicate(_) => BountyError::Claimed(bounty).into(),
        StoreError::Stale | StoreError::Corrupt { .. } | StoreError::Database(_) => error.into(),
    }
}
