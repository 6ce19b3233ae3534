//! Who somebody is to an identity provider, before they are a member here.

use std::str::FromStr as _;

use jsonwebtoken::Algorithm;
use quittance_kernel::OrganizationId;
use serde::Deserialize;

use super::{AuthError, MAX_TOKEN, SESSION, Verifier, header};

/// What an identity provider says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    /// Means something together with the issuer only.
    pub subject: String,
    /// Where they want to sign in.
    pub organization: OrganizationId,
    pub email: Option<String>,
    /// Whether the provider has seen that the address is theirs.
    pub email_verified: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    org: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: serde_json::Value,
}

impl Verifier {
    /// Returns whom a token of the identity provider is about. In development the development secret
    /// can play the provider; a session of ours is never an identity.
    pub async fn identity(&self, token: &str) -> Result<Identity, AuthError> {
        if MAX_TOKEN < token.len() {
            return Err(AuthError::Invalid("too long"));
        }
        let header = header(token)?;
        let claims: Claims = if header.alg == Algorithm::HS256 {
            let dev = self.dev.as_ref().filter(|_| header.kid.as_deref() != Some(SESSION));
            self.decode(token, &dev.ok_or(AuthError::Invalid("algorithm"))?.verify)?
        } else {
            self.decode(token, &*self.published(&header).await?)?
        };
        if claims.iss.is_empty() || claims.sub.is_empty() {
            return Err(AuthError::Invalid("sub"));
        }
        Ok(Identity {
            issuer: claims.iss,
            subject: claims.sub,
            organization: OrganizationId::from_str(&claims.org)
                .map_err(|_| AuthError::Invalid("org"))?,
            email: claims.email,
            // Some providers write a text; only the word of the standard counts.
            email_verified: claims.email_verified == serde_json::Value::Bool(true),
        })
    }
}
