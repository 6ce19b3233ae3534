//! The demo organizations of the other programmes: partner commissions (S3-16) and payouts of
//! placements after a guarantee (S2).

use anyhow::Context as _;
use chrono::TimeDelta;
use prost_types::Timestamp;
use quittance_chassis::grpc::{Caller, Client};
use quittance_proto::common::v1::{Method, Money};
use quittance_proto::payouts::v1::commission_service_client::CommissionServiceClient;
use quittance_proto::payouts::v1::escrow_service_client::EscrowServiceClient;
use quittance_proto::payouts::v1::partner_payout_service_client::PartnerPayoutServiceClient;
use quittance_proto::payouts::v1::schedule_service_client::ScheduleServiceClient;
use quittance_proto::payouts::v1::{self as payouts, commission_rate};
use uuid::Uuid;

use super::data::{PARTNER_PAYOUTS, PLACEMENTS, PartnerStage};

fn dollars(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "USD".to_owned() }
}

fn id() -> String {
    Uuid::now_v7().to_string()
}

/// Five payouts of a partner in different states, and a sale whose commission waits.
pub(super) async fn partners(
    channel: &Client,
    admin: &Caller,
    partner: &Caller,
) -> anyhow::Result<()> {
    let mut desk = PartnerPayoutServiceClient::new(channel.clone());
    for payout in &PARTNER_PAYOUTS {
        let request = payouts::CreatePartnerPayoutRequest {
            request_id: id(),
            partner_id: partner.ctx.member().to_string(),
            partner_name: super::data::PARTNER.name.to_owned(),
            amount: Some(dollars(payout.minor)),
            period: payout.period.to_owned(),
            notes: payout.notes.to_owned(),
        };
        let made = desk.create_partner_payout(admin.request(request)).await?.into_inner().payout;
        let payout_id = made.and_then(|made| made.payout).context("no payout")?.payout_id;
        take(&mut desk, admin, payout.stage, payout_id).await?;
    }
    let mut commissions = CommissionServiceClient::new(channel.clone());
    let rule = payouts::CreateCommissionRuleRequest {
        request_id: id(),
        rate: Some(payouts::CommissionRate {
            rate: Some(commission_rate::Rate::BasisPoints(1_500)),
        }),
        ..Default::default()
    };
    commissions.create_commission_rule(admin.request(rule)).await?;
    let sale = payouts::CreateAttributionRequest {
        request_id: id(),
        external_id: "order-1042".to_owned(),
        partner_id: partner.ctx.member().to_string(),
        partner_name: super::data::PARTNER.name.to_owned(),
        amount: Some(dollars(240_000)),
        occur_time: Some(days_from(admin, -3)),
        ..Default::default()
    };
    commissions.create_attribution(admin.request(sale)).await?;
    Ok(())
}

/// Leads a payout to where the demo shows it.
async fn take(
    desk: &mut PartnerPayoutServiceClient<Client>,
    admin: &Caller,
    stage: PartnerStage,
    payout_id: String,
) -> anyhow::Result<()> {
    match stage {
        PartnerStage::Pending => return Ok(()),
        PartnerStage::Rejected => {
            let notes = "The sales of this period were counted before.".to_owned();
            let request =
                payouts::RejectPartnerPayoutRequest { request_id: id(), payout_id, notes };
            desk.reject_partner_payout(admin.request(request)).await?;
            return Ok(());
        }
        PartnerStage::Approved | PartnerStage::Paid => {}
    }
    let request =
        payouts::ApprovePartnerPayoutRequest { request_id: id(), payout_id: payout_id.clone() };
    desk.approve_partner_payout(admin.request(request)).await?;
    if stage == PartnerStage::Paid {
        let request = payouts::MarkPartnerPayoutPaidRequest {
            request_id: id(),
            payout_id,
            method: Method::Ach.into(),
            reference: "ACH-2026-0117".to_owned(),
        };
        desk.mark_partner_payout_paid(admin.request(request)).await?;
    }
    Ok(())
}

/// Schedules that are due, that wait for a guarantee, and that a hold keeps back.
pub(super) async fn placements(
    channel: &Client,
    keeper: &Caller,
    recruiter: &Caller,
) -> anyhow::Result<()> {
    let mut schedules = ScheduleServiceClient::new(channel.clone());
    let mut holds = EscrowServiceClient::new(channel.clone());
    for placement in &PLACEMENTS {
        let (placement_id, payee_id) = (id(), recruiter.ctx.member().to_string());
        let request = payouts::CreateScheduleRequest {
            request_id: id(),
            placement_id: placement_id.clone(),
            payee_id: payee_id.clone(),
            amount: Some(dollars(placement.minor)),
            method: Method::Bank.into(),
            notes: placement.notes.to_owned(),
            scheduled_date: Some(days_from(keeper, placement.days)),
            guarantee_completion_date: Some(days_from(keeper, placement.days)),
            ..Default::default()
        };
        let made = schedules.create_schedule(keeper.request(request)).await?.into_inner().schedule;
        if let Some(held) = placement.held {
            let request = payouts::CreateHoldRequest {
                request_id: id(),
                placement_id,
                schedule_id: made.context("no schedule")?.schedule_id,
                payee_id,
                amount: Some(dollars(held)),
                reason: "The client disputes the start date.".to_owned(),
                release_scheduled_date: Some(days_from(keeper, 14)),
                ..Default::default()
            };
            holds.create_hold(keeper.request(request)).await?;
        }
    }
    Ok(())
}

fn days_from(caller: &Caller, days: i64) -> Timestamp {
    let at = caller.ctx.now + TimeDelta::days(days);
    Timestamp { seconds: at.timestamp(), nanos: 0 }
}
