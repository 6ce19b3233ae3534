//! Partners over gRPC: each commission is covered once, each payout takes its steps once.

use prost_types::Timestamp;
use quittance_kernel::{MemberId, OrganizationId, Principal, Role};
use quittance_proto::common::v1::Money;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::commission_rate::Rate;
use quittance_proto::payouts::v1::commission_service_client::CommissionServiceClient;
use quittance_proto::payouts::v1::partner_payout_service_client::PartnerPayoutServiceClient;
use tonic::{Code, Status};

use crate::world::{World, problem, somebody, worlds};

#[expect(clippy::unnecessary_wraps, reason = "as the messages have it")]
fn usd(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, currency_code: "USD".to_owned() })
}

async fn rule(world: &World, who: &Principal, points: i32, holding_days: i32) {
    let rate = Some(proto::CommissionRate { rate: Some(Rate::BasisPoints(points)) });
    let message = proto::CreateCommissionRuleRequest { rate, holding_days, ..Default::default() };
    let mut client = CommissionServiceClient::new(world.connection());
    client.create_commission_rule(world.signed(who, message)).await.unwrap();
}

async fn sell(
    world: &World,
    partner: MemberId,
    external_id: &str,
    minor: i64,
) -> Result<proto::Attribution, Status> {
    let message = proto::CreateAttributionRequest {
        external_id: external_id.to_owned(),
        partner_id: partner.to_string(),
        partner_name: "Acme".to_owned(),
        amount: usd(minor),
        // 2026-02-09
        occur_time: Some(Timestamp { seconds: 1_770_638_400, nanos: 0 }),
        ..Default::default()
    };
    let mut client = CommissionServiceClient::new(world.connection());
    let reply = client.create_attribution(world.signed(&world.admin, message)).await?;
    Ok(reply.into_inner().attribution.unwrap())
}

async fn refund(world: &World, sale: &proto::Attribution, amount_minor: i64) -> i64 {
    let attribution_id = sale.attribution_id.clone();
    let message =
        proto::RefundAttributionRequest { attribution_id, amount_minor, ..Default::default() };
    let mut client = CommissionServiceClient::new(world.connection());
    let reply = client.refund_attribution(world.signed(&world.admin, message)).await.unwrap();
    reply.into_inner().clawback.unwrap().minor_units
}

async fn create_payouts(
    world: &World,
    who: &Principal,
    period: &str,
) -> Result<proto::CreateCommissionPayoutsResponse, Status> {
    let message =
        proto::CreateCommissionPayoutsRequest { period: period.to_owned(), ..Default::default() };
    let mut client = CommissionServiceClient::new(world.connection());
    Ok(client.create_commission_payouts(world.signed(who, message)).await?.into_inner())
}

fn amounts(payouts: &[proto::PartnerPayout]) -> Vec<i64> {
    let amount = |of: &proto::PartnerPayout| of.payout.clone().unwrap().amount.unwrap().minor_units;
    payouts.iter().map(amount).collect()
}

fn id(payout: &proto::PartnerPayout) -> String {
    payout.payout.clone().unwrap().payout_id
}

