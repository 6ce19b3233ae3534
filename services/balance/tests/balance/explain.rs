//! Figures opened to their lines, balances of the past, and statements.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::read;
use quittance_kernel::{
    CycleId, EventId, MemberId, OrganizationId, PayoutStatus, Role, Severity, Timestamp,
};
use quittance_proto::balance::v1 as proto;

use crate::events::{RATES, Work, cycle, member};
use crate::grpc::{Service, services};
use crate::world::{ctx, noon, worlds};

/// One issue of each kind: paid, void, approved and undecided, an hour apart.
fn story(organization: OrganizationId, dana: MemberId, sweep: CycleId) -> Vec<Work> {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let mut works: Vec<Work> =
        severities.map(|severity| Work::new(organization, dana, sweep, severity)).to_vec();
    works[0].title = "Payment <fails>".into();
    works
}

fn hour(hour: i64) -> Timestamp {
    noon() + TimeDelta::hours(hour)
}

async fn tell(service: &Service, works: &[Work]) {
    let (paid, void, approved, open) = (&works[0], &works[1], &works[2], &works[3]);
    for work in works {
        service.given(&[work.issue(1, PayoutStatus::Pending)]).await;
    }
    // The approvals of the issues are told at noon, their earnings later.
    for work in [paid, void, approved] {
        service.given(&[work.issue(2, PayoutStatus::Approved)]).await;
        service.given(&[work.earning(1, PayoutStatus::Approved, None, noon())]).await;
    }
    for work in [paid, void] {
        let moved = Some(hour(1));
        service.given(&[work.earning(2, PayoutStatus::Paid, moved, hour(1))]).await;
    }
    let moved = Some(hour(1));
    service.given(&[void.earning(3, PayoutStatus::Void, moved, hour(2))]).await;
    service.given(&[cycle(open.organization, open.cycle, 1, "Sweep", RATES)]).await;
    service.given(&[member(open.organization, open.member, 1, "Dana")]).await;
}

fn sum(lines: &[proto::ExplainedLine]) -> i64 {
    lines.iter().map(|line| line.amount.as_ref().unwrap().minor_units).sum()
}

#[tokio::test]
async fn every_figure_is_the_sum_of_its_lines_each_with_its_rule_and_its_events() {
    for mut service in services().await {
        let (organization, dana, sweep) = (OrganizationId::new(), MemberId::new(), CycleId::new());
        let works = story(organization, dana, sweep);
        tell(&service, &works).await;
        let caller = service.caller(organization, dana, Role::Member);
        let cycle = format!("cycle:{sweep}");
        for (figure, work, minor, rule, last) in [
            ("earned", 0, 1_500_000, "default rate, critical", "payout.issue_paid"),
            ("receivable", 1, 800_000, "default rate, high", "earning.voided"),
            ("pending", 2, 300_000, "default rate, medium", "earning.approved"),
            ("awaiting", 3, 100_000, "estimate at the current rate, low", "issue.created"),
            (cycle.as_str(), 0, 1_500_000, "default rate, critical", "payout.issue_paid"),
        ] {
            let request =
                proto::ExplainBalanceRequest { figure: figure.into(), ..Default::default() };
            let reply = service.explanations.explain_balance(caller.request(request)).await;
            let reply = reply.unwrap().into_inner();
            assert_eq!(reply.totals.len(), 1, "{figure}");
            assert_eq!(
                (reply.totals[0].minor_units, sum(&reply.lines)),
                (minor, minor),
                "{figure}"
            );
            let line = &reply.lines[0];
            assert_eq!(
                (line.issue_id.as_str(), reply.lines.len()),
                (&*works[work].issue.to_string(), 1)
            );
            assert_eq!((line.rule.as_str(), line.cycle_name.as_str()), (rule, "Sweep"));
            assert_eq!(line.events.last().unwrap().event_type, last, "{figure}");
        }
        let request = proto::ExplainBalanceRequest { figure: "luck".into(), ..Default::default() };
        let refused = service.explanations.explain_balance(caller.request(request)).await;
        assert_eq!(read(&refused.unwrap_err()).reason, "INVALID_FIELD");

        // Nobody else's figures, not even with the same organization.
        let stranger = service.caller(organization, MemberId::new(), Role::Member);
        let request =
            proto::ExplainBalanceRequest { figure: "earned".into(), ..Default::default() };
        let none = service.explanations.explain_balance(stranger.request(request)).await.unwrap();
        assert_eq!(none.into_inner().lines, []);
        service.stop().await;
    }
}

