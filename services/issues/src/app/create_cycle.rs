use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, CycleId, MemberId, ProductId};

use super::{Answer, CycleDetail, Issues};
use crate::domain::cycle::{Crew, Cycle};
use crate::domain::rates::Overrides;
use crate::domain::text::{FieldError, MAX_NAME, line};
use crate::error::{Error, Kind};
use crate::store;

/// How many people may lead, and how many may be assigned.
pub(super) const MOST_PEOPLE: usize = 1_000;

/// What a new cycle is made of.
#[derive(Clone, Debug)]
pub struct NewCycle {
    pub product: ProductId,
    pub name: String,
    pub requires_verification: Option<bool>,
    pub rates: Option<Overrides>,
    pub leads: Vec<MemberId>,
    pub members: Vec<MemberId>,
}

impl Issues {
    /// Creates an open cycle of a product.
    #[tracing::instrument(name = "cycles.create", skip_all, fields(product.id = %new.product))]
    pub async fn create_cycle(
        &self,
        ctx: &Ctx,
        new: NewCycle,
        answer: Answer<CycleDetail>,
    ) -> Result<CycleDetail, Error> {
        let name = line("name", &new.name, MAX_NAME)?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let product = store::product::find(tx.conn(), ctx.organization(), new.product).await?;
        let product = product.ok_or(Error::NotFound(Kind::Product, new.product.0))?;
        check_people(&tx, "lead_ids", &new.leads).await?;
        check_people(&tx, "member_ids", &new.members).await?;
        let cycle = Cycle {
            id: CycleId::new(),
            product: new.product,
            name,
            open: true,
            requires_verification: new.requires_verification,
            rates: new.rates,
            crew: Crew::new(new.leads, new.members),
            version: 0,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let cycle = store::cycle::save(&mut tx, None, cycle).await?;
        let detail = CycleDetail::new(cycle, product.requires_verification);
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        Ok(detail)
    }
}

/// Refuses people whom the organization does not know.
pub(super) async fn check_people(
    tx: &Tx,
    field: &'static str,
    people: &[MemberId],
) -> Result<(), Error> {
    let found = people.len();
    if MOST_PEOPLE < found {
        return Err(Error::Count { field, found, least: 0, most: MOST_PEOPLE });
    }
    let strangers = store::member::strangers(tx.conn(), tx.ctx().organization(), people).await?;
    match strangers.first() {
        Some(stranger) => {
            Err(FieldError::new(field, format!("no member of the organization: {stranger}")).into())
        }
        None => Ok(()),
    }
}
