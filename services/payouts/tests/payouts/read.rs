//! Who sees what.

use quittance_kernel::{OrganizationId, Role};
use quittance_proto::audit::v1 as audit;
use quittance_proto::payouts::v1 as proto;

use crate::world::{World, batch, group, paid, paid_issue, problem, single, somebody, worlds};

async fn list(
    world: &World,
    who: &quittance_kernel::Principal,
    change: impl FnOnce(&mut proto::ListPayoutsRequest),
) -> proto::ListPayoutsResponse {
    let mut message = proto::ListPayoutsRequest::default();
    change(&mut message);
    world.payouts.clone().list_payouts(world.signed(who, message)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_payee_sees_their_own_payouts_and_nobody_elses() {
    for world in worlds().await {
        let mine = world.issue(5);
        let hers = world.facts.approved(world.madina, 6, "KZT");
        let answer = paid(world.batch(batch(vec![group(&[mine, hers])])).await.unwrap());
        let mut aibek = somebody(world.admin.organization, &[Role::Member]);
        aibek.member = world.aibek;
        let get = |who: &quittance_kernel::Principal, place: usize| {
            let payout_id = answer.groups[place].payout_id.clone();
            let request = world.signed(who, proto::GetPayoutRequest { payout_id });
            let mut client = world.payouts.clone();
            async move { client.get_payout(request).await }
        };
        let own = get(&aibek, 0).await.unwrap().into_inner();
        assert_eq!(own.items.len(), 1);
        assert_eq!(own.payout.unwrap().batch_id, answer.batch_id);
        assert_eq!(problem(get(&aibek, 1).await).reason, "PAYOUT_NOT_FOUND");
        assert!(get(&world.admin, 1).await.is_ok());
        let stranger = somebody(OrganizationId::new(), &[Role::Admin]);
        assert_eq!(problem(get(&stranger, 0).await).reason, "PAYOUT_NOT_FOUND");

        assert_eq!(list(&world, &world.admin, |_| ()).await.payouts.len(), 2);
        assert_eq!(list(&world, &aibek, |_| ()).await.payouts.len(), 1);
        assert_eq!(list(&world, &stranger, |_| ()).await.payouts.len(), 0);
        let madina = world.madina.to_string();
        let curious = list(&world, &aibek, |message| message.payee_id = madina).await;
        assert_eq!(curious.payouts.len(), 0);
    }
}

#[tokio::test]
async fn payouts_are_listed_page_by_page_the_newest_first() {
    for world in worlds().await {
        let mut made = Vec::new();
        for _ in 0..5 {
            let answer = world.pay(&world.admin, single(world.issue(5), "")).await.unwrap();
            made.push(paid_issue(answer).payout_id);
        }
        made.reverse();
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(&world, &world.admin, |message| {
                message.page_size = 2;
                message.page_token.clone_from(&token);
            })
            .await;
            seen.extend(page.payouts.into_iter().map(|payout| payout.payout_id));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, made);
        let message = proto::ListPayoutsRequest { page_token: "x".into(), ..Default::default() };
        let refused = world.payouts.clone().list_payouts(world.signed(&world.admin, message)).await;
        assert_eq!(problem(refused).reason, "PAGE_TOKEN_INVALID");
        let state = proto::PayoutState::Void.into();
        assert!(
            list(&world, &world.admin, |message| message.state = state).await.payouts.is_empty()
        );
    }
}

/// Puts approved earnings of three payees into the queue.
async fn fill(world: &World) {
    let organization = world.admin.organization.0.simple();
    let (prefix, cast) = if world.db.is_postgres() { ("'", "'::uuid") } else { ("X'", "'") };
    for number in 1..=6 {
        let (payee, currency) = (number % 3, if number > 3 { "USD" } else { "KZT" });
        let uuid = |kind: u8, number: i64| format!("{prefix}{kind:02x}{number:030x}{cast}");
        world
            .execute(&format!(
                "INSERT INTO earnings (id, organization_id, source_kind, source_id, cycle_id, payee_id, \
                 amount_minor, currency, status, version, source_version, payout_id, created_at, \
                 updated_at) VALUES ({}, {prefix}{organization}{cast}, 'issue', {}, {}, {}, \
                 {number}, '{currency}', 'approved', 1, 1, NULL, \
                 '2026-05-08 12:00:00+00:00', '2026-05-08 12:00:00+00:00')",
                uuid(1, number),
                uuid(2, number),
                uuid(3, 1),
                uuid(4, payee),
            ))
            .await;
    }
}

#[tokio::test]
async fn the_pay_queue_groups_by_payee() {
    for world in worlds().await {
        fill(&world).await;
        let queue = |page_size: i32, page_token: String| {
            let message = proto::ListPayQueueRequest { page_size, page_token };
            let request = world.signed(&world.admin, message);
            let mut client = world.payouts.clone();
            async move { client.list_pay_queue(request).await.unwrap().into_inner() }
        };
        let first = queue(2, String::new()).await;
        assert_eq!(first.entries.len(), 2);
        assert_eq!(first.entries[0].issue_count, 2);
        assert_eq!(first.entries[0].issue_ids.len(), 2);
        assert_eq!(first.entries[0].totals.len(), 2);
        let sums: Vec<_> = first
            .totals
            .iter()
            .map(|t| (t.amount.as_ref().unwrap().minor_units, t.count))
            .collect();
        assert_eq!(sums, [(6, 3), (15, 3)]);
        let second = queue(2, first.next_page_token).await;
        assert_eq!(second.entries.len(), 1);
        assert!(second.next_page_token.is_empty());
        let stranger = somebody(OrganizationId::new(), &[Role::Finance]);
        let request = world.signed(&stranger, proto::ListPayQueueRequest::default());
        let empty = world.payouts.clone().list_pay_queue(request).await.unwrap().into_inner();
        assert!(empty.entries.is_empty() && empty.totals.is_empty());
    }
}

#[tokio::test]
async fn all_earnings_are_streamed_in_order() {
    for world in worlds().await {
        let issues: Vec<_> = (0..1_001).map(|_| world.issue(5)).collect();
        paid(world.batch(batch(vec![group(&issues)])).await.unwrap());
        fill(&world).await;
        let service = somebody(world.admin.organization, &[Role::Service]);
        let request = world.signed(&service, proto::StreamEarningsRequest::default());
        let mut stream = world.payouts.clone().stream_earnings(request).await.unwrap().into_inner();
        let mut earnings = Vec::new();
        while let Some(page) = stream.message().await.unwrap() {
            earnings.extend(page.earnings);
        }
        assert_eq!(earnings.len(), 1_007);
        assert!(earnings.is_sorted_by(|a, b| a.issue_id < b.issue_id));
        let paid = earnings.iter().filter(|earning| earning.state() == proto::EarningState::Paid);
        assert!(paid.clone().all(|e| e.reference == "KASPI-1" && e.pay_time.is_some()));
        assert_eq!(paid.count(), 1_001);
    }
}

#[tokio::test]
async fn the_audit_log_is_read_by_those_who_may() {
    for world in worlds().await {
        let issue = world.issue(5);
        paid_issue(world.pay(&world.admin, single(issue, "")).await.unwrap());
        let read = |who: &quittance_kernel::Principal, message: audit::ListAuditEntriesRequest| {
            let request = world.signed(who, message);
            let mut client = world.audit.clone();
            async move { client.list_audit_entries(request).await }
        };
        let page = audit::ListAuditEntriesRequest { page_size: 1, ..Default::default() };
        let first = read(&world.admin, page.clone()).await.unwrap().into_inner();
        assert_eq!(first.entries[0].action, "payout.paid");
        assert_eq!(first.entries[0].actor_id, world.admin.member.to_string());
        let page = audit::ListAuditEntriesRequest { page_token: first.next_page_token, ..page };
        let second = read(&world.admin, page).await.unwrap().into_inner();
        assert_eq!(second.entries[0].action, "payout.issue_paid");
        assert!(second.next_page_token.is_empty());
        let of = audit::ListAuditEntriesRequest {
            entity_id: second.entries[0].entity_id.clone(),
            ..Default::default()
        };
        assert_eq!(read(&world.admin, of).await.unwrap().into_inner().entries.len(), 1);
        let member = somebody(world.admin.organization, &[Role::Member]);
        assert!(read(&member, audit::ListAuditEntriesRequest::default()).await.is_err());
    }
}
