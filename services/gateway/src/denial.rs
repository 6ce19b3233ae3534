//! Writes that the table of routes refuses: they leave an audit row as those that a service refuses.
//!
//! The gateway has no database, so the service that the route belongs to notes it.

use std::time::Duration;

use quittance_chassis::grpc::Caller;
use quittance_proto::audit::v1 as wire;
use uuid::Uuid;

use crate::access::Row;
use crate::state::Gateway;

/// How long a refusal may wait for its audit row; it stands without one.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has a refusal noted. `path` is what was asked for.
pub(crate) async fn note(gateway: &Gateway, caller: &Caller, row: &Row, path: &str, reason: &str) {
    let (entity, id) = subject(row.path, path);
    let request = caller.request(wire::NoteDenialRequest {
        entity: entity.to_owned(),
        entity_id: id.map(|id| id.to_string()).unwrap_or_default(),
        request: format!("{} {}", row.method, row.path),
        reason: reason.to_owned(),
    });
    let mut trail =
        if is_about_money(row.path) { gateway.payouts_audit() } else { gateway.issues_audit() };
    match tokio::time::timeout(PATIENCE, trail.note_denial(request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(status)) => tracing::error!(%status, "a refusal left no audit row"),
        Err(_) => tracing::error!("a refusal left no audit row in time"),
    }
}

fn is_about_money(route: &str) -> bool {
    route.contains("/admin/payout") || route.ends_with("/payments")
}

/// What a request is about: the last id of its path, and what kind of thing the route says it is.
fn subject<'a>(route: &'a str, path: &str) -> (&'a str, Option<Uuid>) {
    let mut found = None;
    let mut before = "";
    for (name, value) in route.split('/').zip(path.split('/')) {
        if name.starts_with('{') {
            found = value.parse().ok().map(|id| (name, before, id));
        } else {
            before = name;
        }
    }
    match found {
        Some((name, collection, id)) => {
            let name = name.trim_matches(['{', '}']);
            (entity(name.strip_suffix("Id").unwrap_or(collection)), Some(id))
        }
        None => (entity(route.split('/').nth(2).unwrap_or_default()), None),
    }
}

/// As the services call it.
fn entity(name: &str) -> &str {
    match name {
        "test-cycles" => "cycle",
        "payout-plans" => "plan",
        "issues" => "issue",
        "payouts" => "payout",
        "members" => "member",
        "products" => "product",
        "admin" => "organization",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_request_is_about_the_last_thing_that_it_names() {
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        let path = format!("/api/test-cycles/{one}/issues/{two}/payments");
        let route = "/api/test-cycles/{id}/issues/{issueId}/payments";
        assert_eq!(subject(route, &path), ("issue", Some(two)));
        let path = format!("/api/admin/payout-plans/{one}/commit");
        assert_eq!(subject("/api/admin/payout-plans/{id}/commit", &path), ("plan", Some(one)));
        assert_eq!(subject("/api/products", "/api/products"), ("product", None));
        let route = "/api/admin/payouts/batch-pay";
        assert_eq!(subject(route, route), ("organization", None));
        assert_eq!(subject("/api/products/{id}", "/api/products/x"), ("product", None));
        assert!(is_about_money(route) && !is_about_money("/api/products"));
    }
}
