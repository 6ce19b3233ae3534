use quittance_kernel::{Ctx, CycleId};

use super::{Issues, Total};
use crate::domain::gate;
use crate::error::Error;
use crate::store::totals::unverified;

/// What would change if a cycle's gate were set so (product.md, rule 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatePreview {
    pub effective: bool,
    pub becomes_payable: Vec<Total>,
    pub becomes_blocked: Vec<Total>,
}

impl Issues {
    /// Tells which issues and how much money a gate setting would release or hold back.
    #[tracing::instrument(name = "issues.preview_gate", skip_all, fields(cycle.id = %cycle))]
    pub async fn preview_gate(
        &self,
        ctx: &Ctx,
        cycle: CycleId,
        setting: Option<bool>,
    ) -> Result<GatePreview, Error> {
        let (found, product_gate) = self.cycle_in_charge(ctx, cycle).await?;
        let now = found.gate(product_gate).required;
        let then = gate::effective(setting, product_gate).required;
        let held = if now == then {
            Vec::new()
        } else {
            unverified(self.db.conn(), (ctx.organization(), cycle)).await?
        };
        let (becomes_payable, becomes_blocked) =
            if then { (Vec::new(), held) } else { (held, Vec::new()) };
        Ok(GatePreview { effective: then, becomes_payable, becomes_blocked })
    }
}
