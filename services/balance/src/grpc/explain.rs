//! Explanations and statements over gRPC.

use std::collections::BTreeMap;

use quittance_chassis::grpc::caller;
use quittance_kernel::Currency;
use quittance_proto::balance::v1 as proto;
use quittance_proto::balance::v1::explanation_service_server::ExplanationService;
use quittance_proto::common::v1 as common;
use tonic::{Request, Response, Status};

use super::convert::{method, money, optional_instant, severity, time};
use crate::app::{Balances, ExplainedLine, NamedStatement};
use crate::domain::{Statement, StatementLine, Sums, Told};

#[tonic::async_trait]
impl ExplanationService for Balances {
    async fn explain_balance(
        &self,
        request: Request<proto::ExplainBalanceRequest>,
    ) -> Result<Response<proto::ExplainBalanceResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ExplainBalanceRequest { figure, as_of, page_size, page_token } =
            request.into_inner();
        let as_of = optional_instant("as_of", as_of)?;
        let explained = self.explain(&ctx, &figure, as_of, page_size, &page_token).await?;
        Ok(Response::new(proto::ExplainBalanceResponse {
            totals: explained.totals.into_iter().map(money).collect(),
            lines: explained.lines.into_iter().map(line).collect(),
            next_page_token: explained.next,
            as_of: Some(time(explained.as_of)),
        }))
    }

    async fn get_statement(
        &self,
        request: Request<proto::GetStatementRequest>,
    ) -> Result<Response<proto::GetStatementResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let named = self.statement(&ctx, &request.into_inner().period).await?;
        Ok(Response::new(statement(named)))
    }
}

fn line(line: ExplainedLine) -> proto::ExplainedLine {
    proto::ExplainedLine {
        issue_id: line.issue.to_string(),
        title: line.title,
        cycle_id: line.share.cycle.to_string(),
        cycle_name: line.cycle_name,
        severity: line.share.severity.map_or(common::Severity::Unspecified, severity).into(),
        amount: Some(money(line.share.amount)),
        rule: line.share.rule,
        events: line.events.into_iter().map(event).collect(),
    }
}

fn event(told: Told) -> proto::BalanceEvent {
    proto::BalanceEvent {
        event_id: told.event.to_string(),
        event_type: told.kind,
        time: Some(time(told.at)),
    }
}

fn statement(named: NamedStatement) -> proto::GetStatementResponse {
    let NamedStatement { statement, cycles, member_name } = named;
    let Statement { period, opening, lines, closing } = statement;
    let all = |sums: BTreeMap<Currency, Sums>| {
        sums.into_iter().map(|(currency, sums)| figures(currency, sums)).collect()
    };
    let cycle_name = |line: &StatementLine| cycles.get(&line.cycle).cloned().unwrap_or_default();
    proto::GetStatementResponse {
        from: Some(time(period.from)),
        to: Some(time(period.to)),
        opening: all(opening),
        lines: lines.into_iter().map(|line| moved(cycle_name(&line), line)).collect(),
        closing: all(closing),
        member_name,
    }
}

fn moved(cycle_name: String, line: StatementLine) -> proto::StatementLine {
    proto::StatementLine {
        time: Some(time(line.at)),
        event_id: line.event.to_string(),
        event_type: line.kind,
        issue_id: line.issue.to_string(),
        title: line.title,
        cycle_name,
        change: Some(figures(line.currency, line.change)),
        rule: line.rule,
        method: line.method.map_or(common::Method::Unspecified, method).into(),
        reference: line.reference,
    }
}

fn figures(currency: Currency, sums: Sums) -> proto::StatementFigures {
    proto::StatementFigures {
        currency_code: currency.code().to_owned(),
        owed_minor: sums.pending,
        paid_minor: sums.earned,
        receivable_minor: sums.receivable,
    }
}
