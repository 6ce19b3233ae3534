//! A fresh generation ends where the live one is, whatever happens meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use quittance_balance::{Balances, Projections, RebuildError};
use quittance_chassis::bus::Message;
use quittance_chassis::db::Db;
use quittance_kernel::{CycleId, MemberId, OrganizationId, PayoutStatus, Severity, Timestamp};
use sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use uuid::Uuid;

use crate::desk::Desk;
use crate::events::{RATES, Transfer, Work, commission, cycle, member};
use crate::world::{World, noon, worlds};

/// Columns as text, `u`, `n` and `t` for what they hold.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "lines",
        "issue_id, issue_version, reporter_id, issue_cycle_id, title, severity, status, review, \
         price_minor, price_currency, rule, filed_at, earning_version, payee_id, earning_cycle_id, \
         amount_minor, currency, earning_status, method, reference, paid_at, void_at, \
         receivable_minor",
        "unuussssnssdnuunssssddn",
    ),
    (
        "cycle_counts",
        "member_id, cycle_id, issues, approved, paid, decided, pending_critical, pending_high, \
         pending_medium, pending_low",
        "uunnnnnnnn",
    ),
    (
        "cycle_money",
        "member_id, cycle_id, currency, earned, earned_count, pending, pending_count, voided, \
         voided_count, receivable",
        "uusnnnnnnn",
    ),
    (
        "member_money",
        "member_id, currency, earned, earned_count, pending, pending_count, voided, \
         voided_count, receivable",
        "usnnnnnnn",
    ),
    ("day_money", "day, currency, paid, paid_count, taken_back, taken_back_count", "nsnnnn"),
    ("cycles", "id, version, name, currency, critical, high, medium, low", "unssnnnn"),
    ("members", "id, version, name", "uns"),
    (
        "partner_entries",
        "entity_id, member_id, currency, version, kind, amount_minor, status, owed_version, \
         owed_minor",
        "uusnsnsnn",
    ),
];

fn text(row: &QueryResult, kinds: &str) -> String {
    let cell = |(index, kind): (usize, char)| match kind {
        'u' => format!("{:?}", row.try_get_by_index::<Option<Uuid>>(index).unwrap()),
        'n' => format!("{:?}", row.try_get_by_index::<Option<i64>>(index).unwrap()),
        'd' => format!("{:?}", row.try_get_by_index::<Option<Timestamp>>(index).unwrap()),
        _ => row.try_get_by_index::<Option<String>>(index).unwrap().unwrap_or_default(),
    };
    kinds.chars().enumerate().map(cell).collect::<Vec<_>>().join("|")
}

/// Every row that an organization reads, and what it has in the ledger's accounts.
async fn everything(db: &Db, organization: OrganizationId) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (table, columns, kinds) in TABLES {
        // Sums that have come back to nothing leave a row behind, or never had one.
        let some = match *table {
            "cycle_counts" => {
                " AND (issues <> 0 OR approved <> 0 OR paid <> 0 OR decided <> 0 OR \
                 pending_critical <> 0 OR pending_high <> 0 OR pending_medium <> 0 \
                 OR pending_low <> 0)"
            }
            "cycle_money" | "member_money" => {
                " AND (earned <> 0 OR pending <> 0 OR voided <> 0 OR receivable <> 0)"
            }
            "day_money" => " AND (paid <> 0 OR taken_back <> 0)",
            _ => "",
        };
        let sql = format!(
            "SELECT {columns} FROM {table} WHERE organization_id = COALESCE((SELECT current_id \
             FROM generations WHERE organization_id = $1), $1){some}"
        );
        let binds = [organization.0.into()];
        let statement = Statement::from_sql_and_values(db.backend(), sql, binds);
        let rows = db.conn().query_all_raw(statement).await.unwrap();
        all.extend(rows.iter().map(|row| format!("{table}: {}", text(row, kinds))));
    }
    let sql = "SELECT account, balance FROM ledger_accounts \
               WHERE organization_id = $1 AND balance <> 0";
    let statement = Statement::from_sql_and_values(db.backend(), sql, [organization.0.into()]);
    let rows = db.conn().query_all_raw(statement).await.unwrap();
    all.extend(rows.iter().map(|row| format!("ledger: {}", text(row, "sn"))));
    all
}

