//! `bench ingest`: events from RabbitMQ to committed projections and ledger, beside a bare consumer that
//! upserts the same rows.

mod floor;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use quittance_chassis::bus::{self, Message};
use quittance_chassis::clock;
use quittance_chassis::testing::{create_database, drop_database};
use quittance_events::{EarningState, Envelope, IssueState, Payload, encode, kind};
use quittance_kernel::{EventId, IssueStatus, Method, PayoutStatus, Severity};
use serde_json::json;
use uuid::Uuid;

use super::report::{Times, ms, per_second};
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node};
use crate::world::{Bus, Store};

/// What stands above the table in docs/performance.md.
pub const ABOUT: &str = "`cargo xtask bench ingest`: so many events (an issue approved, its payment, 25 issues to a member) wait in a quorum queue; \
measured is from the first committed batch to the last. Ours is the balance service as a process: inbox, lines, what was told, sums by cycle, \
member and day, and chained double entries. The floor consumes the same messages with the same prefetch and acknowledges them together, reads \
their JSON, and writes the same rows of the same tables with one hand-written statement a batch, without looking at what is there. \
The goal: at least 0.6.";

/// What the bench is asked to do.
pub struct Plan {
    /// Issues; two events each.
    pub issues: usize,
    /// Pairs of floor and ours.
    pub rounds: usize,
}

/// Runs the bench and returns its table and a line of JSON.
pub async fn run(plan: &Plan) -> anyhow::Result<String> {
    let (mut floors, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        eprintln!("round {round} of {} …", plan.rounds);
        let (admin, name, url) = create_database().await;
        let measured = floor::measure(&url, &events(plan.issues)).await;
        drop_database(&admin, &name).await;
        floors.push(measured?);
        ours.push(measure(plan.issues).await?);
    }
    Ok(table(plan.issues * 2, floors, ours))
}

/// The time from the first commit to the last.
async fn measure(issues: usize) -> anyhow::Result<Duration> {
    let node = std::env::current_exe()?.with_file_name("node");
    // Migrated by a first start, then gone: what is published meanwhile waits. The others would answer
    // the approvals with events of their own.
    let nodes = [Node::Issues, Node::Payouts, Node::Balance, Node::Gateway];
    let mut cluster = Cluster::start(&node, &nodes, Store::Postgres, Bus::RabbitMq).await;
    for node in [Node::Gateway, Node::Issues, Node::Payouts, Node::Balance] {
        cluster.kill(node).await;
    }
    let books = Books::open(&cluster.config).await;
    let bus = bus::connect(&cluster.config.bus);
    let events = events(issues);
    for window in events.chunks(1_000) {
        let published = bus.publish(window).await;
        ensure!(published.is_complete(), "{:?}", published.error);
    }
    cluster.spawn(Node::Balance, None);
    let seen = "SELECT count(*) FROM inbox WHERE consumer = 'balance.projections'";
    let wanted = i64::try_from(events.len())?;
    let mut first: Option<(Instant, i64)> = None;
    let begun = Instant::now();
    let took = loop {
        let count = number(&books.balance, seen).await;
        let now = Instant::now();
        match first {
            None if count > 0 => first = Some((now, count)),
            Some((start, at_first)) if count == wanted => {
                // What was there when it was first looked at does not count.
                let share = f64::from(u32::try_from(wanted)?)
                    / f64::from(u32::try_from(wanted - at_first)?);
                break (now - start).mul_f64(share);
            }
            Some(_) | None => {}
        }
        if Duration::from_mins(10) < begun.elapsed() {
            bail!("{count} of {wanted} events were projected: {}", cluster.logs());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let earned = "SELECT CAST(COALESCE(SUM(earned_count), 0) AS BIGINT) FROM member_money";
    ensure!(number(&books.balance, earned).await == wanted / 2, "not everything was counted");
    cluster.close().await;
    Ok(took)
}

/// An approval and a payment of each issue.
fn events(issues: usize) -> Vec<Message> {
    let organization = Uuid::now_v7();
    let now = clock::now();
    let mut events = Vec::with_capacity(issues * 2);
    for number in 0..issues {
        let (issue, member) = (Uuid::now_v7(), Uuid::from_u128(1 + number as u128 / 25));
        let cycle = Uuid::from_u128(1 + number as u128 % 10);
        let approved = IssueState {
            issue_id: issue,
            version: 2,
            number: format!("SHP-{number}"),
            product_id: Uuid::nil(),
            cycle_id: cycle,
            reporter_id: member,
            title: "Payment fails on mobile Safari".into(),
            severity: Severity::High,
            status: IssueStatus::Triaged,
            review: PayoutStatus::Approved,
            amount_minor: Some(800_000),
            currency: Some("KZT".into()),
            rule: Some("default rate, high".into()),
            decided_by: None,
            decided_at: Some(now),
            reason: None,
            verified_by: None,
            resolved_at: None,
            reverted_to_status: None,
            filed_at: now,
            duplicate_of: None,
            bounty_id: None,
            points: None,
        };
        let paid = EarningState {
            earning_id: Uuid::now_v7(),
            version: 2,
            issue_id: issue,
            cycle_id: cycle,
            payee_id: member,
            amount_minor: 800_000,
            currency: "KZT".into(),
            status: PayoutStatus::Paid,
            payout_id: Some(Uuid::nil()),
            method: Some(Method::Kaspi),
            reference: Some("KASPI-1".into()),
            paid_at: Some(now),
            reason: None,
            voided_at: None,
            receivable_minor: None,
        };
        events.push(message(organization, kind::ISSUE_APPROVED, approved));
        events.push(message(organization, kind::PAYOUT_ISSUE_PAID, paid));
    }
    events
}

fn message<T: Payload>(organization: Uuid, kind: &str, payload: T) -> Message {
    let (id, subject) = (EventId::new().0, payload.subject());
    let envelope = Envelope::new(id, "bench", kind, organization, clock::now(), None, payload);
    let body = encode(&envelope).into();
    Message { id, kind: kind.to_owned(), organization, subject, body, traceparent: None }
}

fn table(events: usize, floors: Vec<Duration>, ours: Vec<Duration>) -> String {
    let (floors, ours) = (Times::new(floors), Times::new(ours));
    let (floor, own) = (floors.rate(events), ours.rate(events));
    let mut text = format!(
        "{events} events.\n\n| | events/s | ratio | p50 | slowest |\n|---|---:|---:|---:|---:|\n"
    );
    for (name, rate, times) in [("floor", floor, &floors), ("ours", own, &ours)] {
        let _ = writeln!(
            text,
            "| {name} | {} | {:.2} | {} | {} |",
            per_second(rate),
            rate / floor,
            ms(times.median()),
            ms(times.quantile(1.0)),
        );
    }
    let line = json!({ "bench": "ingest", "events": events, "floor": floor, "ours": own, "ratio": own / floor });
    let _ = writeln!(text, "\n{line}");
    text
}
