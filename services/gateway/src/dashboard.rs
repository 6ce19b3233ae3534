//! The dashboard: pages that the gateway renders from the same calls that REST makes.
//!
//! It decides nothing. Forms work without a script; the script adds keys and keeps the bell up to date.
//! Pages hold no inline script or style, so that the policy of [`crate::edge`] can refuse all of it.

mod access;
mod account;
mod assets;
mod attachments;
mod audit;
mod balance;
mod bell;
mod beside;
mod bounties;
mod bounty;
mod bounty_editor;
mod chart;
mod cycles;
mod earnings;
mod escrow;
mod fields;
mod form;
mod funding;
mod guard;
mod hold;
mod issue;
mod issues;
mod jobs;
mod labels;
mod locale;
mod members;
mod partners;
mod payouts;
mod plans;
mod product;
mod profit;
mod quote;
mod reconciliation;
mod reward_pool;
mod schedule;
mod schedules;
mod session;
mod settings;
mod sign_in;
mod submission;
#[cfg(test)]
mod tests;
mod triage;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use tower_http::csrf::CsrfLayer;

use crate::problem::Problem;
use crate::rest::{download, export_balance, export_payouts, own_receipt, receipt};
use crate::state::Gateway;

/// The longest form: a batch of 10,000 issues fits.
const MAX_FORM: usize = 1024 * 1024;

/// Returns all pages with everything around them.
pub(crate) fn routes(gateway: &Gateway) -> Router {
    pages()
        .route("/app/{*rest}", any(async || Problem::not_found()))
        .route_layer(from_fn_with_state(gateway.clone(), guard::guard))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        // Another site's form is refused by where it comes from, before its token is looked at.
        .layer(CsrfLayer::new())
        .layer(from_fn(guard::shown))
        .with_state(gateway.clone())
}

fn pages() -> Router<Gateway> {
    Router::new()
        .route("/app", get(sign_in::home))
        .route("/app/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/app/sign-in/start", get(sign_in::start))
        .route("/app/sign-in/callback", get(sign_in::callback))
        .route("/app/sign-out", post(sign_in::leave))
        .route("/app/assets/{name}", get(assets::asset))
        .route("/app/bell", get(bell::unread))
        .route("/app/notifications", get(bell::page))
        .route("/app/notifications/read", post(bell::read))
        .route("/app/test-cycles/balance", get(balance::page))
        .route("/app/test-cycles/balance/export.csv", get(export_balance))
        .route("/app/issues", get(issues::list))
        .route("/app/issues/new", get(issues::new).post(issues::file))
        .route("/app/issues/{id}", get(issues::find))
        .route("/app/test-cycles", get(cycles::list))
        .route("/app/test-cycles/{id}", get(cycles::page))
        .route("/app/test-cycles/{id}/settings", get(settings::page))
        .route("/app/test-cycles/{id}/settings/rates", post(settings::rates))
        .route("/app/test-cycles/{id}/settings/gate", post(settings::gate))
        .route("/app/test-cycles/{id}/settings/gate/preview", post(settings::preview))
        .route("/app/test-cycles/{id}/issues/{issueId}", get(issue::page))
        .route("/app/test-cycles/{id}/issues/{issueId}/{step}", post(issue::step))
        .route("/app/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}", get(download))
        .route("/app/bounties", get(bounties::page))
        .route("/app/bounties/new", get(bounty_editor::new).post(bounty_editor::create))
        .route("/app/bounties/{id}", get(bounty::page))
        .route("/app/bounties/{id}/edit", get(bounty_editor::edit).post(bounty_editor::change))
        .route("/app/bounties/{id}/{step}", post(bounty::step))
        .route("/app/submissions/{id}", get(submission::page))
        .route("/app/submissions/{id}/pay", get(quote::page))
        .route("/app/submissions/{id}/{step}", post(submission::step))
        .route("/app/reward-pool", get(reward_pool::page).post(reward_pool::send))
        .route("/app/earnings", get(earnings::page))
        .route("/app/earnings/{id}/receipt", get(own_receipt))
        .route("/app/admin/receipts/{id}", get(receipt))
        .route("/app/payout-account", get(account::page).post(account::set))
        .route("/app/admin/reconciliation", get(reconciliation::page).post(reconciliation::compare))
        .route("/app/admin/reconciliation/statements/{id}", get(reconciliation::statement))
        .route("/app/admin/funding", get(funding::page))
        .route("/app/admin/funding/{step}", post(funding::step))
        .route("/app/admin/triage", get(triage::page).post(triage::decide))
        .route("/app/admin/payouts", get(payouts::page))
        .route("/app/admin/payouts/confirm", post(payouts::confirm))
        .route("/app/admin/payouts/pay", post(payouts::pay))
        .route("/app/admin/payouts/review", post(payouts::review))
        .route("/app/admin/plans", get(plans::list).post(plans::run))
        .route("/app/admin/plans/{id}", get(plans::page))
        .route("/app/admin/plans/{id}/approve", post(plans::approve))
        .route("/app/admin/plans/{id}/commit", post(plans::commit))
        .route("/app/admin/plans/{id}/cancel", post(plans::cancel))
        .route("/app/admin/partners", get(partners::page).post(partners::create))
        .route("/app/admin/partners/export.csv", get(export_payouts))
        .route("/app/admin/partners/approve", post(partners::approve))
        .route("/app/admin/partners/{id}/{step}", post(partners::step))
        .route("/app/admin/schedules", get(schedules::page).post(schedules::create))
        .route("/app/admin/schedules/{id}", get(schedule::page))
        .route("/app/admin/schedules/{id}/{step}", post(schedule::step))
        .route("/app/admin/escrow", get(escrow::page).post(escrow::create))
        .route("/app/admin/escrow/{id}", get(hold::page))
        .route("/app/admin/escrow/{id}/{step}", post(hold::step))
        .route("/app/admin/jobs", get(jobs::page).post(jobs::run))
        .route("/app/admin/audit", get(audit::page))
        .route("/app/admin/members", get(members::list))
        .route("/app/admin/members/{id}", get(members::page))
        .route("/app/admin/members/{id}/cycles", post(members::assign))
        .route("/app/admin/members/{id}/view-as", post(members::view_as))
        .route("/app/view-as/end", post(members::end_view))
}
