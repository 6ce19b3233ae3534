//! Lists, inboxes and snapshots.

use std::collections::HashSet;

use quittance_issues::app::{Answer, CycleFilter, CyclePatch, IssueFilter, Paging};
use quittance_kernel::{IssueId, IssueStatus, PayoutStatus, Severity, Timestamp};

use crate::fixture::{World, cycle, new_issue, noon, reason, worlds};

fn later(minutes: i64) -> Timestamp {
    noon() + chrono::TimeDelta::minutes(minutes)
}

/// Files issues of these severities, a minute apart.
async fn file_all(world: &World, severities: &[Severity]) -> Vec<IssueId> {
    let mut ids = Vec::new();
    for (minute, severity) in (0..).zip(severities) {
        let mut who = world.aibek.clone();
        who.now = later(minute);
        ids.push(world.file(&who, *severity).await);
    }
    ids
}

async fn inbox(world: &World, size: i32) -> Vec<IssueId> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let paging = Paging { size, token };
        let inbox = world.issues.list_triage(&world.admin, &paging).await.unwrap();
        all.extend(inbox.page.items.iter().map(|item| item.issue.id));
        token = inbox.page.next;
        if token.is_empty() {
            return all;
        }
    }
}

#[tokio::test]
async fn the_inbox_brings_the_worst_first_and_then_the_newest() {
    use Severity::{Critical, High, Low, Medium};
    for world in worlds().await {
        let ids = file_all(&world, &[Low, Critical, High, Low, Critical, Medium]).await;
        let expected = [4, 1, 2, 5, 3, 0].map(|place: usize| ids[place]);
        for size in [1, 2, 4, 50] {
            assert_eq!(inbox(&world, size).await, expected, "pages of {size}");
        }
        let first = world.issues.list_triage(&world.admin, &Paging::default()).await.unwrap();
        assert_eq!((first.issue_count, first.cycle_count), (6, 1));

        // Decided ones, drafts and those of closed cycles are not in it.
        world.approve(&world.admin, ids[4]).await.unwrap();
        world.reject(&world.admin, ids[1]).await.unwrap();
        world.set(&world.admin, ids[2], IssueStatus::Triaged, None).await.unwrap();
        let mut draft = new_issue(world.cycle, "later", Critical);
        draft.status = IssueStatus::Draft;
        world.issues.create_issue(&world.aibek, draft, Answer::forgotten()).await.unwrap();
        assert_eq!(inbox(&world, 50).await, [5, 3, 0].map(|place: usize| ids[place]));
        let pending = world.issues.list_pending_review(&world.admin, &Paging::default()).await;
        let pending = pending.unwrap();
        assert_eq!((pending.total, pending.page.items.len()), (4, 4));

        let shut = CyclePatch { open: Some(false), ..CyclePatch::default() };
        let answer = Answer::forgotten();
        world.issues.update_cycle(&world.admin, world.cycle, shut, answer).await.unwrap();
        assert!(inbox(&world, 50).await.is_empty());
        let late = new_issue(world.cycle, "late", Low);
        let late = world.issues.create_issue(&world.aibek, late, Answer::forgotten()).await;
        assert_eq!(reason(late), "CYCLE_CLOSED");
        let pending = world.issues.list_pending_review(&world.admin, &Paging::default()).await;
        assert_eq!(pending.unwrap().total, 4);
    }
}

