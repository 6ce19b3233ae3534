//! Whatever the order, the repetitions and the batches of events: the same balances.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use quittance_chassis::bus::Message;
use quittance_kernel::{
    CycleId, EventId, IssueId, IssueStatus, MemberId, OrganizationId, PayoutStatus, Severity,
};
use uuid::Uuid;

use crate::events::{RATES, Work, cycle, event};
use crate::world::{World, noon, worlds};

/// What is told of one issue: its place, and a state for each version of its two parts.
#[derive(Clone, Debug)]
struct Story {
    member: u128,
    cycle: u128,
    severity: usize,
    reviews: Vec<(usize, usize)>,
    earnings: Vec<(usize, bool)>,
}

fn stories() -> impl Strategy<Value = Vec<Story>> {
    let story = (
        1_u128..4,
        1_u128..4,
        0_usize..4,
        prop::collection::vec((0_usize..3, 0_usize..12), 0..4),
        prop::collection::vec((0_usize..5, any::<bool>()), 0..4),
    )
        .prop_map(|(member, cycle, severity, reviews, earnings)| Story {
            member,
            cycle,
            severity,
            reviews,
            earnings,
        });
    prop::collection::vec(story, 1..8)
}

/// The events of all stories in their order. Issues have the same ids in every organization.
fn tell(organization: OrganizationId, stories: &[Story]) -> Vec<Message> {
    let mut events: Vec<Message> = (1..4)
        .map(|n| cycle(organization, CycleId(Uuid::from_u128(n)), 1, "Sweep", RATES))
        .collect();
    let reviews = [PayoutStatus::Pending, PayoutStatus::Approved, PayoutStatus::Rejected];
    for (number, story) in (1..).zip(stories) {
        let (member, cycle) = (Uuid::from_u128(story.member), Uuid::from_u128(story.cycle));
        let severity = Severity::ALL[story.severity];
        let mut work = Work::new(organization, MemberId(member), CycleId(cycle), severity);
        work.issue = IssueId(Uuid::from_u128(number));
        for (version, (review, status)) in (1..).zip(&story.reviews) {
            let mut state = work.state(version, reviews[*review]);
            state.status = IssueStatus::ALL[*status];
            events.push(event(organization, "issue.updated", noon(), state));
        }
        for (version, (status, moved)) in (1..).zip(&story.earnings) {
            let status = PayoutStatus::ALL[*status];
            let moved = (*moved || status == PayoutStatus::Paid).then(noon);
            events.push(work.earning(version, status, moved, noon()));
        }
    }
    events
}

/// The same events once more, half of them published a second time under another id.
fn repeated(events: &[Message]) -> Vec<Message> {
    let again = events.iter().enumerate().map(|(at, event)| {
        let id = if at % 2 == 0 { event.id } else { EventId::new().0 };
        Message { id, ..event.clone() }
    });
    events.iter().cloned().chain(again).collect()
}

async fn check(world: &World, stories: &[Story], keys: &[u32]) -> Result<(), TestCaseError> {
    let (straight, shuffled) = (OrganizationId::new(), OrganizationId::new());
    for event in tell(straight, stories) {
        world.given(&[event]).await;
    }
    let mut events: Vec<_> =
        repeated(&tell(shuffled, stories)).into_iter().zip(keys.iter().cycle()).collect();
    events.sort_by_key(|(_, key)| **key);
    let events: Vec<Message> = events.into_iter().map(|(event, _)| event).collect();
    let mut rest = events.as_slice();
    for key in keys.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, others) = rest.split_at(rest.len().min(1 + *key as usize % 9));
        // As the bus does: an id comes once in a batch.
        let mut ids = std::collections::HashSet::new();
        let batch: Vec<Message> =
            batch.iter().filter(|event| ids.insert(event.id)).cloned().collect();
        world.given(&batch).await;
        rest = others;
    }
    for member in (1..4).map(|n| MemberId(Uuid::from_u128(n))) {
        let expected = world.balance_of(straight, member).await;
        prop_assert_eq!(world.balance_of(shuffled, member).await, expected);
    }
    prop_assert_eq!(world.drift().await.unwrap(), Vec::<String>::new());
    Ok(())
}

#[test]
fn the_order_repetition_and_batching_of_events_do_not_matter() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for world in runtime.block_on(worlds()) {
        let mut runner = TestRunner::new(Config { cases: 16, ..Config::default() });
        let keys = prop::collection::vec(any::<u32>(), 64);
        let ran = runner.run(&(stories(), keys), |(stories, keys)| {
            runtime.block_on(check(&world, &stories, &keys))
        });
        if let Err(failure) = ran {
            panic!("{failure}");
        }
    }
}
