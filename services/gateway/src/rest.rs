//! The REST contract: one file per resource, each with its DTOs and handlers.

mod accounts;
mod approvals;
mod attachments;
mod audit;
mod balance;
mod batch;
mod commission_rules;
mod commissions;
mod cycles;
mod explain;
mod identity;
mod impersonation;
mod issue;
mod issues;
mod ledger;
mod lifecycle;
mod me;
mod member;
mod members;
mod notifications;
mod overview;
mod partner_payouts;
mod partners;
mod payments;
mod payouts;
mod plans;
mod probes;
mod products;
mod rails;
mod rates;
mod run_batch;
mod shapes;
mod sign_in;
mod similar;
mod statement;
mod statistics;
mod stream;
mod triage;
mod verify;

pub(crate) use attachments::is_no_file;
use utoipa_axum::router::OpenApiRouter;

use crate::openapi;
use crate::state::Gateway;

/// Returns every route together with its description.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    // On the heap: routers are large.
    vec![
        probes::routes(),
        sign_in::routes(),
        identity::routes(),
        impersonation::routes(),
        me::routes(),
        balance::routes(),
        explain::routes(),
        statement::routes(),
        products::routes(),
        cycles::routes(),
        issues::routes(),
        attachments::routes(),
        payments::routes(),
        triage::routes(),
        overview::routes(),
        batch::routes(),
        run_batch::routes(),
        plans::routes(),
        approvals::routes(),
        payouts::routes(),
        partner_payouts::routes(),
        partners::routes(),
        commissions::routes(),
        commission_rules::routes(),
        lifecycle::routes(),
        rails::routes(),
        accounts::routes(),
        members::routes(),
        notifications::routes(),
        stream::routes(),
        audit::routes(),
        ledger::routes(),
        statistics::routes(),
    ]
    .into_iter()
    .fold(OpenApiRouter::with_openapi(openapi::skeleton()), OpenApiRouter::merge)
}
