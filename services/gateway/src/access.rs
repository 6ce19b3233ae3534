//! Who may ask for what: the one table of routes. Deny by default: what is not in it is refused.
//!
//! A row says who gets past the gateway. What they may see and do there is decided by the service
//! behind it, which has a table of its own.

use http::Method;
use quittance_kernel::Role;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody, without a token.
    Public,
    /// Whoever has one of these roles.
    Roles(&'static [Role]),
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) method: Method,
    /// As the router writes it.
    pub(crate) path: &'static str,
    pub(crate) who: Who,
}

/// Every person.
pub(crate) const PEOPLE: &[Role] =
    &[Role::Member, Role::Lead, Role::Admin, Role::Finance, Role::Auditor, Role::PlatformAdmin];
/// Who files work.
pub(crate) const FILERS: &[Role] = &[Role::Member, Role::Lead, Role::Admin];
/// Who decides on work.
pub(crate) const DECIDERS: &[Role] = &[Role::Lead, Role::Admin];
/// Who looks over the shoulder of those who decide on work.
pub(crate) const REVIEWERS: &[Role] = &[Role::Lead, Role::Admin, Role::Finance, Role::Auditor];
/// Who sees all money of the organization.
pub(crate) const TREASURY: &[Role] = &[Role::Admin, Role::Finance, Role::Auditor];
pub(crate) const AUDITORS: &[Role] = &[Role::Admin, Role::Auditor, Role::PlatformAdmin];
/// Who looks over the settings of the organization.
pub(crate) const KEEPERS: &[Role] = &[Role::Admin, Role::Auditor];
pub(crate) const ADMINS: &[Role] = &[Role::Admin];
/// Who keeps schedules and holds (INC-20: whole collections and their actions too).
pub(crate) const PLATFORM: &[Role] = &[Role::PlatformAdmin];
/// Who approves plans of others (rule 8).
pub(crate) const APPROVERS: &[Role] = &[Role::Admin, Role::Finance];

pub(crate) const fn get(path: &'static str, roles: &'static [Role]) -> Row {
    Row { method: Method::GET, path, who: Who::Roles(roles) }
}

pub(crate) const fn post(path: &'static str, roles: &'static [Role]) -> Row {
    Row { method: Method::POST, path, who: Who::Roles(roles) }
}

const fn patch(path: &'static str, roles: &'static [Role]) -> Row {
    Row { method: Method::PATCH, path, who: Who::Roles(roles) }
}

const fn put(path: &'static str, roles: &'static [Role]) -> Row {
    Row { method: Method::PUT, path, who: Who::Roles(roles) }
}

const fn delete(path: &'static str, roles: &'static [Role]) -> Row {
    Row { method: Method::DELETE, path, who: Who::Roles(roles) }
}

pub(crate) const fn public(method: Method, path: &'static str) -> Row {
    Row { method, path, who: Who::Public }
}

