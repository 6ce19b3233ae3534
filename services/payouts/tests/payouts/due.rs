//! Schedules and holds behind the service's own edge, worked off in chunks.

use chrono::TimeDelta;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Ctx, MemberId, Principal, Role, Timestamp};
use quittance_payouts::DueChunk;
use quittance_proto::common::v1::{Method, Money};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::escrow_service_client::EscrowServiceClient;
use quittance_proto::payouts::v1::schedule_service_client::ScheduleServiceClient;
use uuid::Uuid;

use crate::rails::account;
use crate::world::{World, problem, somebody, worlds};

fn stamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.timestamp(), nanos: 0 }
}

fn now() -> Timestamp {
    quittance_chassis::clock::now()
}

/// Whoever keeps schedules, in the organization of the admin.
fn keeper(world: &World) -> Principal {
    somebody(world.admin.organization, &[Role::PlatformAdmin])
}

fn money(minor: i64) -> Money {
    Money { minor_units: minor, currency_code: "USD".to_owned() }
}

fn new(placement: Uuid, payee: MemberId, method: Method) -> proto::CreateScheduleRequest {
    proto::CreateScheduleRequest {
        placement_id: placement.to_string(),
        payee_id: payee.to_string(),
        amount: Some(money(100)),
        method: method.into(),
        scheduled_date: Some(stamp(now() - TimeDelta::minutes(5))),
        ..Default::default()
    }
}

async fn create(
    world: &World,
    who: &Principal,
    message: proto::CreateScheduleRequest,
) -> Result<proto::Schedule, tonic::Status> {
    let mut client = ScheduleServiceClient::new(world.connection());
    let answer = client.create_schedule(world.signed(who, message)).await?;
    Ok(answer.into_inner().schedule.unwrap())
}

async fn get(world: &World, who: &Principal, id: &str) -> proto::Schedule {
    let message = proto::GetScheduleRequest { schedule_id: id.to_owned() };
    let mut client = ScheduleServiceClient::new(world.connection());
    let answer = client.get_schedule(world.signed(who, message)).await.unwrap();
    answer.into_inner().schedule.unwrap()
}

async fn trigger(
    world: &World,
    who: &Principal,
    id: &str,
    key: &str,
) -> Result<proto::Schedule, tonic::Status> {
    let message =
        proto::TriggerScheduleRequest { request_id: key.to_owned(), schedule_id: id.to_owned() };
    let mut client = ScheduleServiceClient::new(world.connection());
    let answer = client.trigger_schedule(world.signed(who, message)).await?;
    Ok(answer.into_inner().schedule.unwrap())
}

async fn hold(
    world: &World,
    who: &Principal,
    message: proto::CreateHoldRequest,
) -> Result<proto::Hold, tonic::Status> {
    let mut client = EscrowServiceClient::new(world.connection());
    Ok(client.create_hold(world.signed(who, message)).await?.into_inner().hold.unwrap())
}

fn held(placement: Uuid, payee: MemberId) -> proto::CreateHoldRequest {
    proto::CreateHoldRequest {
        placement_id: placement.to_string(),
        payee_id: payee.to_string(),
        amount: Some(money(100)),
        reason: "a dispute".to_owned(),
        ..Default::default()
    }
}

async fn release(
    world: &World,
    who: &Principal,
    id: &str,
    minor: i64,
) -> Result<proto::ReleaseHoldResponse, tonic::Status> {
    let message = proto::ReleaseHoldRequest {
        hold_id: id.to_owned(),
        amount_minor: minor,
        reason: "settled".to_owned(),
        ..Default::default()
    };
    let mut client = EscrowServiceClient::new(world.connection());
    Ok(client.release_hold(world.signed(who, message)).await?.into_inner())
}

fn job(world: &World) -> Caller {
    let principal = Principal::service(world.admin.organization);
    let ctx = Ctx::new(principal, quittance_chassis::clock::now(), "job".to_owned());
    Caller::new(ctx, &String::new().into(), None)
}

