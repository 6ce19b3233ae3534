//! Charts over a whole organization.

use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::read;
use quittance_kernel::{
    CycleId, MemberId, OrganizationId, PayoutStatus, Role, Severity, Timestamp,
};
use quittance_proto::balance::v1 as proto;
use tonic::Code;

use crate::events::{Work, member};
use crate::grpc::{Service, services};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn stamp(text: &str) -> ProtoTime {
    ProtoTime { seconds: at(text).timestamp(), nanos: 0 }
}

/// Start, paid and taken back.
type Bucket = (ProtoTime, i64, i64);

async fn chart(
    service: &mut Service,
    organization: OrganizationId,
    interval: proto::StatisticsInterval,
) -> Vec<Bucket> {
    let finance = service.caller(organization, MemberId::new(), Role::Finance);
    let request = proto::GetEarningsOverTimeRequest {
        interval: interval.into(),
        from: Some(stamp("2026-05-01T00:00:00Z")),
        to: Some(stamp("2026-06-02T00:00:00Z")),
    };
    let reply = service.statistics.get_earnings_over_time(finance.request(request)).await;
    let buckets = reply.unwrap().into_inner().buckets;
    let bucket = |b: proto::EarningsBucket| (b.start.unwrap(), b.paid_minor, b.taken_back_minor);
    buckets.into_iter().map(bucket).collect()
}

#[tokio::test]
async fn what_was_paid_and_taken_back_is_charted_by_day_week_and_month() {
    for mut service in services().await {
        let (organization, dana) = (OrganizationId::new(), MemberId::new());
        let work = |severity| Work::new(organization, dana, CycleId::new(), severity);
        // A Friday, the Sunday after it, and the first of the next month.
        let days = ["2026-05-08T23:59:59Z", "2026-05-10T00:00:00Z", "2026-06-01T00:00:00Z"];
        for day in days {
            service.given(&work(Severity::Low).paid(at(day))).await;
        }
        let void = work(Severity::High);
        service.given(&void.paid(at(days[0]))).await;
        let moved = Some(at(days[0]));
        service.given(&[void.earning(3, PayoutStatus::Void, moved, at(days[2]))]).await;

        let day = chart(&mut service, organization, proto::StatisticsInterval::Day).await;
        assert_eq!(
            day,
            [
                (stamp("2026-05-08T00:00:00Z"), 900_000, 0),
                (stamp("2026-05-10T00:00:00Z"), 100_000, 0),
                (stamp("2026-06-01T00:00:00Z"), 100_000, 800_000),
            ]
        );
        let week = chart(&mut service, organization, proto::StatisticsInterval::Week).await;
        assert_eq!(
            week,
            [
                (stamp("2026-05-04T00:00:00Z"), 1_000_000, 0),
                (stamp("2026-06-01T00:00:00Z"), 100_000, 800_000),
            ]
        );
        let month = chart(&mut service, organization, proto::StatisticsInterval::Month).await;
        assert_eq!(month[0], (stamp("2026-05-01T00:00:00Z"), 1_000_000, 0));
        let other = chart(&mut service, OrganizationId::new(), proto::StatisticsInterval::Day);
        assert_eq!(other.await, []);
        service.stop().await;
    }
}

#[tokio::test]
async fn the_best_earners_of_a_currency_come_first() {
    for mut service in services().await {
        let (organization, dana, aibek) = (OrganizationId::new(), MemberId::new(), MemberId::new());
        let noon = at("2026-05-08T12:00:00Z");
        service.given(&[member(organization, aibek, 1, "Aibek")]).await;
        for (who, severity) in
            [(dana, Severity::High), (aibek, Severity::Critical), (aibek, Severity::Low)]
        {
            service.given(&Work::new(organization, who, CycleId::new(), severity).paid(noon)).await;
        }
        let admin = service.caller(organization, dana, Role::Admin);
        let of = |currency: &str, limit| proto::ListTopEarnersRequest {
            currency_code: currency.into(),
            limit,
        };
        let top = service.statistics.list_top_earners(admin.request(of("KZT", 0))).await.unwrap();
        let top = top.into_inner().earners;
        let amounts: Vec<i64> =
            top.iter().map(|earner| earner.earned.as_ref().unwrap().minor_units).collect();
        assert_eq!(amounts, [1_600_000, 800_000]);
        assert_eq!((top[0].name.as_str(), top[0].count), ("Aibek", 2));
        let one = service.statistics.list_top_earners(admin.request(of("KZT", 1))).await.unwrap();
        assert_eq!(one.into_inner().earners.len(), 1);
        for (currency, limit) in [("tenge", 1), ("KZT", 101), ("KZT", -1)] {
            let refused = service.statistics.list_top_earners(admin.request(of(currency, limit)));
            assert_eq!(read(&refused.await.unwrap_err()).reason, "INVALID_FIELD");
        }
        let lead = service.caller(organization, dana, Role::Lead);
        let refused = service.statistics.list_top_earners(lead.request(of("KZT", 1))).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
        service.stop().await;
    }
}
