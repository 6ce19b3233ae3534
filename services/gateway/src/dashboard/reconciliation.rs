//! The books held against what they are about, and payouts against what a bank says.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use quittance_proto::balance::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::form::Typed;
use super::view::{Frame, Viewer, answer, done, html};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, some};

const PAGE: &str = "/app/admin/reconciliation";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "reconciliation.html")]
struct ReconciliationPage {
    frame: Frame,
    run: Option<Run>,
    compares: bool,
    statements: Vec<Statement>,
    next: Option<String>,
}

/// The last comparison.
struct Run {
    when: String,
    deep: bool,
    agrees: bool,
    drift: String,
    under_way: String,
    checked: String,
    sums: Vec<Sum>,
    findings: Vec<Finding>,
    more: bool,
}

struct Sum {
    what: String,
    agrees: bool,
    our_count: String,
    ours: String,
    their_count: String,
    theirs: String,
}

struct Finding {
    kind: &'static str,
    what: String,
    ours: String,
    theirs: String,
}

struct Statement {
    id: String,
    days: String,
    account: String,
    lines: String,
    matched: String,
    unmatched: String,
    who: String,
    when: String,
}

fn kind(of: wire::FindingKind) -> &'static str {
    match of {
        wire::FindingKind::Missing => "never heard of",
        wire::FindingKind::Late => "an older version",
        wire::FindingKind::Different => "says something else",
        wire::FindingKind::Unknown => "its owner does not have it",
        wire::FindingKind::Sum => "a sum is not what its lines add up to",
        wire::FindingKind::Ledger => "the ledger disagrees",
        wire::FindingKind::Unspecified => "–",
    }
}

impl Viewer {
    fn comparison(&self, of: wire::Reconciliation) -> Run {
        let count = |number| self.locale.count(number);
        let sum = |one: wire::ComparedSum| {
            let money = |minor| match one.currency_code.as_str() {
                "" => "–".to_owned(),
                code => self.locale.money(minor, code),
            };
            Sum {
                agrees: (one.our_count, one.our_minor) == (one.their_count, one.their_minor),
                our_count: count(one.our_count),
                ours: money(one.our_minor),
                their_count: count(one.their_count),
                theirs: money(one.their_minor),
                what: format!("{} {}", one.entity, one.state).replace('_', " "),
            }
        };
        let finding = |one: wire::Finding| Finding {
            kind: kind(one.kind()),
            what: format!("{} {}", one.entity.replace('_', " "), one.entity_id),
            ours: one.ours,
            theirs: one.theirs,
        };
        let shown = i64::try_from(of.findings.len()).unwrap_or(i64::MAX);
        Run {
            when: self.minute(of.finish_time),
            deep: of.deep,
            agrees: of.drift_count == 0,
            more: shown < of.drift_count,
            drift: count(of.drift_count),
            under_way: self.locale.counted(of.under_way_count, "row"),
            checked: self.locale.counted(of.checked_count, "row"),
            sums: of.sums.into_iter().map(sum).collect(),
            findings: of.findings.into_iter().map(finding).collect(),
        }
    }

    fn statement(&self, of: &wire::ImportedStatement, names: &Names) -> Statement {
        let unmatched = i64::try_from(of.unmatched_payouts.len()).unwrap_or(i64::MAX);
        Statement {
            id: of.statement_id.clone(),
            days: format!("{} to {}", of.first_day, of.last_day),
            account: of.account.clone(),
            lines: self.locale.count(of.line_count),
            matched: self.locale.count(of.matched_count),
            unmatched: self.locale.count(unmatched),
            who: super::fields::name(names, &of.imported_by),
            when: self.minute(of.import_time),
        }
    }
}

/// Shows the last comparison and the statements.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    shown(&viewer, asked.page_token, None).await
}

async fn shown(
    viewer: &Viewer,
    page_token: String,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let latest = viewer.caller.request(wire::GetReconciliationRequest {});
    let list = viewer.caller.request(wire::ListStatementsRequest { page_size: 25, page_token });
    let (mut first, mut second) =
        (viewer.gateway.reconciliations(), viewer.gateway.reconciliations());
    let asked = async {
        tokio::try_join!(
            first.get_reconciliation(latest),
            second.list_statements(list),
            names(&viewer.gateway, &viewer.caller),
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Reconciliation"), asked);
    let (latest, list, names) = asked?;
    let list = list.into_inner();
    let page = ReconciliationPage {
        frame: frame.with(problem),
        run: latest.into_inner().reconciliation.map(|of| viewer.comparison(of)),
        compares: viewer.may(&Method::POST, PAGE),
        statements: list.statements.iter().map(|of| viewer.statement(of, &names)).collect(),
        next: some(list.next_page_token),
    };
    Ok(answer(problem, &page))
}

/// Compares now.
pub(super) async fn compare(viewer: Viewer, typed: Typed) -> Response {
    let request = viewer.caller.request(wire::ReconcileRequest { deep: typed.has("deep") });
    match viewer.gateway.reconciliations().reconcile(request).await {
        Ok(_) => done(PAGE, "compared"),
        Err(status) => shown(&viewer, String::new(), Some(&status.into()))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

#[derive(askama::Template)]
#[template(path = "bank_statement.html")]
struct StatementPage {
    frame: Frame,
    statement: Statement,
    lines: Vec<Line>,
    missing: Vec<Missing>,
}

/// A line of a bank.
struct Line {
    day: String,
    amount: String,
    reference: String,
    counterparty: String,
    matched: Option<String>,
}

/// A payout that no line is about.
struct Missing {
    day: String,
    amount: String,
    reference: String,
    payout: String,
}

/// Shows a statement with its lines, and the payouts that no line is about.
pub(super) async fn statement(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    let request =
        viewer.caller.request(wire::GetImportedStatementRequest { statement_id: id.to_string() });
    let mut client = viewer.gateway.reconciliations();
    let asked = async {
        tokio::try_join!(
            client.get_imported_statement(request),
            names(&viewer.gateway, &viewer.caller)
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Bank statement"), asked);
    let (reply, names) = asked?;
    let reply = reply.into_inner();
    let of = required(reply.statement, "statement")?;
    let line = |one: wire::BankLine| Line {
        day: one.booked_on,
        amount: viewer.money(one.amount.as_ref()),
        reference: one.reference,
        counterparty: one.counterparty,
        matched: some(one.matched_by).map(|by| {
            let count = i64::try_from(one.payout_ids.len()).unwrap_or_default();
            format!("{} by {by}", viewer.locale.counted(count, "payout"))
        }),
    };
    let missing = |one: &wire::UnmatchedPayout| Missing {
        day: one.paid_on.clone(),
        amount: viewer.money(one.amount.as_ref()),
        reference: one.reference.clone(),
        payout: one.payout_id.clone(),
    };
    let page = StatementPage {
        frame,
        statement: viewer.statement(&of, &names),
        lines: reply.lines.into_iter().map(line).collect(),
        missing: of.unmatched_payouts.iter().map(missing).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}
