//! People of an organization.

use quittance_kernel::{MemberId, OrganizationId, Roles, Timestamp};

/// A person in an organization, with roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub organization: OrganizationId,
    pub name: String,
    pub email: String,
    pub roles: Roles,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
