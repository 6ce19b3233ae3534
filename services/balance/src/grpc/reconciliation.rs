//! Comparisons and statements over gRPC.

use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::Method;
use quittance_proto::balance::v1 as proto;
use quittance_proto::balance::v1::reconciliation_service_server::ReconciliationService;
use quittance_proto::common::v1 as common;
use tonic::{Request, Response, Status};

use super::convert::{money, time};
use crate::app::{
    Balances, ComparedSum, Finding, FindingKind, Format, Reconciliation, ReconciliationError,
    Statement,
};
use crate::domain::bank::Columns;
use crate::store::{Imported, MatchedLine, UnmatchedPayout};

#[tonic::async_trait]
impl ReconciliationService for Balances {
    async fn get_reconciliation(
        &self,
        request: Request<proto::GetReconciliationRequest>,
    ) -> Result<Response<proto::GetReconciliationResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let found = self.last_reconciliation(&ctx).await?;
        let reconciliation = found.map(reconciliation);
        Ok(Response::new(proto::GetReconciliationResponse { reconciliation }))
    }

    async fn reconcile(
        &self,
        request: Request<proto::ReconcileRequest>,
    ) -> Result<Response<proto::ReconcileResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let (balances, deep) = (self.clone(), request.into_inner().deep);
        let work = async move {
            let care = balances.care(deep);
            let report = Balances::reconcile(&balances, &ctx, ctx.organization(), care).await;
            report.map_err(ReconciliationError::from)
        };
        let reconciliation = Some(reconciliation(detached(work).await?));
        Ok(Response::new(proto::ReconcileResponse { reconciliation }))
    }

    async fn import_statement(
        &self,
        request: Request<proto::ImportStatementRequest>,
    ) -> Result<Response<proto::ImportStatementResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let method = method(message.method());
        let format = format(message.format(), message.mapping.unwrap_or_default())?;
        let (balances, content) = (self.clone(), message.content);
        let work = async move { balances.import_statement(&ctx, &format, &content, method).await };
        let Statement { imported, lines, already } = detached(work).await?;
        Ok(Response::new(proto::ImportStatementResponse {
            statement: Some(statement(imported)),
            lines: lines.into_iter().map(line).collect(),
            already_imported: already,
        }))
    }

    async fn list_statements(
        &self,
        request: Request<proto::ListStatementsRequest>,
    ) -> Result<Response<proto::ListStatementsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListStatementsRequest { page_size, page_token } = request.into_inner();
        let (found, next) = self.imported_statements(&ctx, page_size, &page_token).await?;
        let statements = found.into_iter().map(statement).collect();
        Ok(Response::new(proto::ListStatementsResponse { statements, next_page_token: next }))
    }

    async fn get_imported_statement(
        &self,
        request: Request<proto::GetImportedStatementRequest>,
    ) -> Result<Response<proto::GetImportedStatementResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = &request.get_ref().statement_id;
        let id = id.parse().map_err(|_| invalid("statement_id", "must be a UUID"))?;
        let Statement { imported, lines, .. } = self.imported_statement(&ctx, id).await?;
        Ok(Response::new(proto::GetImportedStatementResponse {
            statement: Some(statement(imported)),
            lines: lines.into_iter().map(line).collect(),
        }))
    }
}

fn method(method: common::Method) -> Option<Method> {
    use common::Method as Wire;
    match method {
        Wire::Unspecified => None,
        Wire::Kaspi => Some(Method::Kaspi),
        Wire::Bank => Some(Method::Bank),
        Wire::Cash => Some(Method::Cash),
        Wire::Ach => Some(Method::Ach),
        Wire::Paypal => Some(Method::Paypal),
        Wire::Stripe => Some(Method::Stripe),
    }
}

fn format(format: proto::StatementFormat, mapping: proto::CsvMapping) -> Result<Format, Status> {
    match format {
        proto::StatementFormat::Camt053 => Ok(Format::Camt053),
        proto::StatementFormat::Csv => Ok(Format::Csv(columns(mapping)?)),
        proto::StatementFormat::Unspecified => Err(invalid("format", "must be csv or camt053")),
    }
}

