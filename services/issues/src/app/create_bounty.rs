use quittance_chassis::db::Tx;
use quittance_kernel::{BountyId, Ctx, Currency, CycleId, ProductId};

use super::{Answer, Issues};
use crate::domain::bounty::{
    self, Bounty, BountyStatus, ClaimMode, DEFAULT_EXPIRY_DAYS, Offer, Reward, RewardType,
};
use crate::domain::cycle::{Crew, Cycle};
use crate::domain::product::Product;
use crate::domain::text::{FieldError, MAX_BODY, MAX_TITLE, line, paragraphs};
use crate::error::{Error, Kind};
use crate::store;

/// What the cycle is called in which the submissions of a product stand.
const STANDING: &str = "Bounties";

/// What a new bounty is made of.
#[derive(Clone, Debug)]
pub struct NewBounty {
    pub product: ProductId,
    pub kind: RewardType,
    pub title: String,
    pub description: String,
    pub points: Option<i64>,
    pub value: Option<i64>,
    /// Dollars when absent.
    pub currency: Option<Currency>,
    pub mode: ClaimMode,
    pub max_claims: Option<i64>,
    pub expiry_days: Option<i64>,
    pub evidence: String,
    /// `draft` or `open`.
    pub status: BountyStatus,
}

impl Issues {
    /// Offers work.
    #[tracing::instrument(name = "bounties.create", skip_all, fields(product.id = %new.product))]
    pub async fn create_bounty(
        &self,
        ctx: &Ctx,
        new: NewBounty,
        answer: Answer<Bounty>,
    ) -> Result<Bounty, Error> {
        let title = line("title", &new.title, MAX_TITLE)?;
        let description = paragraphs("description", &new.description, MAX_BODY)?;
        let evidence = paragraphs("evidence_description", &new.evidence, MAX_BODY)?;
        if !matches!(new.status, BountyStatus::Draft | BountyStatus::Open) {
            return Err(FieldError::new("status", "must be draft or open").into());
        }
        let currency = new.currency.unwrap_or(Currency::USD);
        let (kind, points, value) = (new.kind, new.points, new.value);
        let reward = Reward::new(Offer { kind, points, value, currency })?;
        let expiry_days = new.expiry_days.unwrap_or(DEFAULT_EXPIRY_DAYS);
        bounty::terms(new.mode, new.max_claims, expiry_days)?;

        let mut tx = Tx::begin(&self.db, ctx).await?;
        let product = store::product::find(tx.conn(), ctx.organization(), new.product).await?;
        let product = product.ok_or(Error::NotFound(Kind::Product, new.product.0))?;
        // Whoever takes a number holds the product: the standing cycle is made by one of them.
        let number = store::product::next_number(&tx, product.id).await?;
        ensure_standing(&mut tx, &product).await?;
        let bounty = Bounty {
            id: BountyId::new(),
            organization: ctx.organization(),
            product: product.id,
            number,
            product_key: product.key,
            title,
            description,
            status: new.status,
            reward,
            mode: new.mode,
            max_claims: new.max_claims,
            expiry_days,
            evidence,
            claims: 0,
            version: 0,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let bounty = store::bounty::save(&mut tx, None, bounty).await?;
        answer.leave(&tx, &bounty).await?;
        tx.commit().await?;
        Ok(bounty)
    }
}

/// The cycle of a product's submissions, which has the id of the product: it carries their gate,
/// their leads and their sums, as every cycle does.
pub(super) fn standing(product: ProductId) -> CycleId {
    CycleId(product.0)
}

async fn ensure_standing(tx: &mut Tx, product: &Product) -> Result<(), Error> {
    let id = standing(product.id);
    if store::cycle::load(tx, id, "SHARE").await?.is_some() {
        return Ok(());
    }
    let now = tx.ctx().now;
    let cycle = Cycle {
        id,
        product: product.id,
        name: STANDING.to_owned(),
        open: true,
        requires_verification: None,
        rates: None,
        crew: Crew::default(),
        version: 0,
        created_at: now,
        updated_at: now,
    };
    store::cycle::save(tx, None, cycle).await?;
    Ok(())
}
