//! Who may call what. Deny by default: a method that is not in the table does not exist.

use std::collections::HashMap;

use quittance_kernel::{Principal, Role};

use super::edge::EdgeError;

/// The methods of a service and the roles that may call each, as
/// `("/quittance.issues.v1.IssueService/GetIssue", &[Role::Member])`.
pub type Access = &'static [(&'static str, &'static [Role])];

/// How the name of a method begins that changes nothing.
const READS: [&str; 8] =
    ["Get", "List", "Stream", "Search", "BatchGet", "Export", "Preview", "Count"];

/// What whoever acts as somebody else may do besides reading: it is about nothing but that.
const OF_IMPERSONATION: [&str; 2] = ["EndImpersonation", "NoteImpersonation"];

/// Services that need no token: probes and `grpcurl`.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/"];

/// Whether a method, given by its path, changes nothing.
#[must_use]
pub fn is_read_only(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    READS.iter().any(|prefix| {
        // `Getaway` is not a `Get`: the word ends where the next one begins.
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.chars().next().is_none_or(|next| !next.is_lowercase()))
    })
}

pub(super) fn is_open(path: &str) -> bool {
    OPEN.iter().any(|service| path.starts_with(service))
}

/// What tells of a refusal is open to whoever is refused, and so to those who may only look.
const NOTES: &str = "/NoteDenial";

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) path: &'static str,
    roles: &'static [Role],
    open_to_viewers: bool,
    pub(super) read_only: bool,
}

impl Method {
    /// Whether this principal may call. Whoever acts as somebody else may only look (rule 18).
    pub(super) fn allows(&self, principal: &Principal) -> Result<(), EdgeError> {
        if !principal.roles.any_of(self.roles) {
            return Err(EdgeError::RoleRequired(self.roles));
        }
        if principal.impersonator.is_some() && !self.open_to_viewers {
            return Err(EdgeError::Impersonating);
        }
        Ok(())
    }
}

/// The table, by path.
pub(super) fn index(access: Access) -> HashMap<&'static str, Method> {
    access
        .iter()
        .map(|(path, roles)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let read_only = is_read_only(path) || path.ends_with(NOTES);
            let open_to_viewers = read_only || OF_IMPERSONATION.contains(&name);
            (*path, Method { path, roles, open_to_viewers, read_only })
        })
        .collect()
}

/// The names of the services in the table, each once.
pub(super) fn services(access: Access) -> Vec<&'static str> {
    let mut names: Vec<&str> = access
        .iter()
        .filter_map(|(path, _)| path.trim_start_matches('/').split('/').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_known_by_its_name() {
        for read in ["GetIssue", "ListIssues", "StreamSnapshots", "BatchGetPayFacts", "CountUnread"]
        {
            assert!(is_read_only(&format!("/quittance.issues.v1.IssueService/{read}")), "{read}");
        }
        for write in ["BatchPay", "Getaway", "Listen", "CreateIssue", "Counter", ""] {
            assert!(
                !is_read_only(&format!("/quittance.issues.v1.IssueService/{write}")),
                "{write}"
            );
        }
        assert!(!is_read_only("/GetService/Pay"));
    }

    #[test]
    fn each_service_of_the_table_is_named_once() {
        let table: Access = &[("/a.B/Get", &[]), ("/a.B/Put", &[]), ("/a.C/Get", &[])];
        assert_eq!(services(table), ["a.B", "a.C"]);
    }
}