/// Chunks until nothing is due.
async fn drain(world: &World, at: Timestamp, limit: u32) -> DueChunk {
    let mut sum = DueChunk::default();
    loop {
        let chunk = world.service.process_due_schedules(&job(world), at, limit).await.unwrap();
        if chunk.claimed == 0 {
            return sum;
        }
        sum.claimed += chunk.claimed;
        sum.processed += chunk.processed;
        sum.failed += chunk.failed;
        sum.retried += chunk.retried;
        sum.skipped += chunk.skipped;
        sum.submitted += chunk.submitted;
    }
}

async fn rounds(world: &World) {
    while world.service.round().await.unwrap() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_queued_once_and_the_rest_waits_for_its_date() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        for _ in 0..5 {
            create(&world, &who, new(placement, world.aibek, Method::Bank)).await.unwrap();
        }
        let later = proto::CreateScheduleRequest {
            guarantee_completion_date: Some(stamp(now() + TimeDelta::days(90))),
            ..new(placement, world.aibek, Method::Bank)
        };
        let later = create(&world, &who, later).await.unwrap();
        // Somebody else's organization, in the same run.
        let other = somebody(quittance_kernel::OrganizationId::new(), &[Role::PlatformAdmin]);
        let there = new(placement, MemberId::new(), Method::Kaspi);
        let there = create(&world, &other, there).await.unwrap();

        let done = drain(&world, now(), 4).await;
        assert_eq!((done.claimed, done.processed), (6, 6));
        assert_eq!(drain(&world, now(), 4).await, DueChunk::default());
        assert_eq!(get(&world, &who, &later.schedule_id).await.state, 1);
        let there = get(&world, &other, &there.schedule_id).await;
        assert_eq!(there.state(), proto::ScheduleState::Processed);
        assert!(!there.payout_id.is_empty() && there.process_time.is_some());
        for (sql, expected) in [
            ("SELECT count(*) FROM payout_schedules WHERE status = 'processed'", 6),
            ("SELECT count(*) FROM payouts WHERE state = 'approved' AND source = 'schedule'", 6),
            ("SELECT count(*) FROM payout_items WHERE live", 6),
            ("SELECT count(*) FROM earnings WHERE source_kind = 'schedule'", 6),
            ("SELECT count(DISTINCT organization_id) FROM payouts", 2),
            (
                "SELECT count(*) FROM payout_schedules s JOIN payouts p ON p.id = s.payout_id \
                 WHERE p.organization_id <> s.organization_id OR p.amount_minor <> s.amount_minor",
                0,
            ),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout_schedule.processed'", 6),
            ("SELECT count(*) FROM audit_log WHERE action = 'payout_schedule.processed'", 6),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.approved'", 6),
            ("SELECT count(*) FROM outbox WHERE kind = 'earning.approved'", 6),
            ("SELECT count(DISTINCT organization_id) FROM audit_log", 2),
            (
                "SELECT count(*) FROM audit_log a JOIN payout_schedules s ON s.id = a.entity_id \
                 WHERE a.organization_id <> s.organization_id",
                0,
            ),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_workers_process_each_schedule_once() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        for _ in 0..40 {
            create(&world, &who, new(placement, world.aibek, Method::Bank)).await.unwrap();
        }
        let at = now();
        let all = tokio::join!(
            drain(&world, at, 3),
            drain(&world, at, 3),
            drain(&world, at, 3),
            drain(&world, at, 3)
        );
        let processed = all.0.processed + all.1.processed + all.2.processed + all.3.processed;
        assert_eq!(processed, 40);
        assert_eq!(world.number("SELECT count(*) FROM payouts").await, 40);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'payout_schedule.processed'";
        assert_eq!(world.number(told).await, 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_failure_is_the_last_and_counted_once() {
    for world in worlds().await {
        let (who, payee) = (keeper(&world), MemberId::new());
        account(&world, payee, "acct_decline_1").await;
        let one = create(&world, &who, new(Uuid::now_v7(), payee, Method::Stripe)).await.unwrap();
        let id = &one.schedule_id;
        for (failures, hours) in [(1, 0), (2, 2), (3, 24)] {
            let at = now() + TimeDelta::hours(hours);
            assert_eq!(drain(&world, at, 10).await.submitted, 1, "{failures}");
            assert_eq!(get(&world, &who, id).await.state(), proto::ScheduleState::Processing);
            rounds(&world).await;
            let seen = get(&world, &who, id).await;
            assert_eq!(seen.retry_count, failures);
            assert!(!seen.failure_reason.is_empty());
            let over = failures == 3;
            assert_eq!(seen.state() == proto::ScheduleState::Failed, over);
            // Not before its pause is over.
            assert_eq!(drain(&world, at, 10).await.claimed, 0);
        }
        assert_eq!(drain(&world, now() + TimeDelta::days(9), 10).await.claimed, 0);
        for (sql, expected) in [
            ("SELECT count(*) FROM outbox WHERE kind = 'payout_schedule.failed'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout_schedule.updated'", 2),
            ("SELECT count(*) FROM payout_items WHERE live", 0),
            ("SELECT count(*) FROM payouts WHERE state = 'failed'", 3),
            ("SELECT count(*) FROM earnings WHERE source_kind = 'schedule'", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
        // An admin counts anew; the account is good by then.
        account(&world, payee, "acct_ok_1").await;
        let again = trigger(&world, &who, id, "once").await.unwrap();
        assert_eq!((again.state(), again.retry_count), (proto::ScheduleState::Processing, 0));
        let replayed = trigger(&world, &who, id, "once").await.unwrap();
        assert_eq!(replayed.version, again.version);
        rounds(&world).await;
        let seen = get(&world, &who, id).await;
        assert_eq!(seen.state(), proto::ScheduleState::Processed);
        for (sql, expected) in [
            ("SELECT count(*) FROM outbox WHERE kind = 'payout_schedule.triggered'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'earning.paid'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.issue_paid'", 0),
            ("SELECT count(*) FROM payouts WHERE state = 'paid' AND source = 'schedule'", 1),
            ("SELECT count(*) FROM sandbox_transfers WHERE moved", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_without_an_account_is_a_failure_and_a_hold_is_none() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        create(&world, &who, new(Uuid::now_v7(), world.aibek, Method::Stripe)).await.unwrap();
        let kept = create(&world, &who, new(placement, world.aibek, Method::Bank)).await.unwrap();
        hold(&world, &who, held(placement, world.madina)).await.unwrap();
        let done = drain(&world, now(), 10).await;
        assert_eq!((done.claimed, done.retried, done.skipped, done.processed), (2, 1, 1, 0));
        let seen = get(&world, &who, &kept.schedule_id).await;
        assert_eq!((seen.waiting_for.as_str(), seen.retry_count), ("hold_active", 0));
        let refused = problem(trigger(&world, &who, &kept.schedule_id, "").await);
        assert_eq!(refused.reason, "HOLD_ACTIVE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_makes_what_it_blocked_due_in_the_same_run() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        let blocked =
            create(&world, &who, new(placement, world.aibek, Method::Bank)).await.unwrap();
        let timed = proto::CreateHoldRequest {
            release_scheduled_date: Some(stamp(now() + TimeDelta::hours(3))),
            ..held(placement, world.aibek)
        };
        let timed = hold(&world, &who, timed).await.unwrap();
        let own = proto::CreateHoldRequest {
            schedule_id: blocked.schedule_id.clone(),
            ..held(placement, world.aibek)
        };
        let own = hold(&world, &who, own).await.unwrap();
        assert_eq!(drain(&world, now(), 10).await.skipped, 1);
        // Two keep it back: the first release frees nothing.
        let first = release(&world, &who, &own.hold_id, 0).await.unwrap();
        assert_eq!(first.unblocked_schedules, 0);
        assert_eq!(drain(&world, now(), 10).await.claimed, 0);

        let at = now() + TimeDelta::hours(4);
        let chunk = world.service.release_due_holds(&job(&world), at, 10).await.unwrap();
        assert_eq!((chunk.claimed, chunk.processed, chunk.unblocked), (1, 1, 1));
        let none = world.service.release_due_holds(&job(&world), at, 10).await.unwrap();
        assert_eq!(none.claimed, 0);
        assert_eq!(drain(&world, at, 10).await.processed, 1);
        let seen = get(&world, &who, &blocked.schedule_id).await;
        assert_eq!(seen.state(), proto::ScheduleState::Processed);
        for (sql, expected) in [
            ("SELECT count(*) FROM outbox WHERE kind = 'escrow_hold.auto_released'", 1),
            ("SELECT count(*) FROM outbox WHERE kind = 'escrow_hold.released'", 1),
            ("SELECT count(*) FROM payout_items WHERE live", 1),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
        let again = problem(release(&world, &who, &timed.hold_id, 0).await);
        assert_eq!(again.reason, "INVALID_TRANSITION");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_hold_sum_up_and_its_money_is_paid_when_it_says_how() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        let paying = proto::CreateHoldRequest {
            method: Method::Bank.into(),
            ..held(placement, world.aibek)
        };
        let one = hold(&world, &who, paying).await.unwrap();
        let part = release(&world, &who, &one.hold_id, 30).await.unwrap();
        let (left, part) = (part.hold.unwrap(), part.part.unwrap());
        assert_eq!(left.amount.unwrap().minor_units, 70);
        assert_eq!(part.amount.unwrap().minor_units, 30);
        assert_eq!(part.parent_id, one.hold_id);
        assert_eq!(problem(release(&world, &who, &one.hold_id, 71).await).reason, "INVALID_AMOUNT");
        assert_eq!(drain(&world, now(), 10).await.processed, 1);
        release(&world, &who, &one.hold_id, 70).await.unwrap();
        assert_eq!(drain(&world, now(), 10).await.processed, 1);
        let paid = "SELECT CAST(SUM(amount_minor) AS BIGINT) FROM payouts WHERE state = 'approved'";
        assert_eq!(world.number(paid).await, 100);

        let message = proto::GetHeldTotalRequest { placement_id: placement.to_string() };
        let mut client = EscrowServiceClient::new(world.connection());
        let totals = client.get_held_total(world.signed(&who, message)).await.unwrap();
        let total = &totals.into_inner().totals[0];
        assert_eq!((total.active_minor, total.released_minor, total.active_count), (0, 100, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_platform_admins_of_the_organization_reach_them_and_never_their_own() {
    for world in worlds().await {
        let (who, placement) = (keeper(&world), Uuid::now_v7());
        let message = || new(placement, world.aibek, Method::Bank);
        let refused = problem(create(&world, &world.admin, message()).await);
        assert_eq!(refused.reason, "ROLE_REQUIRED");
        let own = problem(create(&world, &who, new(placement, who.member, Method::Bank)).await);
        assert_eq!(own.reason, "SELF_APPROVAL");
        let one = create(&world, &who, message()).await.unwrap();
        let other = somebody(quittance_kernel::OrganizationId::new(), &[Role::PlatformAdmin]);
        let away = problem(trigger(&world, &other, &one.schedule_id, "").await);
        assert_eq!(away.reason, "SCHEDULE_NOT_FOUND");
        let foreign = proto::CreateHoldRequest {
            schedule_id: one.schedule_id.clone(),
            ..held(Uuid::now_v7(), world.aibek)
        };
        assert_eq!(problem(hold(&world, &who, foreign).await).reason, "INVALID_FIELD");
        let cancel = proto::CancelScheduleRequest {
            schedule_id: one.schedule_id.clone(),
            ..Default::default()
        };
        let mut client = ScheduleServiceClient::new(world.connection());
        let gone = client.cancel_schedule(world.signed(&who, cancel.clone())).await.unwrap();
        let gone = gone.into_inner().schedule.unwrap();
        assert_eq!(gone.state(), proto::ScheduleState::Cancelled);
        let twice = problem(client.cancel_schedule(world.signed(&who, cancel)).await);
        assert_eq!(twice.reason, "INVALID_TRANSITION");
        assert_eq!(drain(&world, now(), 10).await.claimed, 0);
    }
}