async fn reject(world: &World, payout_id: String) -> Result<(), Status> {
    let notes = "wrong period".to_owned();
    let message = proto::RejectPartnerPayoutRequest { payout_id, notes, ..Default::default() };
    let mut client = PartnerPayoutServiceClient::new(world.connection());
    client.reject_partner_payout(world.signed(&world.admin, message)).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_calls_at_once_cover_each_commission_once() {
    for world in worlds().await {
        rule(&world, &world.admin, 1_000, 0).await;
        for number in 0..20 {
            let partner = if number % 2 == 0 { world.aibek } else { world.madina };
            sell(&world, partner, &format!("sale-{number}"), 10_000).await.unwrap();
        }
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let period = "2026-Q1".to_owned();
                let message =
                    proto::CreateCommissionPayoutsRequest { period, ..Default::default() };
                let request = world.signed(&world.admin, message);
                let mut client = CommissionServiceClient::new(world.connection());
                tokio::spawn(async move { client.create_commission_payouts(request).await })
            })
            .collect();
        let mut made = Vec::new();
        for call in calls {
            match call.await.unwrap() {
                Ok(reply) => made.extend(amounts(&reply.into_inner().payouts)),
                // Whoever lost every time is told so, and has written nothing.
                Err(status) => assert_eq!(status.code(), Code::Aborted, "{status}"),
            }
        }
        assert_eq!(made, [10_000, 10_000]);
        for (what, expected) in [
            ("SELECT count(*) FROM payouts", 2),
            ("SELECT count(*) FROM commission_items WHERE live", 20),
            ("SELECT count(DISTINCT commission_id) FROM commission_items", 20),
            ("SELECT count(*) FROM commissions WHERE payout_id IS NULL", 0),
            ("SELECT count(*) FROM payout_items WHERE live", 2),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.created'", 2),
            ("SELECT count(*) FROM outbox WHERE kind = 'commission.created'", 20),
            ("SELECT count(*) FROM audit_log WHERE action = 'payout.created'", 2),
        ] {
            assert_eq!(world.number(what).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn the_database_refuses_to_cover_a_commission_twice() {
    for world in worlds().await {
        rule(&world, &world.admin, 1_000, 0).await;
        sell(&world, world.aibek, "sale-1", 10_000).await.unwrap();
        create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        let copy = "INSERT INTO commission_items (id, organization_id, payout_id, commission_id, \
                    amount_minor, live) SELECT organization_id, organization_id, payout_id, \
                    commission_id, amount_minor, live FROM commission_items";
        let statement = sea_orm::Statement::from_string(world.db.backend(), copy);
        let refused = sea_orm::ConnectionTrait::execute_raw(world.db.conn(), statement).await;
        assert!(refused.unwrap_err().to_string().to_lowercase().contains("unique"));
    }
}

#[tokio::test]
async fn a_sale_is_recorded_once_and_needs_a_rule() {
    for world in worlds().await {
        let early = problem(sell(&world, world.aibek, "sale-1", 10_000).await);
        assert_eq!(early.reason, "COMMISSION_RULE_MISSING");
        rule(&world, &world.admin, 1_250, 0).await;
        let sale = sell(&world, world.aibek, "sale-1", 999).await.unwrap();
        assert_eq!(sale.commission, usd(124), "rounded down");
        let again = problem(sell(&world, world.aibek, "sale-1", 999).await);
        assert_eq!(again.reason, "ATTRIBUTION_EXISTS");
        assert_eq!(world.number("SELECT count(*) FROM commissions").await, 1);
    }
}

#[tokio::test]
async fn a_clawback_larger_than_the_commissions_is_carried_over() {
    for world in worlds().await {
        rule(&world, &world.admin, 1_000, 0).await;
        let first = sell(&world, world.aibek, "sale-1", 10_000).await.unwrap();
        let made = create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        assert_eq!(amounts(&made.payouts), [1_000]);
        assert_eq!(refund(&world, &first, 0).await, -1_000);
        sell(&world, world.aibek, "sale-2", 4_000).await.unwrap();
        let made = create_payouts(&world, &world.admin, "2026-03").await.unwrap();
        assert!(made.payouts.is_empty());
        assert_eq!(made.carried_over[0].net, usd(-600));
        assert_eq!(made.carried_over[0].clawback_minor, -1_000);
        sell(&world, world.aibek, "sale-3", 10_000).await.unwrap();
        let made = create_payouts(&world, &world.admin, "2026-03").await.unwrap();
        assert_eq!(amounts(&made.payouts), [400]);
        assert!(made.carried_over.is_empty());
    }
}

#[tokio::test]
async fn a_rejected_payout_frees_its_commissions_for_another_one() {
    for world in worlds().await {
        rule(&world, &world.admin, 1_000, 0).await;
        sell(&world, world.aibek, "sale-1", 10_000).await.unwrap();
        let made = create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        reject(&world, id(&made.payouts[0])).await.unwrap();
        let again = problem(reject(&world, id(&made.payouts[0])).await);
        assert_eq!(again.reason, "INVALID_TRANSITION");
        assert_eq!(again.metadata["from"], "rejected");
        let made = create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        assert_eq!(amounts(&made.payouts), [1_000]);
        let live = "SELECT count(*) FROM payout_items WHERE live";
        assert_eq!(world.number(live).await, 1);
        let empty = create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        assert!(empty.payouts.is_empty());
    }
}

#[tokio::test]
async fn what_is_held_back_or_of_others_is_not_paid() {
    for world in worlds().await {
        rule(&world, &world.admin, 1_000, 365).await;
        sell(&world, world.aibek, "sale-1", 10_000).await.unwrap();
        let made = create_payouts(&world, &world.admin, "2026-02").await.unwrap();
        let year = 365 * 24 * 3_600;
        let late = world.number("SELECT count(*) FROM commissions WHERE payout_id IS NULL").await;
        // Held until 2027-02-09, or already due when this runs later than that.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let held = now.as_secs() < 1_770_638_400 + year;
        assert_eq!((made.payouts.is_empty(), late == 1), (held, held));
        let stranger = somebody(OrganizationId::new(), &[Role::Admin]);
        let made = create_payouts(&world, &stranger, "2026-Q4").await.unwrap();
        assert!(made.payouts.is_empty());
        let early = create_payouts(&world, &world.admin, "2026-01").await.unwrap();
        assert!(early.payouts.is_empty(), "the sale is later than the period");
    }
}