/// All routes of the OpenAPI document, each once.
pub(crate) const TABLE: &[Row] = &[
    public(Method::GET, "/healthz"),
    public(Method::GET, "/readyz"),
    public(Method::GET, "/metrics"),
    public(Method::POST, "/api/auth/dev-token"),
    // Takes a token of the identity provider, which says nothing of roles.
    public(Method::POST, "/api/auth/sign-in"),
    get("/api/me", PEOPLE),
    get("/api/me/api-keys", PEOPLE),
    post("/api/me/api-keys", PEOPLE),
    delete("/api/me/api-keys/{id}", PEOPLE),
    get("/api/me/balance", PEOPLE),
    get("/api/me/balance/history", PEOPLE),
    get("/api/me/balance/export.csv", PEOPLE),
    get("/api/me/balance/explain", PEOPLE),
    get("/api/me/balance/statement", PEOPLE),
    get("/api/me/notifications", PEOPLE),
    get("/api/me/notifications/unread-count", PEOPLE),
    post("/api/me/notifications/read", FILERS),
    get("/api/events/stream", PEOPLE),
    get("/api/products", PEOPLE),
    post("/api/products", ADMINS),
    get("/api/products/{id}", PEOPLE),
    patch("/api/products/{id}", ADMINS),
    get("/api/products/{id}/bounties", PEOPLE),
    post("/api/products/{id}/bounties", ADMINS),
    get("/api/products/{id}/reward-pool", PEOPLE),
    get("/api/bounties/{id}", PEOPLE),
    patch("/api/bounties/{id}", ADMINS),
    post("/api/bounties/{id}/claims", FILERS),
    delete("/api/bounties/{id}/claims/{claimId}", FILERS),
    post("/api/bounties/{id}/submissions", FILERS),
    post("/api/products/{id}/profit-periods", ADMINS),
    get("/api/products/{id}/payer", TREASURY),
    put("/api/products/{id}/payer", ADMINS),
    get("/api/products/{id}/prefund", TREASURY),
    put("/api/products/{id}/prefund", ADMINS),
    post("/api/products/{id}/prefund/top-ups", ADMINS),
    get("/api/submissions/{issueId}/quote", PEOPLE),
    get("/api/submissions/{issueId}/payment", PEOPLE),
    post("/api/submissions/{issueId}/approve", DECIDERS),
    post("/api/submissions/{issueId}/reject", DECIDERS),
    get("/api/test-cycles", PEOPLE),
    post("/api/test-cycles", ADMINS),
    get("/api/test-cycles/{id}", PEOPLE),
    patch("/api/test-cycles/{id}", ADMINS),
    get("/api/test-cycles/{id}/totals", REVIEWERS),
    get("/api/test-cycles/{id}/rates/history", REVIEWERS),
    post("/api/test-cycles/{id}/verification-gate/preview", REVIEWERS),
    get("/api/test-cycles/{id}/issues", PEOPLE),
    post("/api/test-cycles/{id}/issues", FILERS),
    get("/api/test-cycles/{id}/issues/{issueId}", PEOPLE),
    patch("/api/test-cycles/{id}/issues/{issueId}", FILERS),
    post("/api/test-cycles/{id}/issues/{issueId}/payments", DECIDERS),
    get("/api/test-cycles/{id}/issues/{issueId}/attachments", PEOPLE),
    post("/api/test-cycles/{id}/issues/{issueId}/attachments", FILERS),
    get("/api/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}", PEOPLE),
    delete("/api/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}", FILERS),
    get("/api/issues", PEOPLE),
    post("/api/issues/bulk-verify", DECIDERS),
    get("/api/issues/{id}/similar", PEOPLE),
    get("/api/admin/triage", DECIDERS),
    post("/api/admin/triage/decide", DECIDERS),
    get("/api/admin/payouts", TREASURY),
    get("/api/admin/payouts/by-tester", TREASURY),
    post("/api/admin/payouts/batch-pay", ADMINS),
    post("/api/admin/payouts/run-batch", ADMINS),
    get("/api/admin/payout-plans", TREASURY),
    get("/api/admin/payout-plans/{id}", TREASURY),
    post("/api/admin/payout-plans/{id}/commit", ADMINS),
    post("/api/admin/payout-plans/{id}/cancel", ADMINS),
    post("/api/admin/payout-plans/{id}/approve", APPROVERS),
    get("/api/admin/payout-policies", TREASURY),
    put("/api/admin/payout-policies", ADMINS),
    post("/api/admin/payout-policies/{id}/confirm", ADMINS),
    get("/api/admin/payouts/list", TREASURY),
    get("/api/admin/payouts/{id}", PEOPLE),
    post("/api/admin/payouts", ADMINS),
    post("/api/admin/payouts/{id}/approve", ADMINS),
    post("/api/admin/payouts/{id}/reject", ADMINS),
    post("/api/admin/payouts/{id}/mark-paid", ADMINS),
    post("/api/admin/payouts/bulk-approve", ADMINS),
    get("/api/admin/payouts/stats", TREASURY),
    get("/api/admin/payouts/export.csv", TREASURY),
    get("/api/admin/partners", TREASURY),
    get("/api/admin/partners/{id}/summary", PEOPLE),
    post("/api/admin/attributions", ADMINS),
    post("/api/admin/attributions/{id}/refund", ADMINS),
    get("/api/admin/commissions/rules", TREASURY),
    post("/api/admin/commissions/rules", ADMINS),
    get("/api/admin/commissions/pending", TREASURY),
    post("/api/admin/commissions/create-payouts", ADMINS),
    post("/api/admin/payouts/{id}/void", ADMINS),
    post("/api/admin/payouts/{id}/return", ADMINS),
    post("/api/admin/payouts/{id}/cancel", ADMINS),
    post("/api/admin/earnings/void", ADMINS),
    get("/api/admin/payout-batches/{id}", TREASURY),
    post("/api/admin/payouts/{id}/retry", ADMINS),
    post("/api/admin/payouts/{id}/refund", ADMINS),
    get("/api/admin/payouts/{id}/receipt", TREASURY),
    get("/api/me/earnings", PEOPLE),
    get("/api/me/payouts/{id}/receipt", PEOPLE),
    get("/api/me/payout-account", PEOPLE),
    put("/api/me/payout-account", FILERS),
    get("/api/admin/members/{id}/payout-account", TREASURY),
    get("/api/admin/minimum-amounts", TREASURY),
    put("/api/admin/minimum-amounts", ADMINS),
    get("/api/v2/payout-schedules", PLATFORM),
    post("/api/v2/payout-schedules", PLATFORM),
    get("/api/v2/payout-schedules/{id}", PLATFORM),
    patch("/api/v2/payout-schedules/{id}", PLATFORM),
    delete("/api/v2/payout-schedules/{id}", PLATFORM),
    post("/api/v2/payout-schedules/{id}/trigger", PLATFORM),
    get("/api/v2/placements/{placementId}/payout-schedules", PLATFORM),
    get("/api/placements/{placementId}/payout-schedules", PLATFORM),
    get("/api/v2/escrow-holds", PLATFORM),
    post("/api/v2/escrow-holds", PLATFORM),
    get("/api/v2/escrow-holds/{id}", PLATFORM),
    patch("/api/v2/escrow-holds/{id}", PLATFORM),
    delete("/api/v2/escrow-holds/{id}", PLATFORM),
    post("/api/v2/escrow-holds/{id}/release", PLATFORM),
    post("/api/v2/escrow-holds/{id}/cancel", PLATFORM),
    get("/api/v2/placements/{placementId}/escrow-holds", PLATFORM),
    get("/api/placements/{placementId}/escrow-holds", PLATFORM),
    get("/api/v2/placements/{placementId}/escrow-holds/total", PLATFORM),
    get("/api/placements/{placementId}/escrow-holds/total", PLATFORM),
    get("/api/admin/members", REVIEWERS),
    get("/api/admin/members/{id}", REVIEWERS),
    patch("/api/admin/members/{id}", ADMINS),
    put("/api/admin/members/{id}/cycles/{cycleId}", ADMINS),
    delete("/api/admin/members/{id}/cycles/{cycleId}", ADMINS),
    get("/api/admin/webhooks", KEEPERS),
    post("/api/admin/webhooks", ADMINS),
    get("/api/admin/webhooks/{id}", KEEPERS),
    patch("/api/admin/webhooks/{id}", ADMINS),
    delete("/api/admin/webhooks/{id}", ADMINS),
    get("/api/admin/webhooks/{id}/deliveries", KEEPERS),
    post("/api/admin/webhooks/{id}/deliveries/{deliveryId}/replay", ADMINS),
    get("/api/admin/audit", AUDITORS),
    post("/api/admin/impersonate", ADMINS),
    // Whoever views has the roles of the member.
    delete("/api/admin/impersonate", PEOPLE),
    get("/api/admin/impersonations", AUDITORS),
    get("/api/admin/audit/verify", AUDITORS),
    post("/api/v2/payout-schedules/process-due", PLATFORM),
    post("/api/v2/escrow-holds/process-due", PLATFORM),
    get("/api/v2/job-runs", PLATFORM),
    get("/api/v2/job-runs/{id}", PLATFORM),
    get("/api/admin/ledger/accounts", TREASURY),
    get("/api/admin/ledger/accounts/{account}/entries", TREASURY),
    get("/api/admin/ledger/verify", TREASURY),
    get("/api/admin/reconciliation", TREASURY),
    post("/api/admin/reconciliation", APPROVERS),
    post("/api/admin/reconciliation/import", APPROVERS),
    get("/api/admin/reconciliation/statements", TREASURY),
    get("/api/admin/reconciliation/statements/{id}", TREASURY),
    get("/api/admin/payout-plans/{id}/pain001.xml", APPROVERS),
    get("/api/admin/stats/earnings", TREASURY),
    get("/api/admin/stats/top-earners", TREASURY),
];

