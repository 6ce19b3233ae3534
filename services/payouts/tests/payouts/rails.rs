//! Payouts that a provider executes, on the sandbox.

use std::time::Duration;

use quittance_kernel::{MemberId, Principal, Role};
use quittance_payouts::Policy;
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payout_account_service_client::PayoutAccountServiceClient;
use quittance_proto::payouts::v1::rail_service_client::RailServiceClient;

use crate::facts::Issue;
use crate::world::{World, batch, group, paid, problem, refused, somebody, worlds, worlds_with};

fn by_stripe(issues: &[Issue]) -> proto::PayGroup {
    proto::PayGroup { method: Method::Stripe.into(), reference: String::new(), ..group(issues) }
}

/// Gives a member an account, as they do themselves.
pub(crate) async fn account(world: &World, member: MemberId, account: &str) {
    let message = proto::SetPayoutAccountRequest {
        method: Method::Stripe.into(),
        account_id: account.to_owned(),
        ..Default::default()
    };
    let who = Principal { member, ..somebody(world.admin.organization, &[Role::Member]) };
    let mut client = PayoutAccountServiceClient::new(world.connection());
    client.set_payout_account(world.signed(&who, message)).await.unwrap();
}

/// A payee with an account and one approved issue.
async fn payee(world: &World, name: &str) -> (MemberId, Issue) {
    let member = MemberId::new();
    account(world, member, name).await;
    (member, world.facts.approved(member, 100, "USD"))
}

async fn progress(world: &World, batch: &str) -> proto::GetBatchResponse {
    let message = proto::GetBatchRequest { batch_id: batch.to_owned() };
    let request = world.signed(&world.admin, message);
    RailServiceClient::new(world.connection()).get_batch(request).await.unwrap().into_inner()
}

/// Works until the batch is over.
async fn settle(world: &World, batch: &str) -> proto::GetBatchResponse {
    for _ in 0..200 {
        world.service.round().await.unwrap();
        let seen = progress(world, batch).await;
        if seen.state != "processing" {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the batch does not end");
}

async fn state(world: &World, payout: &str) -> String {
    let sql = format!("SELECT state FROM payouts WHERE id = {}", literal(world, payout));
    text(world, &sql).await
}

/// SQLite keeps ids as blobs.
fn literal(world: &World, id: &str) -> String {
    if world.db.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.replace('-', "")) }
}

