//! The wireframe of the first seed, figure by figure.

use quittance_chassis::bus::Message;
use quittance_kernel::Severity::{self, Critical, High, Low, Medium};
use quittance_kernel::{Currency, CycleId, MemberId, OrganizationId, PayoutStatus};

use crate::events::{RATES, Work, cycle};
use crate::world::{noon, worlds};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Awaiting,
    Approved,
    Paid,
}

use Stage::{Approved, Awaiting, Paid};

/// So many issues of a cycle, in one stage.
const WORK: &[(usize, Stage, Severity, usize)] = &[
    (0, Paid, Critical, 3),
    (0, Paid, High, 3),
    (0, Paid, Medium, 2),
    (0, Approved, High, 1),
    (0, Approved, Medium, 1),
    (0, Approved, Low, 2),
    (0, Awaiting, High, 1),
    (0, Awaiting, Medium, 1),
    (0, Awaiting, Low, 4),
    (1, Paid, Critical, 1),
    (1, Paid, High, 2),
    (1, Paid, Medium, 4),
    (1, Paid, Low, 2),
    (1, Awaiting, High, 1),
    (1, Awaiting, Medium, 1),
    (1, Awaiting, Low, 1),
    (2, Approved, Critical, 1),
    (2, Approved, High, 1),
    (2, Approved, Medium, 1),
    (2, Approved, Low, 6),
    (2, Awaiting, Low, 3),
];

fn history(organization: OrganizationId, member: MemberId, cycles: [CycleId; 3]) -> Vec<Message> {
    let names = ["Onboarding — QA shake-down", "Pre-launch sweep", "Regression"];
    let mut events: Vec<Message> = cycles
        .iter()
        .zip(names)
        .map(|(id, name)| cycle(organization, *id, 1, name, RATES))
        .collect();
    for (at, stage, severity, count) in WORK {
        for _ in 0..*count {
            let work = Work::new(organization, member, cycles[*at], *severity);
            match stage {
                Awaiting => events.push(work.issue(1, PayoutStatus::Pending)),
                Approved => events.extend([
                    work.issue(1, PayoutStatus::Pending),
                    work.issue(2, PayoutStatus::Approved),
                    work.earning(1, PayoutStatus::Approved, None, noon()),
                ]),
                Paid => events.extend(work.paid(noon())),
            }
        }
    }
    events
}

#[tokio::test]
async fn the_balance_page_of_the_seed_comes_out() {
    for world in worlds().await {
        let (organization, dana) = (OrganizationId::new(), MemberId::new());
        let cycles = [CycleId::new(), CycleId::new(), CycleId::new()];
        world.given(&history(organization, dana, cycles)).await;

        let balance = world.balance_of(organization, dana).await;

        assert_eq!(balance.totals.len(), 1);
        let total = balance.totals[&Currency::KZT];
        assert_eq!(total.sums.earned, 12_000_000);
        assert_eq!(total.sums.pending, 4_500_000);
        assert_eq!(total.awaiting, 3_000_000);
        assert_eq!(total.sums.receivable, 0);
        assert_eq!((balance.counts.approved, balance.counts.issues), (30, 42));
        assert_eq!((balance.counts.paid, balance.counts.decided), (17, 30));
        assert_eq!(balance.counts.awaiting(), 12);
        let by_cycle: Vec<_> = balance
            .cycles
            .iter()
            .map(|cycle| {
                let earned: i64 = cycle.earned.iter().map(|money| money.minor()).sum();
                (cycle.counts.issues, cycle.counts.approved, cycle.counts.paid, earned)
            })
            .collect();
        assert_eq!(by_cycle, [(18, 12, 8, 7_500_000), (12, 9, 9, 4_500_000), (12, 9, 0, 0)]);
        assert_eq!(balance.cycles[0].name, "Onboarding — QA shake-down");
        world.assert_exact().await;
    }
}