#[tokio::test]
async fn lists_are_paged_without_gaps_and_filtered() {
    for world in worlds().await {
        let ids = file_all(&world, &[Severity::Low; 7]).await;
        let list = |filter: IssueFilter, paging: Paging| {
            let (issues, admin) = (world.issues.clone(), world.admin.clone());
            async move { issues.list_issues(&admin, &filter, &paging).await }
        };
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(IssueFilter::default(), Paging { size: 3, token }).await.unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items.iter().map(|item| item.issue.id));
            token = page.next;
            if token.is_empty() {
                break;
            }
            let other = IssueFilter { severity: Some(Severity::Low), ..IssueFilter::default() };
            let paging = Paging { size: 3, token: token.clone() };
            assert_eq!(reason(list(other, paging).await), "PAGE_TOKEN_INVALID");
        }
        let newest: Vec<_> = ids.iter().rev().copied().collect();
        assert_eq!(seen, newest);

        world.approve(&world.admin, ids[0]).await.unwrap();
        let count = |filter: IssueFilter| {
            let page = list(filter, Paging::default());
            async move { page.await.unwrap().items.len() }
        };
        let none = IssueFilter::default;
        let status = Some(PayoutStatus::Approved);
        assert_eq!(count(IssueFilter { payout_status: status, ..none() }).await, 1);
        let status = Some(PayoutStatus::Paid);
        assert_eq!(count(IssueFilter { payout_status: status, ..none() }).await, 0);
        assert_eq!(count(IssueFilter { status: Some(IssueStatus::Open), ..none() }).await, 6);
        assert_eq!(count(IssueFilter { reporter: Some(world.nazira.member()), ..none() }).await, 0);
        assert_eq!(count(IssueFilter { product: Some(world.product), ..none() }).await, 7);
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        assert_eq!(count(IssueFilter { words: words("FAILS step"), ..none() }).await, 7);
        assert_eq!(count(IssueFilter { words: words("fails %"), ..none() }).await, 7);
        assert_eq!(count(IssueFilter { words: words("% _"), ..none() }).await, 0);
        let negative = list(none(), Paging { size: -1, token: String::new() }).await;
        assert_eq!(reason(negative), "INVALID_FIELD");
        let forged = list(none(), Paging { size: 1, token: "forged".into() }).await;
        assert_eq!(reason(forged), "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn snapshots_hold_every_issue_once() {
    for world in worlds().await {
        for _ in 0..3 {
            world.file(&world.aibek, Severity::Low).await;
        }
        let all = world.issues.snapshots(&world.admin, None).await.unwrap();
        let ids: Vec<IssueId> = all.iter().map(|item| item.issue.id).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3);
        let rest = world.issues.snapshots(&world.admin, Some(ids[0])).await.unwrap();
        let rest: Vec<IssueId> = rest.iter().map(|item| item.issue.id).collect();
        assert_eq!(rest, ids[1..]);
        let end = world.issues.snapshots(&world.admin, Some(ids[2])).await.unwrap();
        assert!(end.is_empty());
    }
}

#[tokio::test]
async fn cycles_products_and_members_are_paged() {
    for world in worlds().await {
        for _ in 0..2 {
            cycle(&world.issues, &world.admin, world.product, vec![]).await;
        }
        let filter = CycleFilter { product: Some(world.product), open: Some(true) };
        let paging = Paging { size: 2, token: String::new() };
        let first = world.issues.list_cycles(&world.admin, filter, &paging).await.unwrap();
        let paging = Paging { size: 2, token: first.next };
        let second = world.issues.list_cycles(&world.admin, filter, &paging).await.unwrap();
        let ids: HashSet<_> =
            first.items.iter().chain(&second.items).map(|item| item.cycle.id).collect();
        assert_eq!((ids.len(), second.next.as_str()), (3, ""));
        let led = first.items.iter().chain(&second.items).find(|item| item.cycle.id == world.cycle);
        assert_eq!(led.unwrap().cycle.crew.leads(), [world.lead.member()]);

        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let paging = Paging { size: 1, token };
            let page = world.issues.list_members(&world.admin, &paging).await.unwrap();
            names.extend(page.items.into_iter().map(|member| member.name));
            token = page.next;
            if token.is_empty() {
                break;
            }
        }
        names.sort();
        assert_eq!(names, ["Aibek", "Nazira", "boss", "lead"]);
        let products = world.issues.list_products(&world.aibek, &Paging::default()).await;
        assert_eq!(products.unwrap().items.len(), 1);
    }
}
