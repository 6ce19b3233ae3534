//! Payouts that wait for approval: made by hand, or of commissions.

use prost::Message;
use quittance_chassis::db::{Idempotency, Journal, WriteSet};
use quittance_chassis::fail_point;
use quittance_kernel::{Ctx, MemberId};
use uuid::Uuid;

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::commission::{Group, MAX_COMMISSIONS, group};
use crate::domain::partner::{NewPayout, PartnerPayout, Period, Source};
use crate::store;

/// What came of the commissions of a period.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) payouts: Vec<PartnerPayout>,
    /// Not above zero.
    pub(crate) carried: Vec<Group>,
    /// Whether there are more than one call takes.
    pub(crate) more: bool,
}

impl Payouts {
    /// Creates a payout by hand, once per key.
    #[tracing::instrument(name = "payouts.create", skip_all)]
    pub(crate) async fn create_payout<R: Message + Default>(
        &self,
        ctx: &Ctx,
        new: &NewPayout,
        key: Option<&Idempotency>,
        reply: impl Fn(&PartnerPayout) -> R,
    ) -> Result<Answered<R>, Error> {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let reply = reply(&new.created(ctx.member(), ctx.now));
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
                store::partner::know(ctx, &mut set, new.partner.0, &new.name);
                store::partner::create(ctx, &mut set, &mut journal, std::slice::from_ref(new));
                finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }

    /// What creating payouts would cover now, by partner and currency.
    #[tracing::instrument(name = "commissions.pending", skip_all)]
    pub(crate) async fn pending_commissions(
        &self,
        ctx: &Ctx,
        partners: &[MemberId],
        period: Option<&Period>,
    ) -> Result<(Vec<Group>, bool), Error> {
        let (db, organization, end) = (&self.db, ctx.organization(), period.map(|of| of.end));
        let limit = MAX_COMMISSIONS + 1;
        let mut found =
            store::commission::pending(db, organization, partners, end, ctx.now, limit).await?;
        let more = found.len() > MAX_COMMISSIONS;
        found.truncate(MAX_COMMISSIONS);
        Ok((group(found)?, more))
    }

    /// Makes one payout per partner and currency of what no payout covers. What a partner owes back
    /// beyond that is left to a later period: no payout is below zero.
    #[tracing::instrument(name = "commissions.create_payouts", skip_all)]
    pub(crate) async fn create_commission_payouts<R: Message + Default>(
        &self,
        ctx: &Ctx,
        period: &Period,
        partners: &[MemberId],
        key: Option<&Idempotency>,
        reply: impl Fn(&Created) -> R,
    ) -> Result<Answered<R>, Error> {
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            let (groups, more) = self.pending_commissions(ctx, partners, Some(period)).await?;
            let (owed, carried): (Vec<_>, Vec<_>) = groups.into_iter().partition(Group::is_owed);
            let names = store::partner_read::names(
                &self.db,
                ctx.organization(),
                owed.iter().map(|group| group.partner.0).collect(),
            )
            .await?;
            let new: Vec<NewPayout> = owed
                .iter()
                .map(|group| {
                    let name = names.get(&group.partner.0).cloned().unwrap_or_default();
                    let payout = NewPayout::of(group.partner, name, group.net, Source::Commission);
                    NewPayout { period: period.text.clone(), ..payout }
                })
                .collect();
            let payouts = new.iter().map(|new| new.created(ctx.member(), ctx.now)).collect();
            let reply = reply(&Created { payouts, carried, more });
            let covered: Vec<(Uuid, &Group)> =
                new.iter().map(|payout| payout.id.0).zip(&owed).collect();
            fail_point!("commissions::before_write");
            let wrote = self.wrote(|| {
                let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
                store::commission::cover(ctx, &mut set, &covered);
                store::partner::create(ctx, &mut set, &mut journal, &new);
                finish(ctx, set, journal, key, &reply)
            });
            if wrote.await? {
                return Ok(Answered { reply, replayed: false });
            }
        }
        Err(Error::Contended)
    }
}

/// Completes a set with its journal and with the answer under its key.
pub(super) fn finish<R: Message>(
    ctx: &Ctx,
    mut set: WriteSet,
    journal: Journal,
    key: Option<&Idempotency>,
    reply: &R,
) -> WriteSet {
    journal.write_to(ctx, &mut set);
    if let Some(key) = key {
        set.insert(key.remember(ctx, reply.encode_to_vec()));
    }
    set
}
