//! Sales credited to partners, their refunds, and the rules by which they earn.

use chrono::TimeDelta;
use prost::Message;
use quittance_chassis::db::{Idempotency, Journal, WriteError, WriteSet, retrying};
use quittance_kernel::{Ctx, MemberId, Money, ProductId, Timestamp};
use uuid::Uuid;

use super::create_payouts::finish;
use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::commission::{Attribution, Rule, rule_for};
use crate::domain::partner::PartnerError;
use crate::store;

/// A sale as it is reported.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) external_id: String,
    pub(crate) partner: MemberId,
    pub(crate) name: String,
    pub(crate) product: Option<ProductId>,
    pub(crate) amount: Money,
    pub(crate) occurred_at: Timestamp,
}

impl Payouts {
    /// Adds a commission rule.
    #[tracing::instrument(name = "commissions.create_rule", skip_all)]
    pub(crate) async fn create_rule<R: Message + Default>(
        &self,
        ctx: &Ctx,
        rule: &Rule,
        key: Option<&Idempotency>,
        reply: impl Fn(&Rule) -> R,
    ) -> Result<Answered<R>, Error> {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let reply = reply(rule);
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
                store::commission::create_rule(ctx, &mut set, &mut journal, rule);
                finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }

    /// Lists the rules that hold.
    #[tracing::instrument(name = "commissions.rules", skip_all)]
    pub(crate) async fn rules(&self, ctx: &Ctx) -> Result<Vec<Rule>, Error> {
        Ok(store::commission::rules(&self.db, ctx.organization(), None).await?)
    }

    /// Records a sale, once per external id, and the commission by the rule that holds now.
    #[tracing::instrument(name = "commissions.attribute", skip_all)]
    pub(crate) async fn attribute<R: Message + Default>(
        &self,
        ctx: &Ctx,
        sale: &Sale,
        key: Option<&Idempotency>,
        reply: impl Fn(&Attribution) -> R,
    ) -> Result<Answered<R>, Error> {
        if let Some(before) = self.recall(ctx, key).await? {
            return Ok(before);
        }
        let whose = Some((sale.partner, sale.product));
        let rules = store::commission::rules(&self.db, ctx.organization(), whose).await?;
        let rule = rule_for(&rules, sale.partner, sale.product, sale.amount.currency())?;
        let out_of_range = PartnerError::Field { field: "occur_time", detail: "is out of range" };
        let payable_at = TimeDelta::try_days(rule.holding_days)
            .and_then(|held| sale.occurred_at.checked_add_signed(held))
            .ok_or(out_of_range)?;
        let new = Attribution {
            id: Uuid::now_v7(),
            external_id: sale.external_id.clone(),
            partner: sale.partner,
            product: sale.product,
            amount: sale.amount,
            occurred_at: sale.occurred_at,
            payable_at,
            rate: rule.rate,
            commission: rule.rate.of(sale.amount).minor(),
            refunded: 0,
            version: 1,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let reply = reply(&new);
        let written = retrying(|| {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            store::partner::know(ctx, &mut set, sale.partner.0, &sale.name);
            store::commission::create(ctx, &mut set, &mut journal, &new);
            finish(ctx, set, journal, key, &reply).commit(&self.db)
        });
        match written.await {
            Ok(()) => Ok(Answered { reply, replayed: false }),
            Err(WriteError::Duplicate(_)) => match self.recall(ctx, key).await? {
                Some(before) => Ok(before),
                None => Err(PartnerError::SaleRecorded(sale.external_id.clone()).into()),
            },
            Err(error @ (WriteError::Stale | WriteError::Database(_))) => Err(Error::Write(error)),
        }
    }

    /// Refunds a sale, or a part of it, and takes back its commission.
    #[tracing::instrument(name = "commissions.refund", skip_all)]
    pub(crate) async fn refund<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: Uuid,
        minor: i64,
        key: Option<&Idempotency>,
        reply: impl Fn(&Attribution, Money) -> R,
    ) -> Result<Answered<R>, Error> {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let found = store::commission::attribution(&self.db, ctx.organization(), id).await?;
            let before = found.ok_or(PartnerError::AttributionNotFound(id))?;
            let (after, clawback) = match before.refund(minor, ctx.now) {
                Ok(refunded) => refunded,
                // The same request may have refunded it since the key was looked up.
                Err(error) => match self.recall(ctx, key).await? {
                    Some(earlier) => return Ok(earlier),
                    None => return Err(error.into()),
                },
            };
            let reply = reply(&after, Money::signed(clawback, after.amount.currency()));
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
                store::commission::refund(ctx, &mut set, &mut journal, &before, &after, clawback);
                finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }
}
