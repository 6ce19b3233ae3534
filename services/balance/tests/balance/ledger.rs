//! The book: what events post, and what nobody can do to it.

use std::collections::BTreeMap;

use quittance_balance::LedgerFlaw;
use quittance_chassis::problem::read;
use quittance_kernel::{CycleId, EventId, MemberId, OrganizationId, PayoutStatus, Role, Severity};
use quittance_proto::balance::v1 as proto;
use sea_orm::ConnectionTrait as _;
use tonic::Code;
use uuid::Uuid;

use crate::events::{Transfer, Work, commission};
use crate::grpc::{Service, services};
use crate::world::{World, noon, worlds};

fn held(accounts: &[(String, i64)]) -> BTreeMap<String, i64> {
    accounts.iter().cloned().collect()
}

#[tokio::test]
async fn approved_paid_void_and_kept_back_stand_on_their_accounts() {
    for world in worlds().await {
        let (organization, member) = (OrganizationId::new(), MemberId::new());
        let work = Work::new(organization, member, CycleId::new(), Severity::High);
        let payable = format!("payable:{member}:KZT");
        let receivable = format!("receivable:{member}:KZT");
        let due = "payer_due:organization:KZT".to_owned();
        let rail = "rail:kaspi:KZT".to_owned();

        world.given(&[work.issue(2, PayoutStatus::Approved)]).await;
        let owed = held(&[(due.clone(), 800_000), (payable, -800_000)]);
        assert_eq!(world.accounts(organization).await, owed);

        // The earning says the same again, and nothing is posted.
        world.given(&[work.earning(1, PayoutStatus::Approved, None, noon())]).await;
        assert_eq!(world.verified(organization).await.entries, 1);

        world.given(&[work.earning(2, PayoutStatus::Paid, Some(noon()), noon())]).await;
        let paid = held(&[(due, 800_000), (rail.clone(), -800_000)]);
        assert_eq!(world.accounts(organization).await, paid);

        world.given(&[work.earning(3, PayoutStatus::Void, Some(noon()), noon())]).await;
        let void = held(&[(receivable, 800_000), (rail, -800_000)]);
        assert_eq!(world.accounts(organization).await, void);

        let verdict = world.verified(organization).await;
        assert!(verdict.ok(), "{verdict:?}");
        assert_eq!((verdict.entries, verdict.accounts, verdict.totals[0].1), (3, 4, 0));
    }
}

#[tokio::test]
async fn money_with_a_provider_is_in_transit_and_commissions_are_owed_until_paid() {
    for world in worlds().await {
        let (organization, member) = (OrganizationId::new(), MemberId::new());
        let payout =
            |source| Transfer { organization, id: Uuid::now_v7(), member, amount: 500, source };
        let under_way = payout("issue");
        world.given(&[under_way.told(1, "processing")]).await;
        let away = (format!("in_transit:{member}:KZT"), -500);
        let payable = |minor| (format!("payable:{member}:KZT"), minor);
        assert_eq!(world.accounts(organization).await, held(&[away, payable(500)]));
        world.given(&[under_way.told(2, "failed"), under_way.told(1, "processing")]).await;
        assert_eq!(world.accounts(organization).await, held(&[]));

        world.given(&[commission(organization, member, 700)]).await;
        world.given(&[commission(organization, member, -200)]).await;
        let due = |minor| ("payer_due:organization:KZT".to_owned(), minor);
        assert_eq!(world.accounts(organization).await, held(&[due(500), payable(-500)]));
        world.given(&[payout("commission").told(3, "paid")]).await;
        let rail = |minor| ("rail:stripe:KZT".to_owned(), minor);
        assert_eq!(world.accounts(organization).await, held(&[due(500), rail(-500)]));

        let manual = payout("manual");
        world.given(&[manual.told(1, "pending_approval"), manual.told(2, "approved")]).await;
        assert_eq!(
            world.accounts(organization).await,
            held(&[due(1_000), payable(-500), rail(-500)])
        );
        world.given(&[manual.told(3, "paid")]).await;
        assert_eq!(world.accounts(organization).await, held(&[due(1_000), rail(-1_000)]));
        assert!(world.verified(organization).await.ok());
    }
}