fn columns(mapping: proto::CsvMapping) -> Result<Columns, Status> {
    for (field, column) in [
        ("date_column", &mapping.date_column),
        ("amount_column", &mapping.amount_column),
        ("reference_column", &mapping.reference_column),
    ] {
        if column.is_empty() {
            return Err(invalid(field, "must name a column"));
        }
    }
    Ok(Columns {
        date: mapping.date_column,
        amount: mapping.amount_column,
        reference: mapping.reference_column,
        currency: mapping.currency_column,
        default_currency: mapping.currency_code,
        counterparty: mapping.counterparty_column,
        delimiter: mapping.delimiter,
        date_format: mapping.date_format,
        decimal_comma: mapping.decimal_comma,
        outgoing_positive: mapping.outgoing_positive,
    })
}

fn reconciliation(report: Reconciliation) -> proto::Reconciliation {
    proto::Reconciliation {
        run_id: report.id.to_string(),
        start_time: Some(time(report.started_at)),
        finish_time: Some(time(report.finished_at)),
        deep: report.deep,
        sums: report.sums.into_iter().map(sum).collect(),
        findings: report.findings.into_iter().map(finding).collect(),
        drift_count: report.drift,
        under_way_count: report.under_way,
        checked_count: report.checked,
    }
}

fn sum(sum: ComparedSum) -> proto::ComparedSum {
    proto::ComparedSum {
        entity: sum.entity,
        state: sum.state,
        currency_code: sum.currency,
        our_count: sum.ours.0,
        our_minor: sum.ours.1,
        their_count: sum.theirs.0,
        their_minor: sum.theirs.1,
    }
}

fn finding(finding: Finding) -> proto::Finding {
    let kind = match finding.kind {
        FindingKind::Missing => proto::FindingKind::Missing,
        FindingKind::Late => proto::FindingKind::Late,
        FindingKind::Different => proto::FindingKind::Different,
        FindingKind::Unknown => proto::FindingKind::Unknown,
        FindingKind::Sum => proto::FindingKind::Sum,
        FindingKind::Ledger => proto::FindingKind::Ledger,
    };
    proto::Finding {
        kind: kind.into(),
        entity: finding.entity,
        entity_id: finding.id.map(|id| id.to_string()).unwrap_or_default(),
        ours: finding.ours,
        theirs: finding.theirs,
    }
}

fn statement(imported: Imported) -> proto::ImportedStatement {
    let format = match imported.format.as_str() {
        "camt053" => proto::StatementFormat::Camt053,
        _ => proto::StatementFormat::Csv,
    };
    proto::ImportedStatement {
        statement_id: imported.id.to_string(),
        format: format.into(),
        digest: imported.digest,
        account: imported.account,
        first_day: imported.first_day,
        last_day: imported.last_day,
        line_count: imported.line_count,
        matched_count: imported.matched_count,
        unmatched_payouts: imported.unmatched.into_iter().map(unmatched).collect(),
        imported_by: imported.member.to_string(),
        import_time: Some(time(imported.at)),
    }
}

fn unmatched(payout: UnmatchedPayout) -> proto::UnmatchedPayout {
    proto::UnmatchedPayout {
        payout_id: payout.id.to_string(),
        paid_on: payout.paid_on,
        amount: Some(common::Money { minor_units: payout.minor, currency_code: payout.currency }),
        reference: payout.reference,
    }
}

fn line(line: MatchedLine) -> proto::BankLine {
    proto::BankLine {
        number: line.number,
        booked_on: line.booked_on,
        amount: Some(money(line.amount)),
        reference: line.reference,
        counterparty: line.counterparty,
        matched_by: line.matched_by,
        payout_ids: line.payouts.iter().map(ToString::to_string).collect(),
    }
}
