//! Who is asking, and when: made once at the edge and passed first to everything that writes.

use uuid::Uuid;

use crate::{MemberId, OrganizationId, Role, Roles, Timestamp};

/// An authenticated caller. Comes from the token, never from a request body (rule 19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub organization: OrganizationId,
    pub member: MemberId,
    pub roles: Roles,
    pub email: Option<String>,
    /// The admin behind a "view as" session; such a principal may not write (rule 18).
    pub impersonator: Option<MemberId>,
}

impl Principal {
    /// The principal in whose name a service acts by itself (consumers, jobs).
    #[must_use]
    pub fn service(organization: OrganizationId) -> Self {
        Self {
            organization,
            member: MemberId(Uuid::nil()),
            roles: Roles::new([Role::Service]),
            email: None,
            impersonator: None,
        }
    }
}

/// Who is asking, when, and under which request.
#[derive(Clone, Debug)]
pub struct Ctx {
    pub principal: Principal,
    /// When the request arrived; the only "now" that a use case knows.
    pub now: Timestamp,
    /// Ties log lines, audit rows and answers of one request together.
    pub request_id: String,
    /// W3C `traceparent` of the request, handed on to events.
    pub traceparent: Option<String>,
}

impl Ctx {
    #[must_use]
    pub fn new(principal: Principal, now: Timestamp, request_id: String) -> Self {
        Self { principal, now, request_id, traceparent: None }
    }

    #[must_use]
    pub fn organization(&self) -> OrganizationId {
        self.principal.organization
    }

    #[must_use]
    pub fn member(&self) -> MemberId {
        self.principal.member
    }

    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.principal.roles.has(role)
    }
}
