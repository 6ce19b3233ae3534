//! Random histories, told in any order, twice and late: the balances and the book always end where
//! a recomputation from the newest words alone ends.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use quittance_balance::Sums;
use quittance_chassis::bus::Message;
use quittance_kernel::{
    Currency, CycleId, EventId, MemberId, OrganizationId, PayoutStatus, Severity,
};
use uuid::Uuid;

use crate::events::{Transfer, Work};
use crate::world::{World, noon, worlds};

/// Histories of one case; with the cases and the two databases they are 10,000.
const HISTORIES: usize = 100;
const CASES: u32 = 50;

const REVIEWS: [PayoutStatus; 3] =
    [PayoutStatus::Pending, PayoutStatus::Approved, PayoutStatus::Rejected];
const TRANSFERS: [&str; 4] = ["processing", "unknown", "failed", "paid"];

/// What is told of one issue and of one payout to the same member: a state for each version.
#[derive(Clone, Debug)]
struct History {
    member: u128,
    severity: usize,
    dollars: bool,
    reviews: Vec<usize>,
    earnings: Vec<(usize, bool)>,
    transfers: Vec<usize>,
}

fn histories() -> impl Strategy<Value = Vec<History>> {
    let history =
        (
            1_u128..6,
            0_usize..4,
            any::<bool>(),
            prop::collection::vec(0_usize..3, 0..4),
            prop::collection::vec((0_usize..5, any::<bool>()), 0..4),
            prop::collection::vec(0_usize..4, 0..3),
        )
            .prop_map(|(member, severity, dollars, reviews, earnings, transfers)| {
                History { member, severity, dollars, reviews, earnings, transfers }
            });
    prop::collection::vec(history, HISTORIES)
}

impl History {
    fn member(&self) -> MemberId {
        MemberId(Uuid::from_u128(self.member))
    }

    fn work(&self, organization: OrganizationId) -> Work {
        let (cycle, severity) = (CycleId(Uuid::from_u128(1)), Severity::ALL[self.severity]);
        let work = Work::new(organization, self.member(), cycle, severity);
        Work { currency: if self.dollars { "USD" } else { "KZT" }, ..work }
    }

    fn tell(&self, organization: OrganizationId, events: &mut Vec<Message>) {
        let work = self.work(organization);
        for (version, review) in (1..).zip(&self.reviews) {
            events.push(work.issue(version, REVIEWS[*review]));
        }
        for (version, (status, moved)) in (1..).zip(&self.earnings) {
            let status = PayoutStatus::ALL[*status];
            let moved = (*moved || status == PayoutStatus::Paid).then(noon);
            events.push(work.earning(version, status, moved, noon()));
        }
        let (member, id) = (self.member(), Uuid::now_v7());
        let transfer = Transfer { organization, id, member, amount: 50, source: "issue" };
        for (version, status) in (1..).zip(&self.transfers) {
            events.push(transfer.told(version, TRANSFERS[*status]));
        }
    }
}

/// The truth, written down without any of the code that it is held against.
#[derive(Default)]
struct Truth {
    accounts: BTreeMap<String, i64>,
    sums: BTreeMap<(MemberId, Currency), Sums>,
}

impl Truth {
    fn of(histories: &[History], organization: OrganizationId) -> Self {
        let mut truth = Self::default();
        for history in histories {
            truth.add(history, &history.work(organization));
        }
        truth.accounts.retain(|_, minor| *minor != 0);
        truth
    }

