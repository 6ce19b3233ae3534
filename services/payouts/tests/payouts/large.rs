//! Runs over more earnings than are drawn at once.

use quittance_chassis::db::{Column, Insert, WriteSet};
use quittance_kernel::{EarningId, MemberId, Timestamp};
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::commit_plan_response::Outcome;
use quittance_proto::payouts::v1::plan_service_client::PlanServiceClient;
use tonic::Status;

use crate::facts::Issue;
use crate::world::{World, worlds};

/// More than is drawn at once.
const MANY: usize = 10_200;
const PAYEES: usize = 150;

/// Approved issues and their earnings, as the consumer would have made them.
async fn owed(world: &World, payee: MemberId, count: usize, minor: i64) -> Vec<Issue> {
    let issues: Vec<Issue> =
        (0..count).map(|_| world.facts.approved(payee, minor, "KZT")).collect();
    let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
    let mut set = WriteSet::new();
    set.insert(
        Insert::into("earnings")
            .column("id", Column::Uuid(issues.iter().map(|_| EarningId::new().0).collect()))
            .column("organization_id", Column::same_uuid(Some(world.admin.organization.0)))
            .column("source_kind", Column::same_text(Some("issue")))
            .column("source_id", Column::Uuid(issues.iter().map(|issue| issue.id.0).collect()))
            .column("cycle_id", Column::Uuid(issues.iter().map(|issue| issue.cycle.0).collect()))
            .column("payee_id", Column::same_uuid(Some(payee.0)))
            .column("amount_minor", Column::same_i64(Some(minor)))
            .column("currency", Column::same_text(Some("KZT")))
            .column("status", Column::same_text(Some("approved")))
            .column("version", Column::same_i64(Some(1)))
            .column("source_version", Column::same_i64(Some(1)))
            .column("created_at", Column::same_time(Some(at)))
            .column("updated_at", Column::same_time(Some(at))),
    );
    set.commit(&world.db).await.unwrap();
    issues
}

/// Very many earnings of others, and some of the admin's own, which are never paid by the admin.
async fn many(world: &World) -> Vec<Issue> {
    let mut issues = Vec::new();
    for _ in 0..PAYEES {
        issues.extend(owed(world, MemberId::new(), MANY / PAYEES, 100).await);
    }
    owed(world, world.admin.member, 7, 100).await;
    issues
}

async fn run(world: &World, dry_run: bool) -> Result<proto::RunBatchResponse, Status> {
    let message = proto::RunBatchRequest {
        request_id: String::new(),
        filters: None,
        method: Method::Kaspi.into(),
        reference: "MAY".to_owned(),
        dry_run,
        net_receivables: true,
    };
    let mut client = PlanServiceClient::new(world.connection());
    Ok(client.run_batch(world.signed(&world.admin, message)).await?.into_inner())
}

async fn shown(world: &World) -> proto::Plan {
    let shown = run(world, true).await.unwrap();
    let outcome = shown.outcome.unwrap();
    assert!(outcome.truncated && outcome.groups.is_empty() && outcome.excluded.is_empty());
    let plan = shown.plan.unwrap();
    assert_eq!(outcome.totals, plan.totals);
    plan
}

async fn commit(world: &World, plan: &proto::Plan, key: &str) -> proto::CommitPlanResponse {
    let message =
        proto::CommitPlanRequest { request_id: key.to_owned(), plan_id: plan.plan_id.clone() };
    let mut client = PlanServiceClient::new(world.connection());
    client.commit_plan(world.signed(&world.admin, message)).await.unwrap().into_inner()
}

