//! Statements of banks and providers, matched with payouts.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{File, Params, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Amount, Id, Page, ids, some, time};
use crate::state::Gateway;
use crate::words::Method;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(import))
        .routes(routes!(statements))
        .routes(routes!(statement))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    Csv,
    Camt053,
}

/// How the file is written. The columns are those of a CSV file.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Mapping {
    format: Format,
    /// How the payouts were paid that it is about; any when left out.
    method: Option<Method>,
    /// The name of the column with the booking date.
    date_column: Option<String>,
    /// The name of the column with the amount; negative went out.
    amount_column: Option<String>,
    /// The name of the column with the text that has the reference.
    reference_column: Option<String>,
    /// The name of the column with the currency; without it all lines are in `currency`.
    currency_column: Option<String>,
    currency: Option<String>,
    counterparty_column: Option<String>,
    /// One character; a comma when left out.
    delimiter: Option<String>,
    /// Such as `%d.%m.%Y`; `%Y-%m-%d` when left out.
    date_format: Option<String>,
    /// `1.234,56` instead of `1,234.56`.
    #[serde(default)]
    decimal_comma: bool,
    /// What went out is written as a positive amount.
    #[serde(default)]
    outgoing_positive: bool,
}

impl Mapping {
    fn message(self, content: Vec<u8>) -> wire::ImportStatementRequest {
        let format = match self.format {
            Format::Csv => wire::StatementFormat::Csv,
            Format::Camt053 => wire::StatementFormat::Camt053,
        };
        wire::ImportStatementRequest {
            format: format.into(),
            content: content.into(),
            mapping: Some(wire::CsvMapping {
                date_column: self.date_column.unwrap_or_default(),
                amount_column: self.amount_column.unwrap_or_default(),
                reference_column: self.reference_column.unwrap_or_default(),
                currency_column: self.currency_column.unwrap_or_default(),
                currency_code: self.currency.unwrap_or_default(),
                counterparty_column: self.counterparty_column.unwrap_or_default(),
                delimiter: self.delimiter.unwrap_or_default(),
                date_format: self.date_format.unwrap_or_default(),
                decimal_comma: self.decimal_comma,
                outgoing_positive: self.outgoing_positive,
            }),
            method: self.method.map(Method::number).unwrap_or_default(),
        }
    }
}

/// A payout of these days that no line is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnmatchedPayout {
    payout_id: Id,
    #[schema(format = "date")]
    paid_on: String,
    #[schema(value_type = Amount)]
    amount: Option<Amount>,
    reference: String,
}

impl From<wire::UnmatchedPayout> for UnmatchedPayout {
    fn from(payout: wire::UnmatchedPayout) -> Self {
        Self {
            payout_id: Id::new(payout.payout_id),
            paid_on: payout.paid_on,
            amount: payout.amount.map(Amount::from),
            reference: payout.reference,
        }
    }
}

/// A statement of a bank or a provider.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BankStatement {
    id: Id,
    format: Format,
    /// SHA-256 of the file, in hexadecimal digits.
    digest: String,
    /// Null where the file does not say.
    account: Option<String>,
    #[schema(format = "date")]
    first_day: String,
    #[schema(format = "date")]
    last_day: String,
    line_count: i64,
    matched_count: i64,
    /// The first 1000.
    unmatched_payouts: Vec<UnmatchedPayout>,
    imported_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
}

impl From<wire::ImportedStatement> for BankStatement {
    fn from(statement: wire::ImportedStatement) -> Self {
        let format = match statement.format() {
            wire::StatementFormat::Camt053 => Format::Camt053,
            wire::StatementFormat::Csv | wire::StatementFormat::Unspecified => Format::Csv,
        };
        let unmatched = statement.unmatched_payouts.into_iter().map(UnmatchedPayout::from);
        Self {
            id: Id::new(statement.statement_id),
            format,
            digest: statement.digest,
            account: some(statement.account),
            first_day: statement.first_day,
            last_day: statement.last_day,
            line_count: statement.line_count,
            matched_count: statement.matched_count,
            unmatched_payouts: unmatched.collect(),
            imported_by: Id::new(statement.imported_by),
            created_at: time(statement.import_time),
        }
    }
}

/// A line of a statement, and the payouts that it is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BankLine {
    number: i64,
    #[schema(format = "date")]
    booked_on: String,
    /// Negative: it went out.
    #[schema(value_type = Amount)]
    amount: Option<Amount>,
    reference: String,
    counterparty: Option<String>,
    /// `reference`, `sum` (several payouts of one reference), `amount` (alone with it in these
    /// days), or null if it is about none.
    matched_by: Option<String>,
    payout_ids: Vec<Id>,
}

impl From<wire::BankLine> for BankLine {
    fn from(line: wire::BankLine) -> Self {
        Self {
            number: line.number,
            booked_on: line.booked_on,
            amount: line.amount.map(Amount::from),
            reference: line.reference,
            counterparty: some(line.counterparty),
            matched_by: some(line.matched_by),
            payout_ids: ids(line.payout_ids),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FullStatement {
    #[serde(flatten)]
    statement: BankStatement,
    lines: Vec<BankLine>,
}

impl FullStatement {
    fn of(
        statement: Option<wire::ImportedStatement>,
        lines: Vec<wire::BankLine>,
    ) -> Result<Self, Problem> {
        let statement = required(statement, "statement")?.into();
        Ok(Self { statement, lines: lines.into_iter().map(BankLine::from).collect() })
    }
}

/// Imports a statement and matches it with payouts: by reference, amount and date. The same file
/// again is the same statement (200). The body is the file, at most 3 MiB.
#[utoipa::path(
    post,
    path = "/api/admin/reconciliation/import",
    operation_id = "importBankStatement",
    tag = "reconciliation",
    params(Mapping),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = FullStatement), (status = 200, body = FullStatement))
)]
async fn import(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(mapping): Params<Mapping>,
    File(content): File,
) -> Result<Reply<FullStatement>, Problem> {
    let request = caller.request(mapping.message(content));
    let reply = gateway.reconciliations().import_statement(request).await?.into_inner();
    let known = reply.already_imported;
    let full = FullStatement::of(reply.statement, reply.lines)?;
    let id = full.statement.id.as_str();
    let location = format!("/api/admin/reconciliation/statements/{id}");
    Ok(if known { Reply::ok(full) } else { Reply::created(&location, full) })
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Place {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Statements, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/reconciliation/statements",
    operation_id = "listBankStatements",
    tag = "reconciliation",
    params(Place),
    responses((status = 200, body = Page<BankStatement>))
)]
async fn statements(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(place): Params<Place>,
) -> Result<Json<Page<BankStatement>>, Problem> {
    let request = caller.request(wire::ListStatementsRequest {
        page_size: place.page_size.unwrap_or_default(),
        page_token: place.page_token.unwrap_or_default(),
    });
    let reply = gateway.reconciliations().list_statements(request).await?.into_inner();
    Ok(Json(Page::of(reply.statements, reply.next_page_token)))
}

/// A statement with its lines.
#[utoipa::path(
    get,
    path = "/api/admin/reconciliation/statements/{id}",
    operation_id = "getBankStatement",
    tag = "reconciliation",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = FullStatement))
)]
async fn statement(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Json<FullStatement>, Problem> {
    let request =
        caller.request(wire::GetImportedStatementRequest { statement_id: id.to_string() });
    let reply = gateway.reconciliations().get_imported_statement(request).await?.into_inner();
    Ok(Json(FullStatement::of(reply.statement, reply.lines)?))
}
