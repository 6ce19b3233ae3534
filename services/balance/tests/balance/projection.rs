//! What single events do to a balance.

use std::sync::Arc;

use quittance_chassis::bus::{HandleError, Message};
use quittance_events::kind;
use quittance_kernel::{Currency, CycleId, MemberId, OrganizationId, PayoutStatus, Severity};
use tokio::task::JoinHandle;

use crate::events::{RATES, Work, cycle, event};
use crate::world::{World, noon, worlds};

fn someone() -> (OrganizationId, MemberId, CycleId) {
    (OrganizationId::new(), MemberId::new(), CycleId::new())
}

#[tokio::test]
async fn what_awaits_follows_the_rates_of_its_cycle() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let work = Work::new(organization, member, sweep, Severity::High);
        let doubled = RATES.map(|rate| rate * 2);
        world
            .given(&[
                work.issue(1, PayoutStatus::Pending),
                cycle(organization, sweep, 2, "Sweep", doubled),
            ])
            .await;
        let awaiting =
            async || world.balance_of(organization, member).await.totals[&Currency::KZT].awaiting;
        assert_eq!(awaiting().await, 1_600_000);

        world.given(&[cycle(organization, sweep, 1, "Old news", RATES)]).await;
        assert_eq!(awaiting().await, 1_600_000);

        world.given(&[cycle(organization, sweep, 3, "Sweep", RATES)]).await;
        assert_eq!(awaiting().await, 800_000);
    }
}

#[tokio::test]
async fn a_void_leaves_the_earned_and_is_owed_back() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let work = Work::new(organization, member, sweep, Severity::High);
        world.given(&work.paid(noon())).await;
        world.given(&[work.earning(3, PayoutStatus::Void, Some(noon()), noon())]).await;

        let balance = world.balance_of(organization, member).await;

        let sums = balance.totals[&Currency::KZT].sums;
        assert_eq!((sums.earned, sums.voided, sums.receivable), (0, 800_000, 800_000));
        assert_eq!((balance.counts.approved, balance.counts.decided), (0, 1));
        assert!(balance.cycles[0].earned.is_empty());
        world.assert_exact().await;
    }
}

#[tokio::test]
async fn a_draft_becomes_filed_when_it_is_opened() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let work = Work::new(organization, member, sweep, Severity::Low);
        world.given(&[work.draft(1)]).await;
        assert_eq!(world.balance_of(organization, member).await.counts.issues, 0);

        world.given(&[work.issue(2, PayoutStatus::Pending)]).await;
        assert_eq!(world.balance_of(organization, member).await.counts.issues, 1);
    }
}

#[tokio::test]
async fn money_that_comes_before_its_issue_is_counted_and_the_issue_when_it_comes() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let work = Work::new(organization, member, sweep, Severity::Low);
        world.given(&[work.earning(2, PayoutStatus::Paid, Some(noon()), noon())]).await;
        let early = world.balance_of(organization, member).await;
        assert_eq!(early.totals[&Currency::KZT].sums.earned, 100_000);
        assert_eq!((early.counts.issues, early.cycles.len()), (0, 1));

        world.given(&[work.issue(2, PayoutStatus::Approved)]).await;
        let balance = world.balance_of(organization, member).await;
        assert_eq!((balance.counts.issues, balance.counts.paid), (1, 1));
        assert_eq!(balance.totals, early.totals);
        world.assert_exact().await;
    }
}

#[tokio::test]
async fn two_currencies_stay_apart() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let tenge = Work::new(organization, member, sweep, Severity::Low);
        let dollars = Work {
            currency: "USD",
            amount: 5_000,
            ..Work::new(organization, member, sweep, Severity::Low)
        };
        world.given(&[tenge.paid(noon()), dollars.paid(noon())].concat()).await;

        let balance = world.balance_of(organization, member).await;

        let earned: Vec<_> =
            balance.totals.iter().map(|(c, t)| (c.code(), t.sums.earned)).collect();
        assert_eq!(earned, [("KZT", 100_000), ("USD", 5_000)]);
        assert_eq!(balance.cycles[0].earned.len(), 2);
    }
}

#[tokio::test]
async fn nobody_sees_what_is_of_another_organization_or_member() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let work = Work::new(organization, member, sweep, Severity::Low);
        world.given(&work.paid(noon())).await;

        let elsewhere = world.balance_of(OrganizationId::new(), member).await;
        let another = world.balance_of(organization, MemberId::new()).await;

        assert_eq!((elsewhere, another), Default::default());
    }
}

