//! What happens when something is paid.

use prost::Message as _;
use quittance_kernel::{MemberId, OrganizationId, Role};
use quittance_payouts::Policy;
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1 as proto;

use crate::world::{
    batch, group, paid, paid_issue, problem, refused_issue, single, somebody, worlds, worlds_with,
};

#[tokio::test]
async fn a_batch_leaves_payouts_items_audit_and_events() {
    for world in worlds().await {
        let mine = [world.issue(1_500_000), world.issue(800_000)];
        let hers = [world.facts.approved(world.madina, 300_000, "KZT")];
        let named = proto::PayGroup { payee_id: world.madina.to_string(), ..group(&hers) };

        let answer = paid(world.batch(batch(vec![group(&mine), named])).await.unwrap());

        assert_eq!(answer.groups.len(), 2);
        assert_eq!(answer.groups[0].payee_id, world.aibek.to_string());
        assert_eq!(answer.groups[0].issue_ids, mine.map(|issue| issue.id.to_string()));
        let total = answer.groups[0].total.as_ref().unwrap();
        assert_eq!((total.amount.as_ref().unwrap().minor_units, total.count), (2_300_000, 2));
        assert_eq!(answer.totals[0].amount.as_ref().unwrap().minor_units, 2_600_000);
        world.check(2, 3).await;
        let one = "SELECT count(*) FROM batches WHERE state = 'completed' AND item_count = 3";
        assert_eq!(world.number(one).await, 1);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'batch.completed'";
        assert_eq!(world.number(told).await, 1);
        let before = "SELECT count(*) FROM audit_log WHERE action = 'payout.issue_paid' \
                      AND before = '{\"status\":\"approved\"}' AND event_id IS NOT NULL";
        assert_eq!(world.number(before).await, 3);
        assert_eq!(world.facts.calls(), 1);
    }
}

#[tokio::test]
async fn currencies_are_never_in_one_payout() {
    for world in worlds().await {
        let issues = [
            world.issue(5),
            world.facts.approved(world.aibek, 7, "USD"),
            world.issue(6),
            world.facts.approved(world.madina, 9, "USD"),
        ];
        let answer = paid(world.batch(batch(vec![group(&issues)])).await.unwrap());
        assert_eq!(answer.groups.len(), 3);
        let sum = |total: &quittance_proto::common::v1::Total| {
            let amount = total.amount.clone().unwrap();
            (amount.currency_code, amount.minor_units, total.count)
        };
        let totals: Vec<_> = answer.totals.iter().map(sum).collect();
        assert_eq!(totals, [("KZT".to_owned(), 11, 2), ("USD".to_owned(), 16, 2)]);
        world.check(3, 4).await;
    }
}

