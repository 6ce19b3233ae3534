//! Who may open which page, and send which form: the table of the dashboard.
//!
//! It stands beside the table of the REST routes and is read by the same guard. What a person may see
//! on a page is decided by the service behind it.

use http::Method;

use crate::access::{
    ADMINS, APPROVERS, AUDITORS, DECIDERS, FILERS, PEOPLE, PLATFORM, REVIEWERS, Row, TREASURY,
    find_in, get, post, public,
};

/// All pages and forms, each once.
pub(super) const PAGES: &[Row] = &[
    public(Method::GET, "/app/sign-in"),
    public(Method::POST, "/app/sign-in"),
    public(Method::GET, "/app/assets/{name}"),
    get("/app", PEOPLE),
    post("/app/sign-out", PEOPLE),
    get("/app/bell", PEOPLE),
    get("/app/notifications", PEOPLE),
    post("/app/notifications/read", FILERS),
    get("/app/test-cycles/balance", PEOPLE),
    get("/app/test-cycles/balance/export.csv", PEOPLE),
    get("/app/issues", PEOPLE),
    get("/app/issues/new", FILERS),
    post("/app/issues/new", FILERS),
    get("/app/issues/{id}", PEOPLE),
    get("/app/test-cycles", PEOPLE),
    get("/app/test-cycles/{id}", PEOPLE),
    get("/app/test-cycles/{id}/settings", REVIEWERS),
    post("/app/test-cycles/{id}/settings/rates", ADMINS),
    post("/app/test-cycles/{id}/settings/gate", ADMINS),
    post("/app/test-cycles/{id}/settings/gate/preview", REVIEWERS),
    get("/app/test-cycles/{id}/issues/{issueId}", PEOPLE),
    post("/app/test-cycles/{id}/issues/{issueId}/{step}", DECIDERS),
    get("/app/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}", PEOPLE),
    get("/app/bounties", PEOPLE),
    get("/app/bounties/new", ADMINS),
    post("/app/bounties/new", ADMINS),
    get("/app/bounties/{id}", PEOPLE),
    get("/app/bounties/{id}/edit", ADMINS),
    post("/app/bounties/{id}/edit", ADMINS),
    post("/app/bounties/{id}/{step}", FILERS),
    get("/app/submissions/{id}", PEOPLE),
    get("/app/submissions/{id}/pay", DECIDERS),
    post("/app/submissions/{id}/{step}", DECIDERS),
    get("/app/reward-pool", PEOPLE),
    post("/app/reward-pool", ADMINS),
    get("/app/earnings", PEOPLE),
    get("/app/earnings/{id}/receipt", PEOPLE),
    get("/app/admin/receipts/{id}", TREASURY),
    get("/app/payout-account", PEOPLE),
    post("/app/payout-account", FILERS),
    get("/app/admin/reconciliation", TREASURY),
    post("/app/admin/reconciliation", APPROVERS),
    get("/app/admin/reconciliation/statements/{id}", TREASURY),
    get("/app/admin/funding", TREASURY),
    post("/app/admin/funding/{step}", ADMINS),
    get("/app/admin/triage", DECIDERS),
    post("/app/admin/triage", DECIDERS),
    get("/app/admin/payouts", TREASURY),
    post("/app/admin/payouts/confirm", ADMINS),
    post("/app/admin/payouts/pay", ADMINS),
    post("/app/admin/payouts/review", ADMINS),
    get("/app/admin/plans", TREASURY),
    post("/app/admin/plans", ADMINS),
    get("/app/admin/plans/{id}", TREASURY),
    post("/app/admin/plans/{id}/approve", APPROVERS),
    post("/app/admin/plans/{id}/commit", ADMINS),
    post("/app/admin/plans/{id}/cancel", ADMINS),
    get("/app/admin/partners", TREASURY),
    get("/app/admin/partners/export.csv", TREASURY),
    post("/app/admin/partners", ADMINS),
    post("/app/admin/partners/approve", ADMINS),
    post("/app/admin/partners/{id}/{step}", ADMINS),
    get("/app/admin/schedules", PLATFORM),
    post("/app/admin/schedules", PLATFORM),
    get("/app/admin/schedules/{id}", PLATFORM),
    post("/app/admin/schedules/{id}/{step}", PLATFORM),
    get("/app/admin/escrow", PLATFORM),
    post("/app/admin/escrow", PLATFORM),
    get("/app/admin/escrow/{id}", PLATFORM),
    post("/app/admin/escrow/{id}/{step}", PLATFORM),
    get("/app/admin/jobs", PLATFORM),
    post("/app/admin/jobs", PLATFORM),
    get("/app/admin/audit", AUDITORS),
    get("/app/admin/members", REVIEWERS),
    get("/app/admin/members/{id}", REVIEWERS),
    post("/app/admin/members/{id}/cycles", ADMINS),
    post("/app/admin/members/{id}/view-as", ADMINS),
    // Whoever views has the roles of the member.
    post("/app/view-as/end", PEOPLE),
];

/// Finds the row of a page.
pub(super) fn find(method: &Method, path: &str) -> Option<&'static Row> {
    find_in(PAGES, method, path)
}
