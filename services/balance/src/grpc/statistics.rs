//! Statistics over gRPC.

use quittance_chassis::grpc::caller;
use quittance_chassis::problem::invalid;
use quittance_proto::balance::v1 as proto;
use quittance_proto::balance::v1::statistics_service_server::StatisticsService;
use tonic::{Request, Response, Status};

use super::convert::{money, optional_instant, time};
use crate::app::Balances;
use crate::domain::{Interval, start_of};

#[tonic::async_trait]
impl StatisticsService for Balances {
    async fn get_earnings_over_time(
        &self,
        request: Request<proto::GetEarningsOverTimeRequest>,
    ) -> Result<Response<proto::GetEarningsOverTimeResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::GetEarningsOverTimeRequest { interval, from, to } = request.into_inner();
        let interval = match proto::StatisticsInterval::try_from(interval) {
            Ok(proto::StatisticsInterval::Unspecified | proto::StatisticsInterval::Day) => {
                Interval::Day
            }
            Ok(proto::StatisticsInterval::Week) => Interval::Week,
            Ok(proto::StatisticsInterval::Month) => Interval::Month,
            Err(_) => return Err(invalid("interval", "must be day, week or month")),
        };
        let (from, to) = (optional_instant("from", from)?, optional_instant("to", to)?);
        let flows = self.earnings_over_time(&ctx, interval, from, to).await?;
        let buckets = flows
            .into_iter()
            .map(|((day, currency), flow)| proto::EarningsBucket {
                start: Some(time(start_of(day))),
                currency_code: currency.code().to_owned(),
                paid_minor: flow.paid,
                paid_count: flow.paid_count,
                taken_back_minor: flow.taken_back,
                taken_back_count: flow.taken_back_count,
            })
            .collect();
        Ok(Response::new(proto::GetEarningsOverTimeResponse { buckets }))
    }

    async fn list_top_earners(
        &self,
        request: Request<proto::ListTopEarnersRequest>,
    ) -> Result<Response<proto::ListTopEarnersResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListTopEarnersRequest { currency_code, limit } = request.into_inner();
        let earners = self.top_earners(&ctx, &currency_code, limit).await?;
        let earners = earners
            .into_iter()
            .map(|(earner, count)| proto::RankedEarner {
                member_id: earner.member.to_string(),
                name: earner.name,
                earned: Some(money(earner.earned)),
                count,
            })
            .collect();
        Ok(Response::new(proto::ListTopEarnersResponse { earners }))
    }
}
