//! One payload of each kind, with every field filled.

use quittance_events as events;
use quittance_kernel::{IssueStatus, Method, PayoutStatus, Severity, Timestamp};
use uuid::Uuid;

pub(crate) fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

pub(crate) fn issue() -> events::IssueState {
    events::IssueState {
        issue_id: Uuid::now_v7(),
        version: 3,
        number: "HW-7".into(),
        product_id: Uuid::now_v7(),
        cycle_id: Uuid::now_v7(),
        reporter_id: Uuid::now_v7(),
        title: "Payment fails".into(),
        severity: Severity::Critical,
        status: IssueStatus::Verified,
        review: PayoutStatus::Approved,
        amount_minor: Some(1_500_000),
        currency: Some("KZT".into()),
        rule: Some("default rate, critical".into()),
        decided_by: Some(Uuid::now_v7()),
        decided_at: Some(noon()),
        reason: None,
        verified_by: Some(Uuid::now_v7()),
        resolved_at: Some(noon()),
        reverted_to_status: None,
        filed_at: noon(),
        duplicate_of: None,
        bounty_id: None,
        points: None,
    }
}

pub(crate) fn earning() -> events::EarningState {
    events::EarningState {
        earning_id: Uuid::now_v7(),
        version: 2,
        issue_id: Uuid::now_v7(),
        cycle_id: Uuid::now_v7(),
        payee_id: Uuid::now_v7(),
        amount_minor: 1,
        currency: "KZT".into(),
        status: PayoutStatus::Paid,
        payout_id: Some(Uuid::now_v7()),
        method: Some(Method::Kaspi),
        reference: Some("K-1".into()),
        paid_at: Some(noon()),
        reason: None,
        voided_at: None,
        receivable_minor: None,
    }
}

pub(crate) fn payout() -> events::PayoutState {
    events::PayoutState {
        payout_id: Uuid::now_v7(),
        version: 1,
        batch_id: None,
        payee_id: Uuid::now_v7(),
        amount_minor: 1,
        currency: "KZT".into(),
        method: Some(Method::Bank),
        reference: "r".into(),
        status: "paid".into(),
        item_count: 1,
        paid_at: Some(noon()),
        netted_minor: Some(0),
        source: "manual".into(),
        period: Some("2026-Q1".into()),
        notes: None,
        approved_by: Some(Uuid::now_v7()),
        reason: None,
    }
}

pub(crate) fn bounty() -> events::BountyState {
    events::BountyState {
        bounty_id: Uuid::now_v7(),
        version: 1,
        number: "SHP-3".into(),
        product_id: Uuid::now_v7(),
        title: "Landing page".into(),
        status: "open".into(),
        reward_type: "FIXED_PAYMENT".into(),
        points: None,
        value_minor: Some(50_000),
        currency: Some("USD".into()),
        claim_mode: "SINGLE".into(),
        max_claims: None,
        claim_expiry_days: 14,
    }
}

pub(crate) fn claim() -> events::ClaimState {
    events::ClaimState {
        claim_id: Uuid::now_v7(),
        version: 1,
        bounty_id: Uuid::now_v7(),
        member_id: Uuid::now_v7(),
        status: "active".into(),
        expires_at: noon(),
        issue_id: None,
    }
}

pub(crate) fn points() -> events::PointsState {
    events::PointsState {
        grant_id: Uuid::now_v7(),
        version: 1,
        product_id: Uuid::now_v7(),
        bounty_id: Uuid::now_v7(),
        issue_id: Uuid::now_v7(),
        member_id: Uuid::now_v7(),
        points: 50,
        capacity_points: 1000,
        granted_points: 50,
    }
}

pub(crate) fn charge() -> events::ChargeState {
    events::ChargeState {
        charge_id: Uuid::now_v7(),
        version: 3,
        purpose: "payout".into(),
        subject_id: Uuid::now_v7(),
        product_id: Uuid::now_v7(),
        payer_id: Uuid::now_v7(),
        status: "succeeded".into(),
        number: 1,
        currency: "USD".into(),
        value_minor: 50_000,
        tip_minor: 0,
        platform_fee_minor: 5_000,
        processor_fee_minor: 1_674,
        rounding_minor: 0,
        total_minor: 56_674,
        refunded_minor: 0,
        reference: "py_1".into(),
        reason: String::new(),
    }
}