/// Reads all lines of a plan, page by page.
async fn lines(world: &World, plan: &proto::Plan) -> Vec<proto::PlanItem> {
    let mut client = PlanServiceClient::new(world.connection());
    let (mut lines, mut page_token) = (Vec::new(), String::new());
    loop {
        let plan_id = plan.plan_id.clone();
        let message = proto::GetPlanRequest { plan_id, page_size: 100, page_token };
        let page = client.get_plan(world.signed(&world.admin, message)).await.unwrap();
        let page = page.into_inner();
        lines.extend(page.items);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return lines;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_too_large_for_memory_is_paid_exactly_as_shown_or_not_at_all() {
    for world in worlds().await {
        let issues = many(&world).await;
        let count = i64::try_from(issues.len()).unwrap();
        // What cannot be drawn leaves nothing behind.
        world.facts.down(true);
        run(&world, true).await.unwrap_err();
        world.facts.down(false);
        for table in ["plans", "plan_items", "plan_payees", "plan_drafts"] {
            assert_eq!(world.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
        }

        let plan = shown(&world).await;
        assert_eq!((plan.item_count, plan.excluded_count), (count, 7));
        assert_eq!(plan.totals[0].count, count);
        assert_eq!(plan.totals[0].amount.as_ref().unwrap().minor_units, count * 100);
        let found = lines(&world, &plan).await;
        assert_eq!(found.len(), issues.len() + 7);
        let left_out = found.iter().filter(|line| line.reasons == ["self_payment"]).count();
        assert_eq!(left_out, 7);

        // One has to be verified since, and one more has been approved: nothing is paid.
        world.facts.change(issues[3].id, |fact| fact.gate = true);
        let late = owed(&world, MemberId::new(), 1, 100).await.remove(0);
        let Some(Outcome::Stale(stale)) = commit(&world, &plan, "").await.outcome else {
            panic!("it was paid");
        };
        assert_eq!(stale.removed_issue_ids, [issues[3].id.to_string()]);
        assert_eq!(stale.added_issue_ids, [late.id.to_string()]);
        assert_eq!((stale.removed_count, stale.added_count, stale.changed_count), (1, 1, 0));
        world.check(0, 0).await;
        let told = "SELECT count(*) FROM audit_log WHERE action = 'payout.gate_blocked'";
        assert_eq!(world.number(told).await, 1);

        let plan = shown(&world).await;
        assert_eq!((plan.item_count, plan.excluded_count), (count, 8));
        let first = commit(&world, &plan, "once").await;
        let Some(Outcome::Paid(paid)) = &first.outcome else { panic!("not paid: {first:?}") };
        assert!(paid.truncated);
        assert_eq!(paid.totals, plan.totals);
        assert_eq!(commit(&world, &plan, "once").await, first);
        world.check(i64::try_from(PAYEES).unwrap() + 1, count).await;
        for (sql, expected) in [
            ("SELECT count(*) FROM plan_drafts", 0),
            ("SELECT count(DISTINCT plan_id) FROM plan_items", 2),
            ("SELECT item_count FROM batches", count),
            ("SELECT count(*) FROM batches", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'batch.completed'", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_run_leaves_out_sums_below_the_minimum_and_pays_the_rest_at_once() {
    for world in worlds().await {
        let issues = many(&world).await;
        let small = owed(&world, world.aibek, 2, 30).await;
        let mut set = WriteSet::new();
        set.insert(
            Insert::into("minimum_amounts")
                .column("organization_id", Column::Uuid(vec![world.admin.organization.0]))
                .column("currency", Column::same_text(Some("KZT")))
                .column("method", Column::same_text(Some("kaspi")))
                .column("amount_minor", Column::same_i64(Some(61)))
                .column("updated_by", Column::same_uuid(Some(world.admin.member.0)))
                .column(
                    "updated_at",
                    Column::same_time(Some("2026-05-08T12:00:00Z".parse().unwrap())),
                ),
        );
        set.commit(&world.db).await.unwrap();
        let count = i64::try_from(issues.len()).unwrap();
        let plan = shown(&world).await;
        assert_eq!((plan.item_count, plan.excluded_count), (count, 9));
        let found = lines(&world, &plan).await;
        let below = found.iter().filter(|line| line.reasons == ["below_minimum"]);
        let mut below: Vec<_> = below.map(|line| line.issue_id.clone()).collect();
        below.sort_unstable();
        let mut expected: Vec<_> = small.iter().map(|issue| issue.id.to_string()).collect();
        expected.sort_unstable();
        assert_eq!(below, expected);

        // One more reaches it, and makes the plan stale.
        let third = owed(&world, world.aibek, 1, 30).await.remove(0);
        let Some(Outcome::Stale(stale)) = commit(&world, &plan, "").await.outcome else {
            panic!("it was paid");
        };
        assert_eq!(stale.added_count, 3);
        assert!(stale.added_issue_ids.contains(&third.id.to_string()));
        let paid = run(&world, false).await.unwrap();
        assert_eq!(paid.plan.unwrap().item_count, count + 3);
        world.check(i64::try_from(PAYEES).unwrap() + 1, count + 3).await;
    }
}