/// The organizations that have rows in a table of the projections.
async fn generations(db: &Db) -> usize {
    let mut all = BTreeSet::new();
    for (table, ..) in TABLES {
        let sql = format!("SELECT DISTINCT organization_id FROM {table}");
        let rows =
            db.conn().query_all_raw(Statement::from_string(db.backend(), sql)).await.unwrap();
        all.extend(rows.iter().map(|row| row.try_get_by_index::<Uuid>(0).unwrap()));
    }
    all.len()
}

const REVIEWS: [PayoutStatus; 3] =
    [PayoutStatus::Pending, PayoutStatus::Approved, PayoutStatus::Rejected];

/// Histories of everything that there is, each event in its order.
pub(crate) fn told(organization: OrganizationId, count: usize) -> Vec<Message> {
    let people: Vec<MemberId> = (1..5).map(|n| MemberId(Uuid::from_u128(n))).collect();
    let sweeps: Vec<CycleId> = (1..4).map(|n| CycleId(Uuid::from_u128(n))).collect();
    let mut events: Vec<Message> = Vec::new();
    for (number, person) in people.iter().enumerate() {
        events.push(member(organization, *person, 1, "Somebody"));
        events.push(member(organization, *person, 2, &format!("Person {number}")));
    }
    events.extend(sweeps.iter().map(|sweep| cycle(organization, *sweep, 3, "Sweep", RATES)));
    for number in 0..count {
        let (person, sweep) = (people[number % 4], sweeps[number % 3]);
        let work = Work::new(organization, person, sweep, Severity::ALL[number % 4]);
        let work = Work { currency: if number % 5 == 0 { "USD" } else { "KZT" }, ..work };
        if number % 11 == 0 {
            events.push(work.draft(1));
            continue;
        }
        events.push(work.issue(1, PayoutStatus::Pending));
        events.push(work.issue(2, REVIEWS[number % 3]));
        if number % 3 != 1 {
            continue;
        }
        events.push(work.earning(1, PayoutStatus::Approved, None, noon()));
        if number % 2 == 0 {
            events.push(work.earning(2, PayoutStatus::Paid, Some(noon()), noon()));
        }
        if number % 4 == 0 {
            events.push(work.earning(3, PayoutStatus::Void, Some(noon()), noon()));
        }
        let id = Uuid::now_v7();
        let source = ["issue", "manual", "commission"][number % 7 % 3];
        let payout = Transfer { organization, id, member: person, amount: 700, source };
        events.push(payout.told(1, "processing"));
        if number % 2 == 0 {
            events.push(payout.told(2, if source == "issue" { "failed" } else { "paid" }));
        }
        events.push(commission(organization, person, 90));
    }
    events
}

fn asking(world: &World, desk: &Arc<Desk>) -> Balances {
    world.balances.clone().asking(Arc::clone(desk) as Arc<dyn quittance_balance::Owners>)
}

#[tokio::test]
async fn what_is_rebuilt_is_what_was_there() {
    for world in worlds().await {
        let (organization, neighbour) = (OrganizationId::new(), OrganizationId::new());
        let desk = Arc::new(Desk::default());
        for events in [told(organization, 60), told(neighbour, 10)] {
            desk.knows(&events, noon());
            world.given(&events).await;
        }
        let before = everything(&world.db, organization).await;
        let beside = everything(&world.db, neighbour).await;
        let entries = world.verified(organization).await.entries;
        let balances = asking(&world, &desk);
        let mut seen = Vec::new();

        let rebuilt = balances.rebuild(organization, false, |progress| seen.push(progress)).await;

        let rebuilt = rebuilt.unwrap();
        assert_eq!(everything(&world.db, organization).await, before);
        assert_eq!(everything(&world.db, neighbour).await, beside);
        assert_eq!(rebuilt.corrected, 0);
        let verdict = world.verified(organization).await;
        assert!(verdict.ok(), "{verdict:?}");
        assert_eq!(verdict.entries, entries);
        assert!(seen.len() > 10 && seen.iter().all(|progress| progress.total > 100), "{seen:?}");
        // Nothing is left of the generation before, and there can be a third.
        assert_eq!(generations(&world.db).await, 2);
        balances.rebuild(organization, false, |_| ()).await.unwrap();
        assert_eq!(everything(&world.db, organization).await, before);
        assert_eq!(generations(&world.db).await, 2);
        world.assert_exact().await;
    }
}

