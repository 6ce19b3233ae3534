//! The schemas in `schemas/` are the types, and what we send is a CloudEvent that fits them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::PathBuf;

use cloudevents::AttributesReader;
use quittance_events as events;
use quittance_events::{Envelope, Payload, kind};
use quittance_kernel::{IssueStatus, Method, PayoutStatus, Severity, Timestamp};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;
use uuid::Uuid;

fn check<T: Payload + JsonSchema>(kind: &str, sample: T) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("schemas")
        .join(format!("{}.v1.json", T::SCHEMA));
    let now = serde_json::to_value(schema_for!(T)).unwrap();
    if std::env::args().any(|arg| arg == "write-schemas") {
        std::fs::write(&file, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_str(
        &std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} is missing", file.display())),
    )
    .unwrap();
    assert_eq!(
        now,
        kept,
        "{} changed: run `cargo test -p quittance-events --test schemas -- write-schemas every`",
        T::SCHEMA
    );
    let envelope =
        Envelope::new(Uuid::now_v7(), "test", kind, Uuid::now_v7(), noon(), None, sample);
    let text = events::encode(&envelope);
    let sent: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::is_valid(&kept, &sent["data"]), "{kind} does not fit its schema");
    let parsed: cloudevents::Event = serde_json::from_str(&text).unwrap();

    assert_eq!(parsed.ty(), kind);
    assert_eq!(parsed.id(), envelope.id.to_string());
}

fn check_all<T: Payload + JsonSchema>(prefix: &str, sample: fn() -> T) {
    for name in kind::ALL.iter().filter(|name| name.starts_with(prefix)) {
        check(name, sample());
    }
}

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn issue() -> events::IssueState {
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

fn earning() -> events::EarningState {
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

fn payout() -> events::PayoutState {
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

fn bounty() -> events::BountyState {
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

fn claim() -> events::ClaimState {
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

fn points() -> events::PointsState {
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

fn charge() -> events::ChargeState {
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

fn profit() -> events::ProfitPeriodState {
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

fn plan() -> events::PlanState {
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

fn job() -> events::JobCompleted {
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

fn schedule() -> events::ScheduleState {
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

fn hold() -> events::HoldState {
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

/// What carries a whole payout.
const PAYOUTS: [&str; 7] = [
    kind::PAYOUT_CREATED,
    kind::PAYOUT_APPROVED,
    kind::PAYOUT_REJECTED,
    kind::PAYOUT_PAID,
    kind::PAYOUT_VOIDED,
    kind::PAYOUT_RETURNED,
    kind::PAYOUT_CANCELLED,
];

#[test]
fn every_event_is_a_cloud_event_that_fits_its_published_schema() {
    let member_id = Uuid::now_v7();
    check(
        kind::MEMBER_UPDATED,
        events::MemberState {
            member_id,
            version: 1,
            name: "Aibek".into(),
            email: "a@b.kz".into(),
            roles: vec!["member".into()],
        },
    );
    check(
        kind::PRODUCT_UPDATED,
        events::ProductState {
            product_id: member_id,
            version: 1,
            name: "Hackorda Web".into(),
            key: "HW".into(),
            requires_verification: Some(true),
            platform_fee_bps: 1000,
            capacity_points: 1000,
        },
    );
    check(
        kind::CYCLE_UPDATED,
        events::CycleState {
            cycle_id: member_id,
            version: 1,
            product_id: member_id,
            name: "Sweep".into(),
            open: true,
            requires_verification: None,
            rates: events::Rates {
                currency: "KZT".into(),
                critical: 4,
                high: 3,
                medium: 2,
                low: 1,
            },
        },
    );
    check_all("issue.", issue);
    check_all("earning.", earning);
    check(kind::PAYOUT_ISSUE_PAID, earning());
    for name in PAYOUTS {
        check(name, payout());
    }
    check(
        kind::PAYOUT_FAILED,
        events::PayoutFailed {
            payout_id: Uuid::now_v7(),
            version: 3,
            payee_id: Uuid::now_v7(),
            amount_minor: 800_000,
            currency: "KZT".into(),
            method: Method::Stripe,
            reference: None,
            reason: "the account does not exist".into(),
            item_count: 1,
            failed_at: noon(),
        },
    );
    check(kind::RECEIVABLE_NETTED, receivable(member_id));
    check(
        kind::COMMISSION_CREATED,
        events::CommissionState {
            commission_id: member_id,
            version: 1,
            attribution_id: member_id,
            external_id: "sale-1".into(),
            partner_id: member_id,
            product_id: None,
            amount_minor: -1,
            currency: "USD".into(),
            occurred_at: noon(),
            payable_at: noon(),
        },
    );
    check(
        kind::PAYOUT_GATE_BLOCKED,
        events::GateBlocked { issue_id: member_id, source: "manual".into() },
    );
    check(
        kind::BATCH_COMPLETED,
        events::BatchCompleted { batch_id: member_id, version: 1, payout_count: 1, item_count: 1 },
    );
    check_all("plan.", plan);
    check_all("payout_schedule.", schedule);
    check_all("escrow_hold.", hold);
    check(kind::JOB_COMPLETED, job());
}

fn receivable(id: Uuid) -> events::ReceivableState {
    events::ReceivableState {
        payout_id: id,
        version: 5,
        payee_id: id,
        currency: "KZT".into(),
        receivable_minor: 200_000,
    }
}

#[test]
fn every_event_of_bounties_fits_its_published_schema() {
    for name in kind::ALL.iter().filter(|name| name.starts_with("bounty.")) {
        check(name, bounty());
    }
    for name in kind::ALL.iter().filter(|name| name.starts_with("claim.")) {
        check(name, claim());
    }
    for name in kind::ALL.iter().filter(|name| name.starts_with("points.")) {
        check(name, points());
    }
    check(kind::PROFIT_PERIOD_DISTRIBUTED, profit());
    for name in kind::ALL.iter().filter(|name| name.starts_with("charge.")) {
        check(name, charge());
    }
}

/// S1-26 … S1-28 and S1-9 name these fields; a client of the seeds may rely on them.
#[test]
fn the_payloads_of_the_seeds_keep_their_field_names() {
    let fields =
        |value: Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let has =
        |names: &[&str], all: &[String]| names.iter().all(|name| all.contains(&(*name).to_owned()));
    let reverted = events::IssueState { reverted_to_status: Some(IssueStatus::Triaged), ..issue() };
    let issue = fields(serde_json::to_value(reverted).unwrap());
    assert!(has(&["issue_id", "cycle_id", "verified_by", "reverted_to_status"], &issue));
    let paid = fields(serde_json::to_value(earning()).unwrap());
    assert!(has(
        &["issue_id", "payout_id", "amount_minor", "currency", "method", "reference"],
        &paid
    ));
    let blocked = events::GateBlocked { issue_id: Uuid::nil(), source: "batch_pay".into() };
    assert!(has(&["issue_id", "source"], &fields(serde_json::to_value(blocked).unwrap())));
}