#[tokio::test]
async fn a_change_is_posted_once_even_when_its_event_comes_again_under_another_id() {
    for world in worlds().await {
        let (organization, member) = (OrganizationId::new(), MemberId::new());
        let work = Work::new(organization, member, CycleId::new(), Severity::Low);
        let events = work.paid(noon());
        world.given(&events).await;
        let posted = world.verified(organization).await;
        let mut again = events.clone();
        for event in &mut again {
            event.id = EventId::new().0;
        }
        world.given(&again).await;
        world.given(&events).await;
        assert_eq!(world.verified(organization).await, posted);
    }
}

/// What a person with a shell of the database might try; all of it is refused.
const FORGERIES: &[&str] = &[
    "UPDATE ledger_entries SET minor = 1",
    "DELETE FROM ledger_entries",
    // Not balanced: one side only, two currencies, nothing, a second time, a fork of the chain.
    "INSERT INTO ledger_entries SELECT organization_id, 99, source_id, 99, part, event_id, kind, \
     occurred_at, posted_at, debit, debit, minor, 0, 0, 'x', 'y' FROM ledger_entries",
    "INSERT INTO ledger_entries SELECT organization_id, 99, source_id, 99, part, event_id, kind, \
     occurred_at, posted_at, debit, 'rail:kaspi:USD', minor, 0, 0, 'x', 'y' FROM ledger_entries",
    "INSERT INTO ledger_entries SELECT organization_id, 99, source_id, 99, part, event_id, kind, \
     occurred_at, posted_at, debit, credit, 0, 0, 0, 'x', 'y' FROM ledger_entries",
    "INSERT INTO ledger_entries SELECT organization_id, 99, source_id, source_version, part, \
     event_id, kind, occurred_at, posted_at, debit, credit, minor, 0, 0, 'x', 'y' \
     FROM ledger_entries",
    "INSERT INTO ledger_entries SELECT organization_id, 99, source_id, 99, part, event_id, kind, \
     occurred_at, posted_at, debit, credit, minor, 0, 0, prev, 'y' FROM ledger_entries",
];

#[tokio::test]
async fn the_database_refuses_what_would_not_balance_and_every_change() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let work = Work::new(organization, MemberId::new(), CycleId::new(), Severity::Low);
        world.given(&[work.issue(2, PayoutStatus::Approved)]).await;
        for sql in FORGERIES {
            assert!(world.db.conn().execute_unprepared(sql).await.is_err(), "{sql}");
        }
        assert!(world.verified(organization).await.ok());
    }
}

/// Does something to the book that only its owner can do.
async fn tamper(world: &World, sql: &str) {
    let drop = if world.db.is_postgres() {
        "DROP TRIGGER IF EXISTS ledger_entries_append_only ON ledger_entries"
    } else {
        "DROP TRIGGER IF EXISTS ledger_entries_no_update; \
         DROP TRIGGER IF EXISTS ledger_entries_no_delete"
    };
    world.db.conn().execute_unprepared(drop).await.unwrap();
    world.db.conn().execute_unprepared(sql).await.unwrap();
}