/// Projects events one by one, each after its owner knows of it.
async fn traffic(projections: Projections, desk: Arc<Desk>, events: Vec<Message>) {
    use quittance_chassis::bus::Handler as _;
    for event in events {
        desk.knows(std::slice::from_ref(&event), noon());
        tokio::task::yield_now().await;
        projections.handle(&[event]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_traffic_and_after_a_kill_it_ends_where_the_events_end() {
    for (world, other) in worlds().await.into_iter().zip(worlds().await) {
        let organization = OrganizationId::new();
        let desk = Arc::new(Desk::default());
        let events = told(organization, 150);
        let (first, later) = events.split_at(events.len() / 3);
        desk.knows(first, noon());
        world.given(first).await;
        let balances = asking(&world, &desk);
        let moving = traffic(world.projections.clone(), Arc::clone(&desk), later.to_vec());
        let moving = tokio::spawn(moving);

        // Each attempt gets a little further and dies, as a process would between two commits.
        let mut attempts = 0;
        loop {
            desk.dies_after(5);
            match balances.rebuild(organization, false, |_| ()).await {
                Ok(_) => break,
                Err(RebuildError::Owners(_)) => attempts += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        moving.await.unwrap();
        desk.dies_after(0);

        assert!(attempts > 2, "{attempts}");
        other.given(&events).await;
        let wanted = everything(&other.db, organization).await;
        assert_eq!(everything(&world.db, organization).await, wanted);
        assert!(world.verified(organization).await.ok());
        world.assert_exact().await;
        // And once more while nothing moves, from the beginning.
        balances.rebuild(organization, true, |_| ()).await.unwrap();
        assert_eq!(everything(&world.db, organization).await, wanted);
    }
}

#[tokio::test]
async fn readers_see_the_old_one_until_the_switch_and_a_second_rebuild_takes_over() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let desk = Arc::new(Desk::default());
        let events = told(organization, 40);
        desk.knows(&events, noon());
        world.given(&events).await;
        let before = everything(&world.db, organization).await;
        let balances = asking(&world, &desk);
        desk.dies_after(8);
        balances.rebuild(organization, false, |_| ()).await.unwrap_err();
        assert_eq!(everything(&world.db, organization).await, before);
        assert_eq!(generations(&world.db).await, 2);
        desk.dies_after(0);
        // What was begun is thrown away.
        balances.rebuild(organization, true, |_| ()).await.unwrap();
        assert_eq!(everything(&world.db, organization).await, before);
        assert_eq!(generations(&world.db).await, 1);
    }
}

#[tokio::test]
async fn what_was_never_heard_is_rebuilt_and_posted_as_a_correction() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let someone = MemberId::new();
        let work = Work::new(organization, someone, CycleId::new(), Severity::High);
        let events = work.paid(noon());
        let desk = Arc::new(Desk::default());
        desk.knows(&events, noon());
        // The last two events are lost.
        world.given(&events[..2]).await;
        let balances = asking(&world, &desk);

        let rebuilt = balances.rebuild(organization, false, |_| ()).await.unwrap();

        assert_eq!(rebuilt.corrected, 1);
        let balance = world.balance_of(organization, someone).await;
        let sums = balance.totals.values().next().unwrap().sums;
        assert_eq!((sums.earned, sums.pending), (800_000, 0));
        let accounts = world.accounts(organization).await;
        assert_eq!(accounts["rail:kaspi:KZT"], -800_000);
        assert_eq!(accounts.len(), 2);
        assert!(world.verified(organization).await.ok());
        // When they come after all, they tell nothing new.
        world.given(&events).await;
        assert_eq!(world.accounts(organization).await, accounts);
        world.assert_exact().await;
    }
}
