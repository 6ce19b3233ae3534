//! Paying whatever is due, or only showing what would be paid.

use std::collections::HashMap;

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteSet};
use quittance_chassis::fail_point;
use quittance_chassis::grpc::Caller;

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::approval::check_unplanned;
use crate::domain::plan::{Drawn, Plan, Run};
use crate::metrics::METRICS;
use crate::store;

impl Payouts {
    /// Plans a run, and pays it at once unless it is a `dry` one. `reply` makes the answer, which
    /// is stored with the effect; of what is too large for memory it is told the plan alone.
    #[tracing::instrument(name = "payouts.run_batch", skip_all, fields(dry))]
    pub(crate) async fn run_batch<R: Message + Default>(
        &self,
        caller: &Caller,
        run: &Run,
        dry: bool,
        key: Option<&Idempotency>,
        reply: impl Fn(&Plan, Option<&Drawn>) -> R + Send + Sync,
    ) -> Result<Answered<R>, Error> {
        let ctx = &caller.ctx;
        Self::permit_runs(ctx)?;
        run.check_period()?;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let Some(drawn) = self.draw(caller, run, ctx.member()).await? else {
                return self.run_large(caller, (run, dry), key, |plan| reply(plan, None)).await;
            };
            let policies = self.policies(ctx).await?;
            if !dry {
                let sums = drawn.settlement.totals.iter().map(|(sum, _)| sum);
                check_unplanned(&policies, sums)?;
            }
            let plan = Plan::of(run, &drawn, ctx.member(), ctx.now, dry).needing(&policies);
            let reply = reply(&plan, Some(&drawn));
            let service = self.db.service();
            fail_point!("plan::before_write");
            let wrote = self.wrote(|| {
                let mut set = if dry {
                    WriteSet::new()
                } else {
                    store::settlement::write_set(ctx, service, &drawn.settlement, &HashMap::new())
                };
                store::plan::create(ctx, service, &mut set, &plan, &drawn);
                if let Some(key) = key {
                    set.insert(key.remember(ctx, reply.encode_to_vec()));
                }
                set
            });
            if wrote.await? {
                fail_point!("plan::after_write");
                if !dry {
                    METRICS.settled(&drawn.settlement);
                }
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }
}
