//! The REST contract: one file per resource, each with its DTOs and handlers.

mod accounts;
mod api_keys;
mod approvals;
mod attachments;
pub(crate) mod audit;
mod balance;
mod bank_statements;
mod batch;
mod bounties;
mod bounty_payments;
mod commission_rules;
mod commissions;
mod cycles;
mod earnings;
mod explain;
mod held;
mod holds;
mod identity;
mod impersonation;
mod issue;
mod issues;
mod jobs;
mod ledger;
mod lifecycle;
mod me;
mod member;
mod members;
mod notifications;
mod onboarding;
mod overview;
mod partner_payouts;
mod partners;
mod payment_files;
mod payments;
mod payouts;
mod plans;
mod pre_funds;
mod probes;
mod products;
mod profit;
mod rails;
mod rates;
mod receipt;
mod reconciliation;
mod reward_pool;
mod run_batch;
mod schedules;
mod shapes;
mod sign_in;
mod similar;
mod statement;
mod statistics;
mod stream;
mod stripe_webhook;
mod submissions;
mod triage;
mod verify;
mod webhooks;

pub(crate) use attachments::{download, is_no_file};
pub(crate) use balance::export as export_balance;
pub(crate) use members::{Names, names};
pub(crate) use partner_payouts::export as export_payouts;
pub(crate) use partners::name_of;
pub(crate) use payments::not_payable;
pub(crate) use plans::stale as plan_is_stale;
pub(crate) use receipt::{of_organization as receipt, own as own_receipt};
pub(crate) use shapes::{some, stamp, time};
pub(crate) use sign_in::principal;
pub(crate) use submissions::pay as begin_payment;
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
        api_keys::routes(),
        webhooks::routes(),
        balance::routes(),
        explain::routes(),
        statement::routes(),
        products::routes(),
        cycles::routes(),
        issues::routes(),
        bounties::routes(),
        submissions::routes(),
        bounty_payments::routes(),
        pre_funds::routes(),
        earnings::routes(),
        receipt::routes(),
        reward_pool::routes(),
        profit::routes(),
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
        jobs::routes(),
        rails::routes(),
        schedules::routes(),
        holds::routes(),
        accounts::routes(),
        onboarding::routes(),
        stripe_webhook::routes(),
        members::routes(),
        notifications::routes(),
        stream::routes(),
        audit::routes(),
        ledger::routes(),
        statistics::routes(),
        reconciliation::routes(),
        bank_statements::routes(),
        payment_files::routes(),
    ]
    .into_iter()
    .fold(OpenApiRouter::with_openapi(openapi::skeleton()), OpenApiRouter::merge)
}
