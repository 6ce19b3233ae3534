//! Identities of external providers, and the members that they belong to.

use quittance_kernel::OrganizationId;

/// What an identity provider says of somebody, as the gateway has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    pub organization: OrganizationId,
    pub issuer: String,
    pub subject: String,
    /// In lower case; empty when the provider does not tell.
    pub email: String,
    pub email_verified: bool,
}

/// Why an identity is nobody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("the identity provider has not verified the e-mail address")]
    EmailNotVerified,
    #[error("another identity is linked to the member with this e-mail address")]
    Conflict,
    #[error("no member of the organization has this e-mail address")]
    Stranger,
}

impl ExternalIdentity {
    /// The address by which a member may be found: anybody can write one that is not verified.
    pub fn proven_email(&self) -> Result<&str, IdentityError> {
        match (self.email_verified, self.email.as_str()) {
            (true, email) if !email.is_empty() => Ok(email),
            _ => Err(IdentityError::EmailNotVerified),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verified_address_proves_who_somebody_is() {
        let says = |email: &str, email_verified| {
            let identity = ExternalIdentity {
                organization: OrganizationId::default(),
                issuer: "https://id.example".to_owned(),
                subject: "user_1".to_owned(),
                email: email.to_owned(),
                email_verified,
            };
            identity.proven_email().map(str::to_owned)
        };
        assert_eq!(says("a@example.com", true), Ok("a@example.com".to_owned()));
        assert_eq!(says("a@example.com", false), Err(IdentityError::EmailNotVerified));
        assert_eq!(says("", true), Err(IdentityError::EmailNotVerified));
    }
}
