use std::collections::BTreeMap;

use quittance_chassis::bus::Message;
use quittance_chassis::clock;
use quittance_chassis::db::{Tx, inbox};
use quittance_events::{
    ChargeState, DecodeError, PayoutFailed, PayoutState, ScheduleState, decode, kind, queue,
};
use quittance_kernel::{Ctx, EventId, MemberId, Money, OrganizationId, PayoutId, Principal};
use uuid::Uuid;

use super::{Issues, MirrorError};
use crate::domain::notice::{self, Moved, Notice, PayoutStep};
use crate::error::Error;
use crate::store::notification;

/// What is told by [`Issues::hear_payouts`]; everything else that comes from payouts is mirrored.
pub(crate) const HEARD: [&str; 6] = [
    kind::PAYOUT_APPROVED,
    kind::PAYOUT_REJECTED,
    kind::PAYOUT_PAID,
    kind::PAYOUT_FAILED,
    kind::SCHEDULE_FAILED,
    kind::CHARGE_FAILED,
];

impl Issues {
    /// Tells payees what becomes of their payouts (S3-22): money that did not arrive, schedules that were given up, and the steps of
    /// payouts that no issue speaks for. Set-based, each event once. The earnings stay as they are; what becomes of them is told by
    /// events of their own.
    pub async fn hear_payouts(&self, messages: &[&Message]) -> Result<(), MirrorError> {
        let mut batches: BTreeMap<OrganizationId, Vec<(Uuid, Notice)>> = BTreeMap::new();
        for message in messages {
            let (organization, notice) =
                read(message).map_err(|error| MirrorError::Unreadable(message.id, error))?;
            // What a service began by itself has nobody to be told.
            if let Some(notice) = notice.filter(|notice| !notice.member.0.is_nil()) {
                batches.entry(organization).or_default().push((message.id, notice));
            }
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
            self.tell(&ctx, batch).await?;
        }
        Ok(())
    }

    async fn tell(&self, ctx: &Ctx, batch: Vec<(Uuid, Notice)>) -> Result<(), Error> {
        let tx = Tx::begin(&self.db, ctx).await?;
        let ids: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
        let fresh = inbox::first_times(&tx, queue::ISSUES.name, &ids).await?;
        let told = batch.into_iter().filter(|(id, _)| fresh.contains(id));
        let told: Vec<(EventId, Notice)> = told.map(|(id, notice)| (EventId(id), notice)).collect();
        let members: Vec<MemberId> = told.iter().map(|(_, notice)| notice.member).collect();
        notification::write(&tx, told).await?;
        tx.commit().await?;
        self.bell.ring(&members);
        Ok(())
    }
}

/// Whose event it is, and whom it tells what.
fn read(message: &Message) -> Result<(OrganizationId, Option<Notice>), DecodeError> {
    let (organization, notice) = match message.kind.as_str() {
        kind::CHARGE_FAILED => {
            let event = decode::<ChargeState>(&message.body)?;
            (event.organizationid, Some(of_charge(event.data)))
        }
        kind::SCHEDULE_FAILED => {
            let event = decode::<ScheduleState>(&message.body)?;
            (event.organizationid, Some(of_schedule(event.data)))
        }
        kind::PAYOUT_FAILED => {
            let event = decode::<PayoutFailed>(&message.body)?;
            (event.organizationid, Some(of_failure(event.data)))
        }
        step => {
            let event = decode::<PayoutState>(&message.body)?;
            (event.organizationid, of_step(step, event.data))
        }
    };
    Ok((OrganizationId(organization), notice))
}

/// The words of a service that runs another version may name a currency that is new here.
fn money(minor: i64, currency: &str) -> Option<Money> {
    currency.parse().ok().map(|currency| Money::signed(minor, currency))
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn of_failure(failed: PayoutFailed) -> Notice {
    notice::of_payout(
        PayoutStep::Failed,
        Moved {
            member: MemberId(failed.payee_id),
            payout: PayoutId(failed.payout_id),
            amount: money(failed.amount_minor, &failed.currency),
            reference: failed.reference,
            reason: Some(failed.reason),
        },
    )
}

/// A charge that has failed, told to whoever caused it: they can try again with another card.
fn of_charge(failed: ChargeState) -> Notice {
    notice::of_payout(
        PayoutStep::Failed,
        Moved {
            member: MemberId(failed.payer_id),
            payout: PayoutId(failed.subject_id),
            amount: money(failed.total_minor, &failed.currency),
            reference: given(failed.reference),
            reason: Some(format!("The charge failed: {}", failed.reason.replace('_', " "))),
        },
    )
}

/// A schedule that has failed for good, which may never have come to a payout.
fn of_schedule(failed: ScheduleState) -> Notice {
    notice::of_payout(
        PayoutStep::Failed,
        Moved {
            member: MemberId(failed.payee_id),
            payout: PayoutId(failed.payout_id.unwrap_or(failed.schedule_id)),
            amount: money(failed.amount_minor, &failed.currency),
            reference: given(failed.reference),
            reason: failed.failure_reason,
        },
    )
}

/// A step of a payout. The reporter of an issue is told of that issue; and only payouts that a person
/// decides on tell of the decision.
fn of_step(kind: &str, state: PayoutState) -> Option<Notice> {
    let decided = matches!(state.source.as_str(), "manual" | "commission");
    let step = match (kind, state.source.as_str()) {
        (kind::PAYOUT_PAID, "manual" | "commission" | "schedule" | "profit_share") => {
            PayoutStep::Paid
        }
        (kind::PAYOUT_APPROVED, _) if decided => PayoutStep::Approved,
        (kind::PAYOUT_REJECTED, _) if decided => PayoutStep::Rejected,
        _ => return None,
    };
    Some(notice::of_payout(
        step,
        Moved {
            member: MemberId(state.payee_id),
            payout: PayoutId(state.payout_id),
            amount: money(state.amount_minor, &state.currency),
            reference: given(state.reference),
            reason: state.reason,
        },
    ))
}