#[tokio::test]
async fn the_same_request_is_answered_with_the_same_bytes() {
    for world in worlds().await {
        let mut request = batch(vec![group(&[world.issue(5), world.issue(6)])]);
        request.request_id = "key-1".to_owned();
        let signed = world.signed(&world.admin, request.clone());
        let first = world.payouts.clone().batch_pay(signed).await.unwrap();
        assert!(!first.metadata().contains_key("idempotency-replayed"));
        // An earlier answer is given even if nobody can tell the facts any more.
        world.facts.down(true);
        let signed = world.signed(&world.admin, request.clone());
        let again = world.payouts.clone().batch_pay(signed).await.unwrap();
        assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
        assert_eq!(first.into_inner().encode_to_vec(), again.into_inner().encode_to_vec());

        request.groups[0].reference = "KASPI-2".to_owned();
        assert_eq!(problem(world.batch(request).await).reason, "IDEMPOTENCY_KEY_REUSED");
        world.check(1, 2).await;
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_method_and_one_member() {
    for world in worlds().await {
        let (first, second) = (world.issue(5), world.issue(6));
        paid_issue(world.pay(&world.admin, single(first, "k")).await.unwrap());
        let mut request = batch(vec![group(&[second])]);
        request.request_id = "k".to_owned();
        assert_eq!(problem(world.batch(request).await).reason, "IDEMPOTENCY_KEY_REUSED");
        let other = somebody(world.admin.organization, &[Role::Admin]);
        paid_issue(world.pay(&other, single(second, "k")).await.unwrap());
        let long = world.pay(&world.admin, single(second, &"k".repeat(256))).await;
        assert_eq!(problem(long).fields[0].0, "request_id");
        world.check(2, 2).await;
    }
}

#[tokio::test]
async fn a_single_payment_has_no_batch() {
    for world in worlds().await {
        let issue = world.issue(5);
        let answer = paid_issue(world.pay(&world.admin, single(issue, "")).await.unwrap());
        assert_eq!(answer.issue_id, issue.id.to_string());
        assert_eq!((answer.method(), answer.reference.as_str()), (Method::Bank, "BANK-1"));
        assert!(answer.pay_time.is_some());
        let again = world.pay(&world.admin, single(issue, "")).await.unwrap();
        assert_eq!(refused_issue(again), ["already_paid"]);
        assert_eq!(world.number("SELECT count(*) FROM batches").await, 0);
        world.check(1, 1).await;
    }
}

#[tokio::test]
async fn the_cycle_of_the_path_must_be_that_of_the_issue() {
    for world in worlds().await {
        let issue = world.issue(5);
        let elsewhere =
            proto::PayIssueRequest { cycle_id: MemberId::new().to_string(), ..single(issue, "") };
        let answer = world.pay(&world.admin, elsewhere).await.unwrap();
        assert_eq!(refused_issue(answer), ["unknown_issue"]);
        let here =
            proto::PayIssueRequest { cycle_id: issue.cycle.to_string(), ..single(issue, "") };
        paid_issue(world.pay(&world.admin, here).await.unwrap());
    }
}

#[tokio::test]
async fn leads_pay_where_the_organization_allows_it() {
    for (allowed, policy) in
        [(false, Policy::default()), (true, Policy { leads_may_pay: true, ..Policy::default() })]
    {
        for world in worlds_with(policy).await {
            let lead = somebody(world.admin.organization, &[Role::Lead]);
            let answer = world.pay(&lead, single(world.issue(5), "")).await;
            if allowed {
                paid_issue(answer.unwrap());
            } else {
                assert_eq!(problem(answer).reason, "LEAD_MAY_NOT_PAY");
            }
            world.check(i64::from(allowed), i64::from(allowed)).await;
        }
    }
}

#[tokio::test]
async fn ten_thousand_issues_are_paid_in_one_set() {
    for world in worlds().await {
        let payees: Vec<_> = std::iter::repeat_with(MemberId::new).take(20).collect();
        let issues: Vec<_> = (0..10_000)
            .map(|place| world.facts.approved(payees[place % payees.len()], 100, "KZT"))
            .collect();
        let answer = paid(world.batch(batch(vec![group(&issues)])).await.unwrap());
        assert_eq!(answer.groups.len(), 20);
        assert_eq!(answer.totals[0].count, 10_000);
        world.check(20, 10_000).await;
    }
}

#[tokio::test]
async fn an_organization_pays_under_its_own_name_only() {
    for world in worlds().await {
        let issue = world.issue(5);
        paid_issue(world.pay(&world.admin, single(issue, "k")).await.unwrap());
        // The key, the earning and the payment of one organization mean nothing to another. The
        // stand-in shows every issue to everybody; the real one does not.
        let stranger = somebody(OrganizationId::new(), &[Role::Admin]);
        let answer = paid_issue(world.pay(&stranger, single(issue, "k")).await.unwrap());
        let request =
            world.signed(&world.admin, proto::GetPayoutRequest { payout_id: answer.payout_id });
        let looked = world.payouts.clone().get_payout(request).await;
        assert_eq!(problem(looked).reason, "PAYOUT_NOT_FOUND");
    }
}

#[tokio::test]
async fn on_postgresql_a_batch_is_one_statement() {
    for world in worlds().await {
        if !world.db.is_postgres() {
            continue;
        }
        let mut request = batch(vec![group(&[world.issue(5), world.issue(6)])]);
        request.request_id = "key".to_owned();
        paid(world.batch(request).await.unwrap());
        // Rows of one transaction share `xmin`, rows of one statement `cmin` as well.
        let tables = [
            "earnings",
            "payouts",
            "payout_items",
            "batches",
            "audit_log",
            "outbox",
            "idempotency_keys",
        ];
        let rows = tables.map(|table| format!("SELECT xmin::text, cmin::text FROM {table}"));
        let sql = format!(
            "SELECT count(*) FROM (SELECT DISTINCT * FROM ({}) AS rows) AS statements",
            rows.join(" UNION ALL ")
        );
        assert_eq!(world.number(&sql).await, 1);
    }
}

#[tokio::test]
async fn a_batch_takes_three_statements_and_asks_issues_once_whatever_its_size() {
    for world in worlds().await {
        if !world.db.is_postgres() {
            continue;
        }
        for size in [1, 100, 1_000] {
            let issues: Vec<_> = (0..size).map(|_| world.issue(5)).collect();
            let mut request = batch(vec![group(&issues)]);
            request.request_id = format!("key {size}");
            let (statements, calls) = (world.db.statements(), world.facts.calls());
            paid(world.batch(request).await.unwrap());
            // What is asked for above certain amounts, the earnings, and the set that pays them.
            assert_eq!(world.db.statements() - statements, 3, "{size} issues");
            assert_eq!(world.facts.calls() - calls, 1, "{size} issues");
        }
    }
}