#[tokio::test]
async fn a_figure_is_read_page_by_page_and_its_sum_is_that_of_all_pages() {
    for mut service in services().await {
        let (organization, dana, sweep) = (OrganizationId::new(), MemberId::new(), CycleId::new());
        for _ in 0..5 {
            let work = Work::new(organization, dana, sweep, Severity::High);
            service.given(&work.paid(noon())).await;
        }
        let caller = service.caller(organization, dana, Role::Member);
        let (mut sums, mut page_token) = (Vec::new(), String::new());
        loop {
            let figure = "earned".to_owned();
            let request =
                proto::ExplainBalanceRequest { figure, page_size: 2, page_token, as_of: None };
            let page = service.explanations.explain_balance(caller.request(request)).await;
            let page = page.unwrap().into_inner();
            assert_eq!(page.totals[0].minor_units, 4_000_000);
            sums.push(sum(&page.lines));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(sums, [1_600_000, 1_600_000, 800_000]);
        service.stop().await;
    }
}

#[tokio::test]
async fn a_balance_is_told_as_it_was_at_any_past_instant() {
    for mut service in services().await {
        let (organization, dana, sweep) = (OrganizationId::new(), MemberId::new(), CycleId::new());
        let works = story(organization, dana, sweep);
        tell(&service, &works).await;
        let caller = service.caller(organization, dana, Role::Member);
        let stamp = |at: Timestamp| Some(ProtoTime { seconds: at.timestamp(), nanos: 0 });
        for (at, figures) in [
            (hour(-1), None),
            (noon(), Some((0, 2_600_000, 100_000, 0))),
            (hour(1), Some((2_300_000, 300_000, 100_000, 0))),
            (hour(2), Some((1_500_000, 300_000, 100_000, 800_000))),
            (hour(3), Some((1_500_000, 300_000, 100_000, 800_000))),
        ] {
            let request = proto::GetBalanceRequest { as_of: stamp(at) };
            let reply = service.client.get_balance(caller.request(request)).await.unwrap();
            let reply = reply.into_inner();
            assert_eq!(reply.as_of, stamp(at));
            let seen = reply
                .totals
                .first()
                .map(|t| (t.earned_minor, t.pending_minor, t.awaiting_minor, t.receivable_minor));
            assert_eq!(seen, figures, "{at}");
            assert_eq!(reply.filed_count, if figures.is_some() { 4 } else { 0 });
            let request = proto::ExplainBalanceRequest {
                figure: "earned".into(),
                as_of: stamp(at),
                ..Default::default()
            };
            let lines = service.explanations.explain_balance(caller.request(request)).await;
            let lines = lines.unwrap().into_inner().lines;
            assert_eq!(sum(&lines), figures.map_or(0, |figures| figures.0), "{at}");
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn the_past_does_not_depend_on_the_order_in_which_it_was_told() {
    for world in worlds().await {
        let (organization, dana) = (OrganizationId::new(), MemberId::new());
        let work = Work::new(organization, dana, CycleId::new(), Severity::High);
        let approved = work.issue(2, PayoutStatus::Approved);
        let paid = work.earning(2, PayoutStatus::Paid, Some(hour(1)), hour(1));
        let mut again = paid.clone();
        again.id = EventId::new().0;
        // The payment is heard of first, its approval later, an old state last.
        for event in [paid, approved, again, work.issue(1, PayoutStatus::Pending)] {
            world.given(&[event]).await;
        }
        let ctx = ctx(organization, dana);
        let pending = world.balance_as_of(&ctx, noon()).await.unwrap();
        let sums = pending.totals.values().next().unwrap().sums;
        assert_eq!((sums.pending, sums.earned), (800_000, 0));
        let now = world.balance_as_of(&ctx, hour(2)).await.unwrap();
        assert_eq!(now, world.balance_of(organization, dana).await);
    }
}

#[tokio::test]
async fn a_statement_opens_where_the_one_before_it_closed() {
    for mut service in services().await {
        let (organization, dana, sweep) = (OrganizationId::new(), MemberId::new(), CycleId::new());
        let mut work = Work::new(organization, dana, sweep, Severity::High);
        let june: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        work.filed_at = june - TimeDelta::microseconds(1);
        service.given(&[work.issue(2, PayoutStatus::Approved)]).await;
        service.given(&[work.earning(2, PayoutStatus::Paid, Some(june), june)]).await;
        service.given(&[member(organization, dana, 1, "Dana")]).await;
        let caller = service.caller(organization, dana, Role::Member);
        let mut statements = BTreeMap::new();
        for period in ["2026-04", "2026-05", "2026-06", "2026-Q2", "2026-Q3"] {
            let request = proto::GetStatementRequest { period: period.into() };
            let reply = service.explanations.get_statement(caller.request(request)).await;
            statements.insert(period, reply.unwrap().into_inner());
        }
        let figures = |owed, paid| proto::StatementFigures {
            currency_code: "KZT".into(),
            owed_minor: owed,
            paid_minor: paid,
            receivable_minor: 0,
        };
        assert_eq!(statements["2026-04"].closing, []);
        assert_eq!(statements["2026-05"].opening, []);
        assert_eq!(statements["2026-05"].closing, [figures(800_000, 0)]);
        assert_eq!(statements["2026-06"].opening, [figures(800_000, 0)]);
        assert_eq!(statements["2026-06"].lines.len(), 1);
        assert_eq!(statements["2026-06"].lines[0].change, Some(figures(-800_000, 800_000)));
        assert_eq!(statements["2026-06"].closing, [figures(0, 800_000)]);
        assert_eq!(statements["2026-Q2"].lines.len(), 2);
        assert_eq!(statements["2026-Q3"].opening, statements["2026-Q2"].closing);
        assert_eq!(statements["2026-Q3"].member_name, "Dana");
        let request = proto::GetStatementRequest { period: "May".into() };
        let refused = service.explanations.get_statement(caller.request(request)).await;
        assert_eq!(read(&refused.unwrap_err()).reason, "INVALID_FIELD");
        service.stop().await;
    }
}
