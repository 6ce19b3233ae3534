use quittance_chassis::db::Tx;
use quittance_kernel::{BountyId, Ctx, Currency, Money};

use super::{Answer, Issues, expect_version};
use crate::domain::bounty::{self, Bounty, BountyError, BountyStatus, Offer, Reward, RewardType};
use crate::domain::text::{MAX_BODY, MAX_TITLE, line, paragraphs};
use crate::error::{Error, Kind};
use crate::store;

/// What is to change; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct BountyPatch {
    /// When not 0: the version that the caller has seen.
    pub version: i64,
    pub title: Option<String>,
    pub description: Option<String>,
    pub status: Option<BountyStatus>,
    pub kind: Option<RewardType>,
    pub points: Option<i64>,
    pub clear_points: bool,
    pub value: Option<i64>,
    pub clear_value: bool,
    pub currency: Option<Currency>,
    pub max_claims: Option<i64>,
    pub expiry_days: Option<i64>,
    pub evidence: Option<String>,
}

impl Issues {
    /// Changes a bounty by the rules of its creation (S4-27). Its reward stays while somebody works.
    #[tracing::instrument(name = "bounties.update", skip_all, fields(bounty.id = %id))]
    pub async fn update_bounty(
        &self,
        ctx: &Ctx,
        id: BountyId,
        patch: BountyPatch,
        answer: Answer<Bounty>,
    ) -> Result<Bounty, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let before = store::bounty::load(&tx, id).await?;
        let before = before.ok_or(Error::NotFound(Kind::Bounty, id.0))?;
        expect_version(patch.version, before.version)?;
        let after = patched(&before, &patch)?;
        store::claim::expire(&mut tx, Some(id)).await?;
        let working = store::claim::count(&tx, id, store::claim::WORKING).await?;
        before.keeps_its_word(&after, working)?;
        let bounty = store::bounty::save(&mut tx, Some(&before), after).await?;
        answer.leave(&tx, &bounty).await?;
        tx.commit().await?;
        Ok(bounty)
    }
}

fn patched(before: &Bounty, patch: &BountyPatch) -> Result<Bounty, Error> {
    let title = match &patch.title {
        Some(title) => line("title", title, MAX_TITLE)?,
        None => before.title.clone(),
    };
    let text = |field: &str, new: &Option<String>, old: &str| match new {
        Some(new) => paragraphs(field, new, MAX_BODY),
        None => Ok(old.to_owned()),
    };
    let status = match patch.status {
        Some(to) if to != before.status => before.status.step(to).map_err(BountyError::from)?,
        Some(_) | None => before.status,
    };
    let expiry_days = patch.expiry_days.unwrap_or(before.expiry_days);
    let max_claims = patch.max_claims.or(before.max_claims);
    bounty::terms(before.mode, max_claims, expiry_days)?;
    Ok(Bounty {
        title,
        description: text("description", &patch.description, &before.description)?,
        evidence: text("evidence_description", &patch.evidence, &before.evidence)?,
        status,
        reward: reward(before.reward, patch)?,
        expiry_days,
        max_claims,
        ..before.clone()
    })
}

fn reward(before: Reward, patch: &BountyPatch) -> Result<Reward, BountyError> {
    let kind = patch.kind.unwrap_or_else(|| before.kind());
    let kept = |given: Option<i64>, cleared: bool, old: Option<i64>| {
        given.or(if cleared { None } else { old })
    };
    let value = before.value();
    let currency = patch.currency.or(value.map(Money::currency)).unwrap_or(Currency::USD);
    Reward::new(Offer {
        kind,
        points: kept(patch.points, patch.clear_points, before.points()),
        value: kept(patch.value, patch.clear_value, value.map(Money::minor)),
        currency,
    })
}
