//! Roles (product.md, "Roles"). Deny by default: nothing is implied by another role.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a member, or a service, may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and files their own work.
    Member,
    /// Verifies and triages in the cycles they lead.
    Lead,
    /// Runs their organization.
    Admin,
    /// Approves plans of others.
    Finance,
    /// Reads everything in their organization, writes nothing.
    Auditor,
    /// Schedules, holds, jobs; all organizations.
    PlatformAdmin,
    /// An internal caller.
    Service,
}

/// The text names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}")]
pub struct ParseRoleError(pub String);

impl Role {
    pub const ALL: [Self; 7] = [
        Self::Member,
        Self::Lead,
        Self::Admin,
        Self::Finance,
        Self::Auditor,
        Self::PlatformAdmin,
        Self::Service,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Lead => "lead",
            Self::Admin => "admin",
            Self::Finance => "finance",
            Self::Auditor => "auditor",
            Self::PlatformAdmin => "platform_admin",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| ParseRoleError(text.chars().take(32).collect()))
    }
}

/// A set of roles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(Vec<Role>);

impl Roles {
    #[must_use]
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Self {
        let mut roles: Vec<Role> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        Self(roles)
    }

    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether one of `allowed` is among these roles.
    #[must_use]
    pub fn any_of(&self, allowed: &[Role]) -> bool {
        allowed.iter().any(|role| self.has(*role))
    }

    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// The role that an audit row names: the most powerful one.
    #[must_use]
    pub fn highest(&self) -> Option<Role> {
        self.0.iter().max().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_what_it_writes() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json_name(role), role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }

    fn serde_json_name(role: Role) -> String {
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error, StrDeserializer};
        let text: StrDeserializer<'_, Error> = role.as_str().into_deserializer();
        Role::deserialize(text).unwrap().as_str().to_owned()
    }
}