async fn text(world: &World, sql: &str) -> String {
    use sea_orm::ConnectionTrait as _;
    let statement = sea_orm::Statement::from_string(world.db.backend(), sql);
    let row = world.db.conn().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_items_three_in_a_hundred_fail_and_the_others_are_paid() {
    for world in worlds().await {
        let mut issues = Vec::new();
        for place in 0..100 {
            let ends = if place < 3 { "decline" } else { "ok" };
            let (member, first) = payee(&world, &format!("acct_{ends}_{place}")).await;
            issues.push(first);
            issues.extend((0..9).map(|_| world.facts.approved(member, 100, "USD")));
        }
        let started = paid(world.batch(batch(vec![by_stripe(&issues)])).await.unwrap());
        let seen = settle(&world, &started.batch_id).await;
        assert_eq!(seen.state, "partially_completed");
        for (sql, expected) in [
            ("SELECT count(*) FROM payouts WHERE state = 'paid' AND amount_minor = 1000", 97),
            ("SELECT count(*) FROM payouts WHERE state = 'failed' AND amount_minor = 1000", 3),
            ("SELECT count(*) FROM payout_items WHERE live", 970),
            ("SELECT count(*) FROM earnings WHERE status = 'paid'", 970),
            ("SELECT count(*) FROM earnings WHERE status = 'approved'", 30),
            ("SELECT count(*) FROM sandbox_transfers WHERE moved AND amount_minor = 1000", 97),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.issue_paid'", 970),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_payee_ends_as_their_account_says_and_is_paid_once() {
    for world in worlds().await {
        let names =
            ["acct_ok_1", "acct_decline_1", "acct_flaky_1", "acct_timeout_1", "acct_slow_1"];
        let mut issues = Vec::new();
        for name in names {
            issues.push(payee(&world, name).await.1);
        }
        let started = paid(world.batch(batch(vec![by_stripe(&issues)])).await.unwrap());
        let seen = progress(&world, &started.batch_id).await;
        assert_eq!((seen.state.as_str(), seen.counts[0].count), ("processing", 5));
        // Nothing is paid yet, and nothing can be paid in another way.
        assert_eq!(world.number("SELECT count(*) FROM earnings WHERE status = 'paid'").await, 0);
        let again = world.batch(batch(vec![group(&issues[..1])])).await.unwrap();
        assert_eq!(refused(again), [["already_in_payout"]]);

        let seen = settle(&world, &started.batch_id).await;
        assert_eq!(seen.state, "partially_completed");
        for (place, name) in names.iter().enumerate() {
            let wanted = if *name == "acct_decline_1" { "failed" } else { "paid" };
            assert_eq!(state(&world, &started.groups[place].payout_id).await, wanted, "{name}");
        }
        for (sql, expected) in [
            ("SELECT count(*) FROM sandbox_transfers WHERE moved", 4),
            ("SELECT count(DISTINCT payout_id) FROM sandbox_transfers WHERE moved", 4),
            ("SELECT count(*) FROM sandbox_transfers WHERE calls > 1", 0),
            ("SELECT count(*) FROM attempts WHERE account_id = 'acct_flaky_1'", 3),
            ("SELECT count(*) FROM attempts WHERE account_id = 'acct_timeout_1'", 1),
            ("SELECT count(*) FROM earnings WHERE status = 'paid'", 4),
            ("SELECT count(*) FROM payout_items WHERE live", 4),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.issue_paid'", 4),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.paid'", 4),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.failed'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.unknown'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.processing'", 5),
            ("SELECT count(*) FROM outbox WHERE kind = 'batch.partially_completed'", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
        // What failed is owed as before, and can be paid by hand.
        let by_hand = world.batch(batch(vec![group(&issues[1..2])])).await.unwrap();
        assert_eq!(paid(by_hand).groups.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_found_submitted_are_asked_for_and_sent_under_their_own_key() {
    for world in worlds().await {
        let (_, never) = payee(&world, "acct_ok_never").await;
        let (_, arrived) = payee(&world, "acct_ok_arrived").await;
        let order = batch(vec![by_stripe(&[never, arrived])]);
        let started = paid(world.batch(order).await.unwrap());
        // As a crash leaves them: one died before its call, one after.
        world.execute("UPDATE attempts SET state = 'submitted', version = version + 1").await;
        world
            .execute(
                "INSERT INTO sandbox_transfers (attempt_id, payout_id, account_id, amount_minor, \
                 currency, moved, retryable, code, calls, created_at) SELECT id, payout_id, \
                 account_id, amount_minor, currency, true, false, '', 1, created_at FROM attempts \
                 WHERE account_id = 'acct_ok_arrived'",
            )
            .await;
        assert_eq!(settle(&world, &started.batch_id).await.state, "completed");
        for (sql, expected) in [
            ("SELECT count(*) FROM attempts", 2),
            ("SELECT count(*) FROM attempts WHERE state = 'succeeded'", 2),
            ("SELECT count(*) FROM sandbox_transfers WHERE moved AND calls = 1", 2),
            ("SELECT count(*) FROM outbox WHERE kind = 'batch.completed'", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_pay_each_payee_once() {
    for world in worlds().await {
        let mut issues = Vec::new();
        for place in 0..20 {
            issues.push(payee(&world, &format!("acct_ok_{place}")).await.1);
        }
        let started = paid(world.batch(batch(vec![by_stripe(&issues)])).await.unwrap());
        let (one, other) = (world.service.clone(), world.service.clone());
        let (one, other) = tokio::join!(one.round(), other.round());
        one.unwrap();
        other.unwrap();
        assert_eq!(settle(&world, &started.batch_id).await.state, "completed");
        let moved = "SELECT count(*) FROM sandbox_transfers WHERE moved";
        assert_eq!(world.number(moved).await, 20);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'payout.issue_paid'";
        assert_eq!(world.number(told).await, 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_a_second_open_attempt() {
    use sea_orm::ConnectionTrait as _;
    for world in worlds().await {
        let (_, issue) = payee(&world, "acct_ok_1").await;
        paid(world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap());
        let second = "INSERT INTO attempts (id, organization_id, payout_id, number, rail, \
            account_id, amount_minor, currency, state, next_at, version, created_at, updated_at) \
            SELECT organization_id, organization_id, payout_id, 2, rail, account_id, amount_minor, \
            currency, 'submitted', next_at, 1, created_at, updated_at FROM attempts";
        let statement = sea_orm::Statement::from_string(world.db.backend(), second);
        let refused = world.db.conn().execute_raw(statement).await.unwrap_err().to_string();
        assert!(refused.to_lowercase().contains("unique"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_paid_is_said_before_anything_is_written() {
    for world in worlds().await {
        let without = world.facts.approved(world.aibek, 100, "USD");
        let (_, pending) = payee(&world, "acct_pending_1").await;
        let answer = world.batch(batch(vec![by_stripe(&[without, pending])])).await.unwrap();
        assert_eq!(refused(answer), [["payee_not_onboarded"], ["payee_not_onboarded"]]);
        assert_eq!(world.number("SELECT count(*) FROM payouts").await, 0);
        let mixed = world.batch(batch(vec![by_stripe(&[without]), group(&[pending])])).await;
        assert_eq!(problem(mixed).reason, "METHOD_NOT_ALLOWED");
        let netted =
            proto::BatchPayRequest { net_receivables: true, ..batch(vec![by_stripe(&[without])]) };
        assert_eq!(problem(world.batch(netted).await).reason, "INVALID_FIELD");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_sandbox_pays_nobody() {
    let policy = Policy { sandbox_closed: true, ..Policy::default() };
    for world in worlds_with(policy).await {
        let (_, issue) = payee(&world, "acct_ok_1").await;
        let answer = world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap();
        assert_eq!(refused(answer), [["payee_not_onboarded"]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payout_is_tried_again_once_its_account_is_right() {
    for world in worlds().await {
        let (member, issue) = payee(&world, "acct_decline_1").await;
        let started = paid(world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap());
        let payout = started.groups[0].payout_id.clone();
        let retry = |key: &str| {
            let (request_id, payout_id) = (key.to_owned(), payout.clone());
            let message = proto::RetryPayoutRequest { request_id, payout_id };
            let request = world.signed(&world.admin, message);
            let mut client = RailServiceClient::new(world.connection());
            async move { client.retry_payout(request).await }
        };
        assert_eq!(problem(retry("").await).reason, "INVALID_TRANSITION");
        assert_eq!(settle(&world, &started.batch_id).await.state, "failed");
        account(&world, member, "acct_pending_1").await;
        assert_eq!(problem(retry("").await).reason, "PAYEE_NOT_ONBOARDED");
        account(&world, member, "acct_ok_1").await;
        let key = uuid::Uuid::now_v7().to_string();
        retry(&key).await.unwrap();
        let again = retry(&key).await.unwrap();
        assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
        assert_eq!(state(&world, &payout).await, "processing");
        for _ in 0..3 {
            world.service.round().await.unwrap();
        }
        assert_eq!(state(&world, &payout).await, "paid");
        assert_eq!(world.number("SELECT count(*) FROM payout_items WHERE live").await, 1);
        assert_eq!(world.number("SELECT count(*) FROM attempts").await, 2);

        // What was paid in another way since is not paid again.
        let (_, issue) = payee(&world, "acct_decline_2").await;
        let started = paid(world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap());
        settle(&world, &started.batch_id).await;
        paid(world.batch(batch(vec![group(&[issue])])).await.unwrap());
        let payout_id = started.groups[0].payout_id.clone();
        let late = proto::RetryPayoutRequest { request_id: String::new(), payout_id };
        let mut client = RailServiceClient::new(world.connection());
        let late = client.retry_payout(world.signed(&world.admin, late.clone())).await;
        assert_eq!(problem(late).reason, "NO_LONGER_OWED");
        let stranger = somebody(world.admin.organization, &[Role::Member]);
        let mine = proto::RetryPayoutRequest { request_id: String::new(), payout_id: payout };
        let mine = client.retry_payout(world.signed(&stranger, mine)).await;
        assert_eq!(mine.unwrap_err().code(), tonic::Code::PermissionDenied);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_account_is_neither_paid_nor_tried_again_until_it_has_cooled_down() {
    let policy = Policy { account_cooldown_hours: 24, ..Policy::default() };
    for world in worlds_with(policy).await {
        let (member, issue) = payee(&world, "acct_decline_1").await;
        let started = paid(world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap());
        assert_eq!(settle(&world, &started.batch_id).await.state, "failed");
        account(&world, member, "acct_ok_1").await;
        let again = world.batch(batch(vec![by_stripe(&[issue])])).await.unwrap();
        assert_eq!(refused(again), [["account_cooling_down"]]);
        let payout_id = started.groups[0].payout_id.clone();
        let retry = proto::RetryPayoutRequest { request_id: String::new(), payout_id };
        let mut client = RailServiceClient::new(world.connection());
        let retry = client.retry_payout(world.signed(&world.admin, retry)).await;
        assert_eq!(problem(retry).reason, "ACCOUNT_COOLING_DOWN");
        assert_eq!(world.number("SELECT count(*) FROM sandbox_transfers WHERE moved").await, 0);
    }
}