    fn add(&mut self, history: &History, work: &Work) {
        let earning = history.earnings.last().map(|(s, moved)| (PayoutStatus::ALL[*s], *moved));
        let review = history.reviews.last().map(|review| REVIEWS[*review]);
        let standing = match (review, earning) {
            (_, Some((status @ (PayoutStatus::Paid | PayoutStatus::Void), _))) => Some(status),
            (Some(review), _) => Some(review),
            (None, earning) => earning.map(|(status, _)| status),
        };
        let (member, code, minor) = (work.member, work.currency, work.amount);
        let sums = self.sums.entry((member, code.parse().unwrap())).or_default();
        let mut moved: Vec<(String, i64)> = Vec::new();
        let due = format!("payer_due:organization:{code}");
        match standing {
            Some(PayoutStatus::Approved) => {
                (sums.pending, sums.pending_count) = (sums.pending + minor, sums.pending_count + 1);
                moved.extend([(due, minor), (format!("payable:{member}:{code}"), -minor)]);
            }
            Some(PayoutStatus::Paid) => {
                (sums.earned, sums.earned_count) = (sums.earned + minor, sums.earned_count + 1);
                moved.extend([(due, minor), (format!("rail:kaspi:{code}"), -minor)]);
            }
            Some(PayoutStatus::Void) => {
                (sums.voided, sums.voided_count) = (sums.voided + minor, sums.voided_count + 1);
                if earning.is_some_and(|(_, moved)| moved) {
                    sums.receivable += minor;
                    let back = format!("receivable:{member}:{code}");
                    moved.extend([(back, minor), (format!("rail:kaspi:{code}"), -minor)]);
                }
            }
            Some(PayoutStatus::Pending | PayoutStatus::Rejected) | None => {}
        }
        if history.transfers.last().is_some_and(|status| *status < 2) {
            let away = format!("in_transit:{member}:KZT");
            moved.extend([(format!("payable:{member}:KZT"), 50), (away, -50)]);
        }
        for (account, minor) in moved {
            *self.accounts.entry(account).or_default() += minor;
        }
    }
}

/// Mixes a number (splitmix64), so that one seed orders any number of events.
fn mixed(seed: u64, at: u64) -> u64 {
    let mut z = seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// All events, many of them twice, some of these under another id, in an order of the seed.
fn shuffled(events: Vec<Message>, seed: u64) -> Vec<Message> {
    let mut all = Vec::new();
    for (at, event) in (0_u64..).zip(events) {
        match mixed(seed, at) % 4 {
            0 => all.push(event.clone()),
            1 => all.push(Message { id: EventId::new().0, ..event.clone() }),
            _ => {}
        }
        all.push(event);
    }
    let mut keyed: Vec<(u64, Message)> =
        (1_000_000_u64..).zip(all).map(|(at, event)| (mixed(seed, at), event)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, event)| event).collect()
}

async fn check(world: &World, histories: &[History], seed: u64) -> Result<(), TestCaseError> {
    let organization = OrganizationId::new();
    let mut events = Vec::new();
    for history in histories {
        history.tell(organization, &mut events);
    }
    let events = shuffled(events, seed);
    let mut rest = events.as_slice();
    for turn in 0_u64.. {
        if rest.is_empty() {
            break;
        }
        let size = usize::try_from(1 + mixed(seed, turn) % 400).unwrap();
        let (batch, others) = rest.split_at(rest.len().min(size));
        // As the bus does: an id comes once in a batch.
        let mut ids = HashSet::new();
        let batch: Vec<Message> =
            batch.iter().filter(|event| ids.insert(event.id)).cloned().collect();
        world.given(&batch).await;
        rest = others;
    }
    let truth = Truth::of(histories, organization);
    prop_assert_eq!(world.accounts(organization).await, truth.accounts);
    let verdict = world.verified(organization).await;
    prop_assert!(verdict.ok(), "{:?}", verdict);
    for ((member, currency), sums) in truth.sums {
        let balance = world.balance_of(organization, member).await;
        let kept = balance.totals.get(&currency).map(|total| total.sums).unwrap_or_default();
        prop_assert_eq!(kept, sums);
    }
    Ok(())
}

#[test]
fn ten_thousand_shuffled_histories_end_in_the_recomputed_truth() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for world in runtime.block_on(worlds()) {
        let config = Config { cases: CASES, max_shrink_iters: 50, ..Config::default() };
        let ran = TestRunner::new(config).run(&(histories(), any::<u64>()), |(histories, seed)| {
            runtime.block_on(check(&world, &histories, seed))
        });
        if let Err(failure) = ran {
            panic!("{failure}");
        }
        assert_eq!(runtime.block_on(world.drift()).unwrap(), Vec::<String>::new());
    }
}