#[tokio::test]
async fn what_cannot_be_right_is_poison_and_harms_nothing() {
    for world in worlds().await {
        let (organization, member, sweep) = someone();
        let most =
            Work { amount: i64::MAX / 2, ..Work::new(organization, member, sweep, Severity::Low) };
        let too_much = Work { issue: quittance_kernel::IssueId::new(), ..most.clone() };
        world.given(&most.paid(noon())).await;

        let mut unreadable = most.issue(9, PayoutStatus::Pending);
        unreadable.body = "{".into();
        let unpriced = Work { currency: "XXY", ..most.clone() }.issue(9, PayoutStatus::Approved);
        let negative = Work { amount: -1, ..most.clone() }.issue(9, PayoutStatus::Approved);
        let mut unversioned = most.state(0, PayoutStatus::Pending);
        unversioned.title = "x".into();
        let unversioned = event(organization, kind::ISSUE_UPDATED, noon(), unversioned);
        for message in [unreadable, unpriced, negative, unversioned] {
            let handled = world.handle(&[message]).await;
            assert!(matches!(handled, Err(HandleError::Poison(_))), "{handled:?}");
        }
        let overflow = too_much.earning(1, PayoutStatus::Paid, Some(noon()), noon());
        let handled = world.handle(&[overflow]).await;
        assert!(matches!(handled, Err(HandleError::Poison(_))), "{handled:?}");

        let balance = world.balance_of(organization, member).await;
        assert_eq!(balance.totals[&Currency::KZT].sums.earned, i64::MAX / 2);
        world.assert_exact().await;
    }
}

/// Consumes batches as the bus would, in a task of its own.
fn consume(world: &Arc<World>, batches: Vec<Vec<Message>>) -> JoinHandle<()> {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        for batch in batches {
            let mut tries = 0;
            while let Err(error) = world.handle(&batch).await {
                assert!(matches!(error, HandleError::Transient(_)), "{error}");
                tries += 1;
                assert!(tries < 20, "{error}");
            }
        }
    })
}

/// Sixty issues of three members, each worth a high one.
fn sixty(organization: OrganizationId) -> ([MemberId; 3], Vec<Work>) {
    let (members, sweep) = ([(); 3].map(|()| MemberId::new()), CycleId::new());
    let work = (0..60).map(|n| Work::new(organization, members[n % 3], sweep, Severity::High));
    (members, work.collect())
}

async fn assert_all_paid(world: &World, organization: OrganizationId, members: [MemberId; 3]) {
    for member in members {
        let balance = world.balance_of(organization, member).await;
        assert_eq!((balance.counts.issues, balance.counts.paid), (20, 20));
        assert_eq!(balance.counts.awaiting(), 0);
        assert_eq!(balance.totals[&Currency::KZT].sums.earned, 16_000_000);
    }
    world.assert_exact().await;
}

#[tokio::test]
async fn two_consumers_of_the_same_events_count_everything_once() {
    for world in worlds().await {
        let (world, organization) = (Arc::new(world), OrganizationId::new());
        let (members, works) = sixty(organization);
        let events: Vec<Message> = works.iter().flat_map(|work| work.paid(noon())).collect();
        let batches = events.chunks(16).map(<[_]>::to_vec).collect();
        let backwards =
            events.rchunks(23).map(|batch| batch.iter().rev().cloned().collect()).collect();

        let (one, two) = tokio::join!(consume(&world, batches), consume(&world, backwards));
        one.unwrap();
        two.unwrap();

        assert_all_paid(&world, organization, members).await;
    }
}

#[tokio::test]
async fn two_consumers_of_the_two_parts_of_a_line_lose_neither() {
    for world in worlds().await {
        let (world, organization) = (Arc::new(world), OrganizationId::new());
        let (members, works) = sixty(organization);
        // The lines are there: nothing but their locks keeps the two apart.
        let filed: Vec<Message> =
            works.iter().map(|work| work.issue(1, PayoutStatus::Pending)).collect();
        world.given(&filed).await;
        let reviews =
            |version| works.iter().map(move |work| work.issue(version, PayoutStatus::Approved));
        let approvals: Vec<Message> = (2..8).flat_map(reviews).collect();
        let payments = |version| {
            works
                .iter()
                .map(move |work| work.earning(version, PayoutStatus::Paid, Some(noon()), noon()))
        };
        let payments: Vec<Message> = (1..7).flat_map(payments).collect();
        let batches = |events: &[Message]| events.chunks(20).map(<[_]>::to_vec).collect();

        let (one, two) =
            tokio::join!(consume(&world, batches(&approvals)), consume(&world, batches(&payments)));
        one.unwrap();
        two.unwrap();

        assert_all_paid(&world, organization, members).await;
    }
}