#[tokio::test]
async fn verifying_names_the_first_entry_that_was_changed_removed_or_miscounted() {
    let cases = [
        ("UPDATE ledger_entries SET minor = minor + 1 WHERE ordinal = 2", 2, LedgerFlaw::Changed),
        ("UPDATE ledger_entries SET kind = 'x' WHERE ordinal = 1", 1, LedgerFlaw::Changed),
        ("DELETE FROM ledger_entries WHERE ordinal = 2", 2, LedgerFlaw::Missing),
        // The end of the chain is kept apart, so that a tail that was cut off is missed.
        ("DELETE FROM ledger_entries WHERE ordinal = 3", 3, LedgerFlaw::Missing),
        ("UPDATE ledger_entries SET prev = hash WHERE ordinal = 3", 3, LedgerFlaw::ForgedLink),
        (
            "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'rail'",
            3,
            LedgerFlaw::Balance("rail:kaspi:KZT".into()),
        ),
    ];
    for (sql, ordinal, flaw) in cases {
        for world in worlds().await {
            let organization = OrganizationId::new();
            let member = MemberId::new();
            let work = |severity| Work::new(organization, member, CycleId::new(), severity);
            world.given(&work(Severity::Low).paid(noon())).await;
            world.given(&[work(Severity::High).issue(2, PayoutStatus::Approved)]).await;
            assert_eq!(world.verified(organization).await.entries, 3);
            tamper(&world, sql).await;
            let found = world.verified(organization).await;
            assert!(!found.ok(), "{sql}");
            assert_eq!(found.broken, Some((ordinal, flaw.clone())), "{sql}");
        }
    }
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page_by_those_who_see_all_money() {
    for service in services().await {
        reads_of_the_treasury(service).await;
    }
}

async fn reads_of_the_treasury(mut service: Service) {
    let (organization, member) = (OrganizationId::new(), MemberId::new());
    for severity in [Severity::Low, Severity::High] {
        let work = Work::new(organization, member, CycleId::new(), severity);
        service.given(&work.paid(noon())).await;
    }
    let admin = service.caller(organization, member, Role::Finance);
    let all = proto::ListLedgerAccountsRequest { page_size: 2, ..Default::default() };
    let first = service.ledger.list_ledger_accounts(admin.request(all.clone())).await;
    let first = first.unwrap().into_inner();
    let names: Vec<&str> = first.accounts.iter().map(|account| account.account.as_str()).collect();
    assert_eq!(names, ["payable:".to_owned() + &format!("{member}:KZT"), names[1].to_owned()]);
    let next = proto::ListLedgerAccountsRequest { page_token: first.next_page_token, ..all };
    let next = service.ledger.list_ledger_accounts(admin.request(next)).await.unwrap();
    let next = next.into_inner();
    assert_eq!(next.accounts[0].account, "rail:kaspi:KZT");
    assert_eq!((next.accounts[0].balance_minor, next.accounts[0].entry_count), (-900_000, 2));
    assert_eq!(next.next_page_token, "");

    let of = |account: &str, page_token: String| proto::ListLedgerEntriesRequest {
        account: account.into(),
        page_size: 3,
        page_token,
    };
    let payable = format!("payable:{member}:KZT");
    let newest = service.ledger.list_ledger_entries(admin.request(of(&payable, String::new())));
    let newest = newest.await.unwrap().into_inner();
    let moved: Vec<(i64, i64)> =
        newest.entries.iter().map(|entry| (entry.amount_minor, entry.balance_minor)).collect();
    assert_eq!(moved, [(800_000, 0), (-800_000, -800_000), (100_000, 0)]);
    assert_eq!(newest.entries[0].event_type, "payout.issue_paid");
    assert_eq!(newest.entries[0].other_account, "rail:kaspi:KZT");
    let rest = of(&payable, newest.next_page_token);
    let rest = service.ledger.list_ledger_entries(admin.request(rest)).await.unwrap();
    assert_eq!(rest.into_inner().entries.len(), 1);

    let verdict = proto::GetLedgerVerificationRequest {};
    let verdict = service.ledger.get_ledger_verification(admin.request(verdict)).await.unwrap();
    assert!(verdict.into_inner().ok);
    let nothing = of("cash", String::new());
    let refused = service.ledger.list_ledger_entries(admin.request(nothing)).await.unwrap_err();
    assert_eq!(read(&refused).reason, "INVALID_FIELD");

    // Another organization sees nothing of it, and a member nothing at all.
    let outsider = service.caller(OrganizationId::new(), member, Role::Admin);
    let entries = of("rail:kaspi:KZT", String::new());
    let none = service.ledger.list_ledger_entries(outsider.request(entries.clone())).await;
    assert_eq!(none.unwrap().into_inner().entries, []);
    let payee = service.caller(organization, member, Role::Member);
    let refused = service.ledger.list_ledger_entries(payee.request(entries)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    service.stop().await;
}