/// Finds the row of a route. `HEAD` is a `GET` without its body.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Row> {
    find_in(TABLE, method, path)
}

/// Finds the row of a route in one of the tables: this one, or that of the pages.
pub(crate) fn find_in(table: &'static [Row], method: &Method, path: &str) -> Option<&'static Row> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    table.iter().find(|row| row.method == *method && row.path == path)
}

impl Row {
    /// Whether this route changes nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        self.method == Method::GET || self.path.ends_with("/preview")
    }

    /// Whether this is the way out of viewing as somebody else.
    pub(crate) fn ends_impersonation(&self) -> bool {
        (self.method == Method::DELETE && self.path == "/api/admin/impersonate")
            || (self.method == Method::POST && self.path == "/app/view-as/end")
    }

    /// Whether only a person may ask this, and no program with a key: what would let a stolen key
    /// outlive its theft, become somebody else, or lead money elsewhere.
    pub(crate) fn is_for_people_alone(&self) -> bool {
        !self.is_read_only()
            && ["/api/me/api-keys", "/api/admin/impersonate", "/api/me/payout-account"]
                .iter()
                .any(|start| self.path.starts_with(start))
    }

    /// Whether this route is open to those who view as somebody else.
    pub(crate) fn is_open_to_viewers(&self) -> bool {
        self.is_read_only() || self.ends_impersonation()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes of the OpenAPI document.
    fn documented() -> BTreeSet<(String, String)> {
        let document = serde_json::to_value(crate::openapi::document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let mut routes = BTreeSet::new();
        for (path, item) in paths {
            for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
                if item.get(method).is_some() {
                    routes.insert((method.to_ascii_uppercase(), path.clone()));
                }
            }
        }
        routes
    }

    #[test]
    fn the_table_names_every_route_and_nothing_else() {
        let rows: BTreeSet<_> =
            TABLE.iter().map(|row| (row.method.to_string(), row.path.to_owned())).collect();
        assert_eq!(rows.len(), TABLE.len(), "each row once");
        assert_eq!(rows, documented());
    }

    #[test]
    fn money_moves_by_the_hands_of_few() {
        for row in TABLE.iter().filter(|row| !row.is_open_to_viewers()) {
            let Who::Roles(roles) = row.who else { continue };
            for reader in [Role::Auditor, Role::Finance, Role::PlatformAdmin, Role::Service] {
                // Schedules and holds are theirs, and nobody else's.
                if roles == PLATFORM && reader == Role::PlatformAdmin {
                    continue;
                }
                // A key opens nothing that its member may not do.
                if row.path.starts_with("/api/me/api-keys") && reader != Role::Service {
                    continue;
                }
                // To approve moves nothing, nor does comparing with what others say.
                let still = row.path.ends_with("/payout-plans/{id}/approve")
                    || row.path.starts_with("/api/admin/reconciliation");
                if still && reader == Role::Finance {
                    continue;
                }
                assert!(!roles.contains(&reader), "{} {}", row.method, row.path);
            }
        }
        let batch = find(&Method::POST, "/api/admin/payouts/batch-pay").unwrap();
        assert_eq!(batch.who, Who::Roles(&[Role::Admin]));
    }

    /// INC-20: a pattern that named single resources left their collections and actions open.
    #[test]
    fn schedules_and_holds_are_for_platform_admins_down_to_the_last_route() {
        let theirs = |path: &str| {
            ["/payout-schedules", "/escrow-holds"].iter().any(|part| path.contains(part))
        };
        let rows: Vec<_> = TABLE.iter().filter(|row| theirs(row.path)).collect();
        assert!(rows.len() >= 19);
        for row in rows {
            assert_eq!(row.who, Who::Roles(PLATFORM), "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found_in_it() {
        assert!(find(&Method::DELETE, "/api/products/{id}").is_none());
        assert!(find(&Method::GET, "/api/secrets").is_none());
        assert!(find(&Method::HEAD, "/api/products").is_some());
    }
}
