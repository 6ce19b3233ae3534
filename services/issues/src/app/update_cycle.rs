use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, CycleId, MemberId};

use super::create_cycle::check_people;
use super::{Answer, CycleDetail, Issues, expect_version};
use crate::domain::cycle::{Crew, Cycle};
use crate::domain::rates::Overrides;
use crate::domain::text::{MAX_NAME, line};
use crate::error::{Error, Kind};
use crate::store;

/// What is to change; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct CyclePatch {
    /// When not 0: the version that the caller has seen.
    pub version: i64,
    pub name: Option<String>,
    pub open: Option<bool>,
    /// `Some(None)` inherits from the product.
    pub requires_verification: Option<Option<bool>>,
    /// `Some(None)` takes the overrides away.
    pub rates: Option<Option<Overrides>>,
    pub leads: Option<Vec<MemberId>>,
    pub members: Option<Vec<MemberId>>,
}

impl Issues {
    /// Changes a cycle. A change of its gate holds for payments from the next one on.
    #[tracing::instrument(name = "cycles.update", skip_all, fields(cycle.id = %id))]
    pub async fn update_cycle(
        &self,
        ctx: &Ctx,
        id: CycleId,
        patch: CyclePatch,
        answer: Answer<CycleDetail>,
    ) -> Result<CycleDetail, Error> {
        let name = match &patch.name {
            Some(name) => Some(line("name", name, MAX_NAME)?),
            None => None,
        };
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let found = store::cycle::load(&tx, id, "UPDATE").await?;
        let (before, gate) = found.ok_or(Error::NotFound(Kind::Cycle, id.0))?;
        expect_version(patch.version, before.version)?;
        check_people(&tx, "leads", patch.leads.as_deref().unwrap_or_default()).await?;
        check_people(&tx, "members", patch.members.as_deref().unwrap_or_default()).await?;
        let after = patched(&before, name, patch);
        let cycle = store::cycle::save(&mut tx, Some(&before), after).await?;
        let detail = CycleDetail::new(cycle, gate);
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        Ok(detail)
    }
}

fn patched(before: &Cycle, name: Option<String>, patch: CyclePatch) -> Cycle {
    let crew = &before.crew;
    let leads = patch.leads.unwrap_or_else(|| crew.leads().to_vec());
    let members = patch.members.unwrap_or_else(|| crew.members().to_vec());
    Cycle {
        name: name.unwrap_or_else(|| before.name.clone()),
        open: patch.open.unwrap_or(before.open),
        requires_verification: patch.requires_verification.unwrap_or(before.requires_verification),
        rates: patch.rates.unwrap_or_else(|| before.rates.clone()),
        crew: Crew::new(leads, members),
        ..before.clone()
    }
}
