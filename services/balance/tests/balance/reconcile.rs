//! Drift is found, named and cured; what is under way is none.

use std::sync::Arc;
use std::time::Duration;

use quittance_balance::{Balances, Care, FindingKind, Owners, Reconciliation};
use quittance_chassis::clock;
use quittance_kernel::{CycleId, MemberId, OrganizationId, PayoutStatus, Severity};
use sea_orm::ConnectionTrait as _;

use crate::desk::Desk;
use crate::events::Work;
use crate::rebuild::told;
use crate::world::{World, ctx, noon, worlds};

const MINUTE: Duration = Duration::from_mins(1);

async fn compared(balances: &Balances, organization: OrganizationId, deep: bool) -> Reconciliation {
    let ctx = ctx(organization, MemberId::new());
    let care = Care { deep, grace: MINUTE };
    balances.reconcile(&ctx, organization, care).await.unwrap()
}

fn kinds(report: &Reconciliation) -> Vec<(FindingKind, &str)> {
    let mut kinds: Vec<_> =
        report.findings.iter().map(|finding| (finding.kind, finding.entity.as_str())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

async fn standing(world: &World, organization: OrganizationId) -> (Arc<Desk>, Balances) {
    let desk = Arc::new(Desk::default());
    let events = told(organization, 40);
    desk.knows(&events, noon());
    world.given(&events).await;
    let balances = world.balances.clone().asking(Arc::clone(&desk) as Arc<dyn Owners>);
    (desk, balances)
}

#[tokio::test]
async fn injected_drift_is_found_named_and_cured_by_a_rebuild() {
    use FindingKind::{Different, Late, Ledger, Missing, Sum, Unknown};
    let cases: [(&str, &[(FindingKind, &str)]); 7] = [
        ("UPDATE member_money SET earned = earned + 1", &[(Sum, "member_money")]),
        ("UPDATE cycle_counts SET paid = paid + 1", &[(Sum, "cycle_counts")]),
        (
            "UPDATE lines SET amount_minor = amount_minor + 5 WHERE earning_status = 'paid'",
            &[(Different, "earning"), (Sum, "cycle_money"), (Sum, "member_money")],
        ),
        (
            "UPDATE lines SET earning_version = 0, earning_status = NULL, currency = NULL, \
             paid_at = NULL, void_at = NULL, receivable_minor = 0, amount_minor = 0 \
             WHERE earning_status = 'paid'",
            &[
                (Missing, "earning"),
                (Sum, "cycle_counts"),
                (Sum, "cycle_money"),
                (Sum, "member_money"),
            ],
        ),
        (
            "UPDATE lines SET issue_version = 1, review = 'pending', price_minor = 0, \
             price_currency = NULL, rule = NULL WHERE review = 'rejected'",
            &[(Late, "issue"), (Sum, "cycle_counts")],
        ),
        (
            "UPDATE partner_entries SET amount_minor = 1 WHERE kind = 'commission'",
            &[(Different, "commission")],
        ),
        ("DELETE FROM members", &[(Missing, "member")]),
    ];
    let _ = (Ledger, Unknown);
    for (damage, wanted) in cases {
        for world in worlds().await {
            let organization = OrganizationId::new();
            let (_, balances) = standing(&world, organization).await;
            let clean = compared(&balances, organization, true).await;
            assert_eq!((clean.drift, clean.under_way), (0, 0), "{:?}", clean.findings);
            assert!(clean.sums.iter().all(|sum| sum.ours == sum.theirs), "{:?}", clean.sums);
            world.db.conn().execute_unprepared(damage).await.unwrap();

            let found = compared(&balances, organization, false).await;

            assert_eq!(kinds(&found), wanted, "{damage}: {:?}", found.findings);
            assert!(found.findings.iter().all(|finding| {
                finding.kind == Sum || finding.id.is_some_and(|id| !id.is_nil())
            }));
            balances.rebuild(organization, false, |_| ()).await.unwrap();
            let cured = compared(&balances, organization, true).await;
            assert_eq!(cured.drift, 0, "{damage}: {:?}", cured.findings);
        }
    }
}

#[tokio::test]
async fn what_its_owner_does_not_have_is_unknown_and_gone_after_a_rebuild() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let (_, balances) = standing(&world, organization).await;
        let someone = MemberId::new();
        let phantom = Work::new(organization, someone, CycleId::new(), Severity::Low);
        world.given(&phantom.paid(noon())).await;
        let found = compared(&balances, organization, false).await;
        let unknown = [(FindingKind::Unknown, "earning"), (FindingKind::Unknown, "issue")];
        assert_eq!(kinds(&found), unknown);
        assert_eq!(found.findings[0].id, Some(phantom.issue.0));
        let rebuilt = balances.rebuild(organization, false, |_| ()).await.unwrap();
        assert_eq!(rebuilt.corrected, 1);
        assert!(world.balance_of(organization, someone).await.totals.is_empty());
        assert_eq!(compared(&balances, organization, true).await.drift, 0);
    }
}

#[tokio::test]
async fn events_that_are_under_way_are_no_drift_until_they_are_overdue() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let (desk, balances) = standing(&world, organization).await;
        let new = Work::new(organization, MemberId::new(), CycleId::new(), Severity::Low);
        let events = [new.issue(1, PayoutStatus::Pending)];
        desk.knows(&events, clock::now());

        let found = compared(&balances, organization, false).await;

        assert_eq!((found.drift, found.under_way), (0, 1), "{:?}", found.findings);
        let care = Care { deep: false, grace: Duration::ZERO };
        let whose = ctx(organization, MemberId::new());
        let found = balances.reconcile(&whose, organization, care).await.unwrap();
        assert_eq!(kinds(&found), [(FindingKind::Missing, "issue")]);
        world.given(&events).await;
        assert_eq!(compared(&balances, organization, true).await.drift, 0);
    }
}

#[tokio::test]
async fn a_ledger_that_does_not_hold_what_lines_say_is_found_by_a_deep_look() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let (_, balances) = standing(&world, organization).await;
        // A correction that nothing called for, in a book that verifies.
        let work = Work::new(organization, MemberId::new(), CycleId::new(), Severity::Low);
        world.given(&work.paid(noon())).await;
        let sql = "DELETE FROM lines WHERE review = 'approved' AND earning_status = 'paid' AND title = ''";
        world.db.conn().execute_unprepared(sql).await.unwrap();
        let sql = "UPDATE lines SET review = 'rejected', price_minor = 0, price_currency = NULL, \
                   rule = NULL WHERE review = 'approved' AND earning_version = 0";
        let changed = world.db.conn().execute_unprepared(sql).await.unwrap().rows_affected();
        let found = compared(&balances, organization, true).await;
        let ledger = found.findings.iter().filter(|f| f.kind == FindingKind::Ledger).count();
        assert_eq!(ledger as u64, changed, "{:?}", found.findings);
    }
}
