use std::collections::BTreeMap;

use quittance_chassis::bus::Message;
use quittance_chassis::clock;
use quittance_chassis::db::{Tx, inbox};
use quittance_events::{ChargeState, PayoutFailed, ScheduleState, decode, kind, queue};
use quittance_kernel::{
    Ctx, EventId, MemberId, Method, Money, OrganizationId, PayoutId, Principal, Timestamp,
};
use uuid::Uuid;

use super::{Issues, MirrorError};
use crate::domain::notice::{self, Failed, Notice};
use crate::error::Error;
use crate::store::notification;

impl Issues {
    /// Tells payees of payouts whose money did not arrive, and of schedules that were given up: set-based, each event once. The earnings
    /// stay as they are; what becomes of them is told by events of their own.
    pub async fn hear_failures(&self, messages: &[&Message]) -> Result<(), MirrorError> {
        let mut batches: BTreeMap<OrganizationId, Vec<(Uuid, PayoutFailed)>> = BTreeMap::new();
        for message in messages {
            let unreadable = |error| MirrorError::Unreadable(message.id, error);
            let (organization, failed) = if message.kind == kind::CHARGE_FAILED {
                let event = decode::<ChargeState>(&message.body).map_err(unreadable)?;
                (event.organizationid, of_charge(event.data, event.time))
            } else if message.kind == kind::SCHEDULE_FAILED {
                let event = decode::<ScheduleState>(&message.body).map_err(unreadable)?;
                (event.organizationid, of_schedule(event.data))
            } else {
                let event = decode::<PayoutFailed>(&message.body).map_err(unreadable)?;
                (event.organizationid, event.data)
            };
            batches.entry(OrganizationId(organization)).or_default().push((message.id, failed));
        }
        for (organization, batch) in batches {
            let trace = messages.first().and_then(|message| message.traceparent.clone());
            let ctx = Ctx {
                traceparent: trace,
                ..Ctx::new(
                    Principal::service(organization),
                    clock::now(),
                    queue::ISSUES.name.into(),
                )
            };
            self.tell_failures(&ctx, batch).await?;
        }
        Ok(())
    }

    async fn tell_failures(
        &self,
        ctx: &Ctx,
        batch: Vec<(Uuid, PayoutFailed)>,
    ) -> Result<(), Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let ids: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
        let fresh = inbox::first_times(&tx, queue::ISSUES.name, &ids).await?;
        let batch = batch.into_iter().filter(|(id, _)| fresh.contains(id));
        // What a service began by itself has nobody to be told.
        let batch = batch.filter(|(_, failed)| !failed.payee_id.is_nil());
        let told: Vec<(EventId, Notice)> =
            batch.map(|(id, failed)| (EventId(id), told(failed))).collect();
        let members: Vec<MemberId> = told.iter().map(|(_, notice)| notice.member).collect();
        notification::write(&tx, told).await?;
        tx.commit().await?;
        self.bell.ring(&members);
        Ok(())
    }
}

/// A charge that has failed, told to whoever caused it: they can try again with another card.
fn of_charge(failed: ChargeState, at: Timestamp) -> PayoutFailed {
    PayoutFailed {
        payout_id: failed.subject_id,
        version: failed.version,
        payee_id: failed.payer_id,
        amount_minor: failed.total_minor,
        currency: failed.currency,
        method: Method::Stripe,
        reference: Some(failed.reference).filter(|text| !text.is_empty()),
        reason: format!("The charge failed: {}", failed.reason.replace('_', " ")),
        item_count: 1,
        failed_at: at,
    }
}

/// A schedule that has failed for good, which may never have come to a payout.
fn of_schedule(failed: ScheduleState) -> PayoutFailed {
    PayoutFailed {
        payout_id: failed.payout_id.unwrap_or(failed.schedule_id),
        version: failed.version,
        payee_id: failed.payee_id,
        amount_minor: failed.amount_minor,
        currency: failed.currency,
        method: failed.method,
        reference: Some(failed.reference).filter(|text| !text.is_empty()),
        reason: failed.failure_reason.unwrap_or_default(),
        item_count: 1,
        failed_at: failed.last_retry_at.unwrap_or(failed.next_attempt_at),
    }
}

fn told(failed: PayoutFailed) -> Notice {
    // The words of a service that runs another version may name a currency that is new here.
    let currency = failed.currency.parse().ok();
    notice::of_failure(Failed {
        member: MemberId(failed.payee_id),
        payout: PayoutId(failed.payout_id),
        amount: currency.map(|currency| Money::signed(failed.amount_minor, currency)),
        reference: failed.reference,
        reason: failed.reason,
    })
}
