//! Who sees what (product.md, rule 19): what may not be seen does not exist.

use quittance_issues::app::{Answer, CyclePatch, IssueFilter, Paging, ProductPatch};
use quittance_kernel::{Ctx, IssueId, IssueStatus, Role, Roles, Severity};

use crate::fixture::{World, cycle, foreigner, member, reason, worlds};

async fn listed(world: &World, who: &Ctx) -> usize {
    let (filter, paging) = (IssueFilter::default(), Paging::default());
    world.issues.list_issues(who, &filter, &paging).await.unwrap().items.len()
}

#[tokio::test]
async fn each_role_sees_its_part() {
    for world in worlds().await {
        let led = world.file(&world.aibek, Severity::Low).await;
        let other = cycle(&world.issues, &world.admin, world.product, vec![]).await.cycle.id;
        let world = World { cycle: other, ..world };
        let unled = world.file(&world.aibek, Severity::Low).await;
        let own = world.file(&world.lead, Severity::Low).await;

        assert!(world.see(&world.lead, led).await.is_ok());
        assert!(world.see(&world.lead, own).await.is_ok());
        assert_eq!(reason(world.see(&world.lead, unled).await), "ISSUE_NOT_FOUND");
        assert_eq!(reason(world.see(&world.nazira, led).await), "ISSUE_NOT_FOUND");
        let counts = [(&world.admin, 3), (&world.lead, 2), (&world.aibek, 2), (&world.nazira, 0)];
        for (who, count) in counts {
            assert_eq!(listed(&world, who).await, count);
        }
        for role in [Role::Finance, Role::Auditor, Role::Service] {
            let overseer = member(&world.issues, "Demo", role.as_str(), role).await;
            assert_eq!(listed(&world, &overseer).await, 3);
        }

        // The role alone does not make a lead, nor does the cycle alone.
        let mut former = world.lead.clone();
        former.principal.roles = Roles::new([Role::Member]);
        assert_eq!(reason(world.approve(&former, led).await), "ISSUE_NOT_FOUND");
        assert_eq!(reason(world.reject(&world.lead, unled).await), "ISSUE_NOT_FOUND");
        assert_eq!(reason(world.reject(&world.lead, own).await), "ROLE_REQUIRED");

        let inbox = world.issues.list_triage(&world.lead, &Paging::default()).await.unwrap();
        assert_eq!((inbox.issue_count, inbox.cycle_count), (1, 1));
        let totals = world.issues.cycle_totals(&world.lead, other).await;
        assert_eq!(reason(totals), "CYCLE_NOT_FOUND");
    }
}

#[tokio::test]
async fn pay_facts_leave_out_what_the_caller_is_not_in_charge_of() {
    for world in worlds().await {
        let led = world.file(&world.aibek, Severity::Low).await;
        let other = cycle(&world.issues, &world.admin, world.product, vec![]).await.cycle.id;
        let world = World { cycle: other, ..world };
        let own = world.file(&world.lead, Severity::Low).await;
        let ids = [led, own, IssueId::new(), led];
        let facts = |who| world.issues.pay_facts(who, &ids);
        assert_eq!(facts(&world.admin).await.unwrap().len(), 2);
        let seen = facts(&world.lead).await.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].issue, seen[0].reporter), (led, world.aibek.member()));
        assert!(facts(&foreigner(&world.issues).await).await.unwrap().is_empty());
        let none = world.issues.pay_facts(&world.admin, &[]).await.unwrap();
        assert!(none.is_empty());

        let many: Vec<IssueId> = (0..10_000).map(|_| IssueId::new()).collect();
        let before = world.db.statements();
        assert!(world.issues.pay_facts(&world.admin, &many).await.unwrap().is_empty());
        assert_eq!(world.db.statements() - before, 1, "facts are one statement");
        let more: Vec<IssueId> = many.into_iter().chain([led]).collect();
        let refused = world.issues.pay_facts(&world.admin, &more).await;
        assert_eq!(reason(refused), "COUNT_OUT_OF_RANGE");
    }
}

#[tokio::test]
async fn an_admin_of_another_organization_reaches_nothing() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Low).await;
        let spy = foreigner(&world.issues).await;
        assert_eq!(reason(world.see(&spy, issue).await), "ISSUE_NOT_FOUND");
        assert_eq!(reason(world.approve(&spy, issue).await), "ISSUE_NOT_FOUND");
        assert_eq!(reason(world.reject(&spy, issue).await), "ISSUE_NOT_FOUND");
        let verify = world.set(&spy, issue, IssueStatus::Triaged, None).await;
        assert_eq!(reason(verify), "ISSUE_NOT_FOUND");
        assert_eq!(listed(&world, &spy).await, 0);
        assert!(world.issues.snapshots(&spy, None).await.unwrap().is_empty());
        assert_eq!(reason(world.issues.get_cycle(&spy, world.cycle).await), "CYCLE_NOT_FOUND");
        let preview = world.issues.preview_gate(&spy, world.cycle, Some(true)).await;
        assert_eq!(reason(preview), "CYCLE_NOT_FOUND");
        let product = world.issues.get_product(&spy, world.product).await;
        assert_eq!(reason(product), "PRODUCT_NOT_FOUND");
        let member = world.issues.get_member(&spy, world.aibek.member()).await;
        assert_eq!(reason(member), "MEMBER_NOT_FOUND");
        let patch = CyclePatch { open: Some(false), ..CyclePatch::default() };
        let refused =
            world.issues.update_cycle(&spy, world.cycle, patch, Answer::forgotten()).await;
        assert_eq!(reason(refused), "CYCLE_NOT_FOUND");
        let (patch, answer) = (ProductPatch::default(), Answer::forgotten());
        let refused = world.issues.update_product(&spy, world.product, patch, answer).await;
        assert_eq!(reason(refused), "PRODUCT_NOT_FOUND");
        let (filing, answer) =
            (crate::fixture::new_issue(world.cycle, "x", Severity::Low), Answer::forgotten());
        let refused = world.issues.create_issue(&spy, filing, answer).await;
        assert_eq!(reason(refused), "CYCLE_NOT_FOUND");
        let inbox = world.issues.list_triage(&spy, &Paging::default()).await.unwrap();
        assert_eq!(inbox.issue_count, 0);
        let pending = world.issues.list_pending_review(&spy, &Paging::default()).await.unwrap();
        assert_eq!(pending.total, 0);
        assert_eq!(world.told(issue).await.len(), 1);
    }
}

#[tokio::test]
async fn a_member_sees_no_other_member() {
    for world in worlds().await {
        let id = world.nazira.member();
        assert_eq!(reason(world.issues.get_member(&world.aibek, id).await), "MEMBER_NOT_FOUND");
        assert_eq!(world.issues.get_member(&world.nazira, id).await.unwrap().name, "Nazira");
        assert!(world.issues.get_member(&world.lead, id).await.is_ok());
    }
}
