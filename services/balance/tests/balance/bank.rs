//! Statements of banks against payouts.

use std::sync::Arc;

use quittance_balance::{Balances, Owners};
use quittance_chassis::grpc::Caller;
use quittance_chassis::problem::read;
use quittance_events::{PayoutState, kind};
use quittance_kernel::{MemberId, Method, OrganizationId, Timestamp};
use quittance_proto::balance::v1 as proto;
use quittance_proto::balance::v1::reconciliation_service_server::ReconciliationService as _;
use secrecy::SecretString;
use tonic::Request;
use uuid::Uuid;

use crate::desk::Desk;
use crate::events::event;
use crate::world::{ctx, noon, worlds};

fn payout(
    organization: OrganizationId,
    paid_at: Timestamp,
    amount_minor: i64,
    reference: &str,
) -> (Uuid, quittance_chassis::bus::Message) {
    let state = PayoutState {
        payout_id: Uuid::now_v7(),
        version: 1,
        batch_id: None,
        payee_id: Uuid::nil(),
        amount_minor,
        currency: "KZT".into(),
        method: Some(Method::Bank),
        reference: reference.into(),
        status: "paid".into(),
        item_count: 1,
        paid_at: Some(paid_at),
        netted_minor: None,
        source: "issue".into(),
        period: None,
        notes: None,
        approved_by: None,
        reason: None,
    };
    (state.payout_id, event(organization, kind::PAYOUT_PAID, paid_at, state))
}

fn request<T>(organization: OrganizationId, message: T) -> Request<T> {
    let caller = Caller::new(ctx(organization, MemberId::new()), &SecretString::default(), None);
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

fn sheet(content: &'static str) -> proto::ImportStatementRequest {
    proto::ImportStatementRequest {
        format: proto::StatementFormat::Csv.into(),
        content: content.as_bytes().into(),
        mapping: Some(proto::CsvMapping {
            date_column: "date".into(),
            amount_column: "amount".into(),
            reference_column: "text".into(),
            currency_code: "KZT".into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

const FIRST: &str = "date,amount,text\n2026-05-08,-8000.00,KASPI-1\n2026-05-09,-77.00,rent\n";
const SECOND: &str =
    "date,amount,text\n2026-05-08,-8000.00,KASPI-1 again\n2026-05-10,-30.00,RUN-77\n";

#[tokio::test]
async fn a_statement_is_matched_once_and_what_is_left_over_is_named_on_both_sides() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let desk = Arc::new(Desk::default());
        let (paid, one) = payout(organization, noon(), 800_000, "KASPI-1");
        let (left, two) = payout(organization, noon(), 555, "forgotten");
        let (third, three) =
            payout(organization, noon() + chrono::TimeDelta::days(1), 3_000, "RUN-77");
        desk.knows(&[one, two, three], noon());
        let balances: Balances = world.balances.clone().asking(desk as Arc<dyn Owners>);

        let first = balances.import_statement(request(organization, sheet(FIRST))).await.unwrap();
        let first = first.into_inner();

        let matched: Vec<(&str, Vec<String>)> = first
            .lines
            .iter()
            .map(|line| (line.matched_by.as_str(), line.payout_ids.clone()))
            .collect();
        assert_eq!(matched, [("reference", vec![paid.to_string()]), ("", vec![])]);
        let statement = first.statement.unwrap();
        assert_eq!((statement.line_count, statement.matched_count), (2, 1));
        let unmatched: Vec<&str> =
            statement.unmatched_payouts.iter().map(|payout| payout.payout_id.as_str()).collect();
        assert_eq!(unmatched, [left.to_string(), third.to_string()]);
        assert!(!first.already_imported);

        // The same file is the same statement; another one does not match the same payout again.
        let again = balances.import_statement(request(organization, sheet(FIRST))).await.unwrap();
        let again = again.into_inner();
        assert!(again.already_imported);
        assert_eq!(again.statement.unwrap().statement_id, statement.statement_id);
        let second = balances.import_statement(request(organization, sheet(SECOND))).await.unwrap();
        let second = second.into_inner();
        assert_eq!(second.lines[0].matched_by, "");
        assert_eq!(second.lines[1].payout_ids, [third.to_string()]);

        let listed = balances
            .list_statements(request(organization, proto::ListStatementsRequest::default()))
            .await;
        assert_eq!(listed.unwrap().into_inner().statements.len(), 2);
        let elsewhere = OrganizationId::new();
        let listed = balances
            .list_statements(request(elsewhere, proto::ListStatementsRequest::default()))
            .await;
        assert_eq!(listed.unwrap().into_inner().statements.len(), 0);
        let wanted = proto::GetImportedStatementRequest { statement_id: statement.statement_id };
        let found = balances.get_imported_statement(request(organization, wanted.clone())).await;
        assert_eq!(found.unwrap().into_inner().lines, first.lines);
        let hidden = balances.get_imported_statement(request(elsewhere, wanted)).await;
        assert_eq!(read(&hidden.unwrap_err()).reason, "BANK_STATEMENT_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_and_leaves_nothing() {
    for world in worlds().await {
        let organization = OrganizationId::new();
        let balances = world.balances.clone().asking(Arc::new(Desk::default()) as Arc<dyn Owners>);
        let mut bomb = sheet("<!DOCTYPE a [<!ENTITY b \"c\">]><Document/>");
        bomb.set_format(proto::StatementFormat::Camt053);
        for (message, reason) in [
            (bomb, "BANK_STATEMENT_INVALID"),
            (sheet("date,amount\n"), "BANK_STATEMENT_INVALID"),
            (sheet("date,amount,text\nyesterday,1,x\n"), "BANK_STATEMENT_INVALID"),
        ] {
            let refused = balances.import_statement(request(organization, message)).await;
            assert_eq!(read(&refused.unwrap_err()).reason, reason);
        }
        let listed = balances
            .list_statements(request(organization, proto::ListStatementsRequest::default()))
            .await;
        assert_eq!(listed.unwrap().into_inner().statements, []);
    }
}