pub(crate) fn pre_fund() -> events::PreFundMove {
    events::PreFundMove {
        move_id: Uuid::now_v7(),
        version: 1,
        product_id: Uuid::now_v7(),
        payout_id: Uuid::now_v7(),
        status: "drawn".into(),
        currency: "USD".into(),
        value_minor: 50_000,
        platform_fee_minor: 5_000,
        balance_minor: 45_000,
        low_minor: 100_000,
    }
}

pub(crate) fn profit() -> events::ProfitPeriodState {
    events::ProfitPeriodState {
        profit_period_id: Uuid::now_v7(),
        version: 1,
        product_id: Uuid::now_v7(),
        period: "2026-Q1".into(),
        currency: "USD".into(),
        profit_minor: 100,
        pool_bps: 10_000,
        total_minor: 100,
        residual_minor: 0,
        effective_points: 1,
        allocations: vec![events::ProfitAllocation {
            member_id: Uuid::now_v7(),
            points: 1,
            amount_minor: 100,
            platform_fee_minor: 10,
            payout_id: Some(Uuid::now_v7()),
        }],
    }
}

pub(crate) fn plan() -> events::PlanState {
    events::PlanState {
        plan_id: Uuid::now_v7(),
        version: 1,
        status: "open".into(),
        created_by: Uuid::now_v7(),
        product_id: None,
        cycle_id: Some(Uuid::now_v7()),
        payee_id: None,
        period_start: Some(noon()),
        period_end: None,
        currency: Some("KZT".into()),
        method: Method::Kaspi,
        reference: "MAY".into(),
        digest: "0".repeat(64),
        totals: vec![events::PlanTotal { currency: "KZT".into(), amount_minor: 1, count: 1 }],
        item_count: 1,
        excluded_count: 0,
        batch_id: None,
        nettings: vec![events::PlanNetting {
            payee_id: Uuid::now_v7(),
            currency: "KZT".into(),
            amount_minor: 1,
        }],
        approved_by: vec![Uuid::now_v7()],
        expires_at: noon(),
    }
}

pub(crate) fn job() -> events::JobCompleted {
    events::JobCompleted {
        run_id: Uuid::now_v7(),
        version: 2,
        job: "process-schedules".into(),
        slot: Some(noon()),
        covers_from: Some(noon()),
        state: "completed".into(),
        started_by: Uuid::nil(),
        started_at: noon(),
        finished_at: Some(noon()),
        claimed: 1,
        processed: 1,
        failed: 0,
        retried: 0,
        skipped: 0,
        submitted: 0,
        unblocked: 0,
        amounts: vec![events::PlanTotal { currency: "KZT".into(), amount_minor: 1, count: 1 }],
        duration_ms: 7,
        error: None,
    }
}

pub(crate) fn schedule() -> events::ScheduleState {
    events::ScheduleState {
        schedule_id: Uuid::now_v7(),
        version: 2,
        placement_id: Uuid::now_v7(),
        payee_id: Uuid::now_v7(),
        amount_minor: 1,
        currency: "USD".into(),
        method: Method::Bank,
        reference: "P-1".into(),
        status: "failed".into(),
        scheduled_at: noon(),
        guarantee_completion_date: None,
        payout_id: Some(Uuid::now_v7()),
        processed_at: None,
        failure_reason: Some("declined".into()),
        retry_count: 3,
        last_retry_at: Some(noon()),
        next_attempt_at: noon(),
        hold_id: None,
    }
}

pub(crate) fn hold() -> events::HoldState {
    events::HoldState {
        hold_id: Uuid::now_v7(),
        version: 2,
        placement_id: Uuid::now_v7(),
        schedule_id: None,
        payee_id: Uuid::now_v7(),
        amount_minor: 1,
        currency: "USD".into(),
        method: None,
        reason: "a dispute".into(),
        status: "released".into(),
        release_at: None,
        parent_id: Some(Uuid::now_v7()),
        ended_at: Some(noon()),
        ended_by: Some(Uuid::now_v7()),
        end_reason: Some("settled".into()),
    }
}

pub(crate) fn receivable(id: Uuid) -> events::ReceivableState {
    events::ReceivableState {
        payout_id: id,
        version: 5,
        payee_id: id,
        currency: "KZT".into(),
        receivable_minor: 200_000,
    }
}
