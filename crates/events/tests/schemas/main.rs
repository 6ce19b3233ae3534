//! The schemas in `schemas/` are the types, and what we send is a CloudEvent that fits them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod samples;

use std::path::PathBuf;

use cloudevents::AttributesReader;
use quittance_events as events;
use quittance_events::{Envelope, Payload, kind};
use quittance_kernel::{IssueStatus, Method};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;
use uuid::Uuid;

use samples::{
    bounty, charge, claim, earning, hold, issue, job, noon, payout, plan, points, pre_fund, profit,
    receivable, schedule,
};

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
    for name in kind::ALL.iter().filter(|name| name.starts_with("pre_fund.")) {
        check(name, pre_fund());
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
