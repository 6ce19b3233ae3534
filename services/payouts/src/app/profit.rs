//! Profits of a period, divided among the points of a product.

use prost::Message;
use quittance_chassis::db::{Entry, Idempotency, Journal, WriteSet};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, MemberId, ProductId};
use quittance_proto::issues::v1::{GetRewardPoolRequest, RewardPool};
use tonic::Code;
use uuid::Uuid;

use super::create_payouts::finish;
use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::partner::{NewPayout, Source};
use crate::domain::profit::{Distribution, Pool, ProfitError, Report};
use crate::store;

impl Payouts {
    /// Divides a profit and creates a payout per member, once per product and period. A dry run
    /// shows the same division and leaves an audit row.
    #[tracing::instrument(name = "profits.distribute", skip_all, fields(product.id = %report.product))]
    pub(crate) async fn distribute<R: Message + Default>(
        &self,
        caller: &Caller,
        report: &Report,
        dry_run: bool,
        key: Option<&Idempotency>,
        reply: impl Fn(&Distribution) -> R,
    ) -> Result<Answered<R>, Error> {
        let ctx = &caller.ctx;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let (product, period) = (report.product, &report.period);
            if store::profit::exists(&self.db, ctx.organization(), product, period).await? {
                let period = period.clone();
                return Err(ProfitError::Distributed { product, period }.into());
            }
            let drawn = report.divide(self.pool(caller, product).await?, ctx.now);
            if dry_run {
                self.note_dry_run(ctx, &drawn).await?;
                return Ok(Answered { reply: reply(&drawn), replayed: false });
            }
            let (done, new) = committed(drawn);
            let reply = reply(&done);
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
                store::profit::insert(ctx, &mut set, &mut journal, &done);
                if !new.is_empty() {
                    store::profit::know(ctx, &mut set, &new);
                    store::partner::create(ctx, &mut set, &mut journal, &new);
                }
                finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }

    async fn note_dry_run(&self, ctx: &Ctx, drawn: &Distribution) -> Result<(), Error> {
        let after = store::profit::audited(drawn);
        let done = self.wrote(|| {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            let entry = Entry::new("profit_period.dry_run", "product", drawn.report.product.0);
            journal.note(ctx, entry.after(after.clone()));
            journal.write_to(ctx, &mut set);
            set
        });
        if done.await? { Ok(()) } else { Err(Error::Contended) }
    }

    pub(super) async fn pool(&self, caller: &Caller, product: ProductId) -> Result<Pool, Error> {
        let request = caller.request(GetRewardPoolRequest { product_id: product.to_string() });
        match self.pools.clone().get_reward_pool(request).await {
            Ok(reply) => read(reply.into_inner().pool.unwrap_or_default()),
            Err(status) if status.code() == Code::NotFound => {
                Err(ProfitError::ProductNotFound(product).into())
            }
            Err(status) => Err(Error::Facts(Box::new(status))),
        }
    }
}

fn read(pool: RewardPool) -> Result<Pool, Error> {
    let holders = pool.standings.into_iter().map(|standing| {
        let member: MemberId =
            standing.member_id.parse().map_err(|_| Error::Unreadable("a standing"))?;
        Ok((member, standing.points, standing.member_name))
    });
    Ok(Pool {
        capacity: pool.capacity_points,
        fee_bps: i64::from(pool.platform_fee_bps),
        holders: holders.collect::<Result<_, Error>>()?,
    })
}

/// Names the period and its payouts. A share of nothing has none.
fn committed(mut drawn: Distribution) -> (Distribution, Vec<NewPayout>) {
    drawn.id = Some(Uuid::now_v7());
    let currency = drawn.report.profit.currency();
    let mut all = Vec::new();
    for (place, share) in drawn.division.shares.iter().enumerate() {
        if share.payout() <= 0 {
            continue;
        }
        let amount = quittance_kernel::Money::signed(share.payout(), currency);
        let name = drawn.names.get(place).cloned().unwrap_or_default();
        let payout = NewPayout {
            period: drawn.report.period.clone(),
            ..NewPayout::of(share.member, name, amount, Source::ProfitShare)
        };
        if let Some(id) = drawn.payouts.get_mut(place) {
            *id = Some(payout.id);
        }
        all.push(payout);
    }
    (drawn, all)
}
