//! Who is calling: bearer tokens (JWT), verified against a pinned key.
//!
//! Three kinds of keys: a shared secret in development (HS256), one for the sessions that we open
//! ourselves (HS256), and the published keys of an identity provider (RS256, ES256, `EdDSA`). The algorithm belongs to the key and is never taken from the
//! token, so that a public key can never be used as a shared secret.

mod identity;
mod jwks;

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::future::Cache;
use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tonic::Code;
use uuid::Uuid;

use crate::clock::now;
use crate::config::{self, ConfigError, Mode};
use crate::problem::Problem;
use jwks::{Jwks, PinnedKey};

pub use identity::Identity;

/// The longest token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;

/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 30;

/// How long a verified token is believed without looking again.
const CACHE_TTL: Duration = Duration::from_secs(10);
const CACHE_SIZE: u64 = 10_000;

/// Known to everyone, hence for development only.
const BUILT_IN_SECRET: &str = "quittance-development-secret-known-to-everyone";

/// Issuer and audience of development tokens when none is configured.
const DEV_ISSUER: &str = "quittance-development";

/// The `kid` of the tokens that we sign with `auth.session_secret`.
const SESSION: &str = "quittance-session";

/// A shorter secret of one's own can be guessed offline (RFC 7518, 3.2).
const MIN_SECRET: usize = 32;

/// Why a caller is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("no bearer token")]
    Missing,
    #[error("the bearer token has expired")]
    Expired,
    /// What is wrong is for the log at debug level, not for the caller.
    #[error("the bearer token is not valid")]
    Invalid(&'static str),
    #[error("the keys of the identity provider are not available")]
    KeysUnavailable,
    #[error("tokens are minted in development, or with auth.session_secret")]
    MintDisabled,
}

impl Problem for AuthError {
    const DOMAIN: &'static str = "auth";

    fn code(&self) -> Code {
        match self {
            Self::Missing | Self::Expired | Self::Invalid(_) => Code::Unauthenticated,
            Self::KeysUnavailable => Code::Unavailable,
            Self::MintDisabled => Code::FailedPrecondition,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Expired => "TOKEN_EXPIRED",
            Self::Invalid(_) => "TOKEN_INVALID",
            Self::KeysUnavailable => "AUTH_KEYS_UNAVAILABLE",
            Self::MintDisabled => "MINT_DISABLED",
        }
    }
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    org: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The admin who acts as `sub` (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// A text or a list of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Actor {
    sub: String,
    /// The impersonation that this token belongs to, so that it can be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
}

/// A token that was found good.
#[derive(Clone)]
struct Verified {
    principal: Arc<Principal>,
    exp: i64,
    impersonation: Option<Uuid>,
}

/// Verifies bearer tokens.
pub struct Verifier {
    dev: Option<SharedKey>,
    session: Option<SharedKey>,
    jwks: Option<Jwks>,
    issuer: Option<String>,
    audience: Option<String>,
    cache: Cache<[u8; 32], Verified>,
}

/// A key that signs as well as verifies.
struct SharedKey {
    verify: PinnedKey,
    sign: EncodingKey,
}

impl Verifier {
    /// Builds the verifier that the configuration asks for. Production refuses the development
    /// secret, and refuses to run without the keys of an identity provider.
    pub fn from_config(auth: &config::Auth, mode: Mode) -> Result<Arc<Self>, ConfigError> {
        let refused =
            |key, problem: &str| ConfigError::Refused { key, problem: problem.to_owned() };
        let dev = match (mode, &auth.dev_secret) {
            (Mode::Production, Some(_)) => {
                return Err(refused("auth.dev_secret", "must not be set in production"));
            }
            (Mode::Production, None) => None,
            (Mode::Development, secret) => Some(SharedKey::development(secret.as_ref())),
        };
        let session = match &auth.session_secret {
            Some(secret) if secret.expose_secret().len() < MIN_SECRET => {
                return Err(refused("auth.session_secret", "must have at least 32 bytes"));
            }
            secret => secret.as_ref().map(|secret| SharedKey::new(secret.expose_secret())),
        };
        if mode == Mode::Production && auth.jwks_url.is_none() {
            return Err(refused("auth.jwks_url", "must be set in production"));
        }
        let jwks = auth.jwks_url.as_deref().map(Jwks::new).transpose()?;
        if jwks.is_some() && (auth.issuer.is_none() || auth.audience.is_none()) {
            tracing::warn!(
                "auth.issuer or auth.audience is not set: a token that the identity provider \
                 issued for somebody else would be accepted"
            );
        }
        Ok(Arc::new(Self {
            dev,
            session,
            jwks,
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            cache: Cache::builder().max_capacity(CACHE_SIZE).time_to_live(CACHE_TTL).build(),
        }))
    }

    /// Returns whom the token stands for.
    pub async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        if MAX_TOKEN < token.len() {
            return Err(AuthError::Invalid("too long"));
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.cache.get(&digest).await
            && now().timestamp() < known.exp
        {
            return Ok(Principal::clone(&known.principal));
        }
        let verified = self.verify_anew(token).await?;
        self.cache.insert(digest, verified.clone()).await;
        Ok(Principal::clone(&verified.principal))
    }

    /// Returns until when a token is good, to the second. What lasts longer than a request ends then.
    pub async fn expiry(&self, token: &str) -> Result<Timestamp, AuthError> {
        let exp = self.verify_anew(token).await?.exp;
        DateTime::from_timestamp(exp, 0).ok_or(AuthError::Invalid("exp"))
    }

    /// Returns the impersonation that a token belongs to.
    pub async fn impersonation(&self, token: &str) -> Result<Option<Uuid>, AuthError> {
        Ok(self.verify_anew(token).await?.impersonation)
    }

    async fn verify_anew(&self, token: &str) -> Result<Verified, AuthError> {
        let header = header(token)?;
        let claims: Claims = if header.alg == Algorithm::HS256 {
            let session = header.kid.as_deref() == Some(SESSION);
            let key = if session { &self.session } else { &self.dev };
            let key = key.as_ref().ok_or(AuthError::Invalid("algorithm"))?;
            self.decode(token, &key.verify)?
        } else {
            self.decode(token, &*self.published(&header).await?)?
        };
        let (exp, impersonation) = (claims.exp, claims.act.as_ref().and_then(|act| act.sid));
        Ok(Verified { principal: Arc::new(principal(claims)?), exp, impersonation })
    }

    /// The key of the identity provider that a token says it is signed with.
    async fn published(&self, header: &Header) -> Result<Arc<PinnedKey>, AuthError> {
        let jwks = self.jwks.as_ref().ok_or(AuthError::Invalid("algorithm"))?;
        jwks.key(header.kid.as_deref().ok_or(AuthError::Invalid("kid"))?).await
    }

    fn decode<C: DeserializeOwned>(&self, token: &str, key: &PinnedKey) -> Result<C, AuthError> {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        } else {
            validation.validate_aud = false;
        }
        validation.set_required_spec_claims(&required);
        jsonwebtoken::decode::<C>(token, &key.key, &validation)
            .map(|data| data.claims)
            .map_err(|error| refused(error.kind()))
    }

    /// Issues a token for a principal. In production this takes `auth.session_secret`.
    pub fn mint(&self, principal: &Principal, ttl: Duration) -> Result<String, AuthError> {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        self.sign(principal, None, now().timestamp().saturating_add(ttl))
    }

    /// Whether sessions can be opened here at all.
    pub fn opens_sessions(&self) -> Result<(), AuthError> {
        let key = self.session.as_ref().or(self.dev.as_ref());
        key.map(|_| ()).ok_or(AuthError::MintDisabled)
    }

    /// Issues a token for an impersonation: it names it, and ends with it.
    pub fn mint_impersonation(
        &self,
        principal: &Principal,
        impersonation: Uuid,
        until: Timestamp,
    ) -> Result<String, AuthError> {
        self.sign(principal, Some(impersonation), until.timestamp())
    }

    fn sign(
        &self,
        principal: &Principal,
        sid: Option<Uuid>,
        exp: i64,
    ) -> Result<String, AuthError> {
        let mut header = Header::new(Algorithm::HS256);
        if self.session.is_some() {
            header.kid = Some(SESSION.to_owned());
        }
        let key = self.session.as_ref().or(self.dev.as_ref()).ok_or(AuthError::MintDisabled)?;
        let issued = now().timestamp();
        let claims = Claims {
            sub: principal.member.to_string(),
            org: principal.organization.to_string(),
            roles: principal.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            email: principal.email.clone(),
            act: principal.impersonator.map(|admin| Actor { sub: admin.to_string(), sid }),
            exp,
            nbf: Some(issued),
            iat: Some(issued),
            iss: Some(self.issuer.clone().unwrap_or_else(|| DEV_ISSUER.to_owned())),
            aud: self.audience.clone().map(serde_json::Value::String),
        };
        jsonwebtoken::encode(&header, &claims, &key.sign).map_err(|_| AuthError::MintDisabled)
    }
}

impl SharedKey {
    fn development(secret: Option<&SecretString>) -> Self {
        if secret.is_some_and(|secret| secret.expose_secret().len() < MIN_SECRET) {
            tracing::warn!("auth.dev_secret has fewer than {MIN_SECRET} bytes");
        }
        Self::new(secret.map_or(BUILT_IN_SECRET, |secret| secret.expose_secret()))
    }

    fn new(secret: &str) -> Self {
        let secret = secret.as_bytes();
        Self {
            verify: PinnedKey {
                algorithm: Algorithm::HS256,
                key: DecodingKey::from_secret(secret),
            },
            sign: EncodingKey::from_secret(secret),
        }
    }
}

/// Reads the head of a token, which says nothing that is believed.
fn header(token: &str) -> Result<Header, AuthError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Invalid("header"))?;
    // RFC 7515, 4.1.11: an extension that must be understood and is not.
    if header.crit.is_some() { Err(AuthError::Invalid("crit")) } else { Ok(header) }
}

/// Takes the principal out of claims. A role that is not ours grants nothing.
fn principal(claims: Claims) -> Result<Principal, AuthError> {
    let member = |text: &str| MemberId::from_str(text).map_err(|_| AuthError::Invalid("sub"));
    Ok(Principal {
        organization: OrganizationId::from_str(&claims.org)
            .map_err(|_| AuthError::Invalid("org"))?,
        member: member(&claims.sub)?,
        roles: Roles::new(claims.roles.iter().filter_map(|role| Role::from_str(role).ok())),
        email: claims.email,
        impersonator: claims.act.map(|act| member(&act.sub)).transpose()?,
    })
}

fn refused(kind: &ErrorKind) -> AuthError {
    // The library adds kinds as it pleases; each of them means that the token is no good.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign, growing enum")]
    match kind {
        ErrorKind::ExpiredSignature => AuthError::Expired,
        ErrorKind::InvalidAlgorithm => AuthError::Invalid("algorithm"),
        ErrorKind::InvalidSignature => AuthError::Invalid("signature"),
        ErrorKind::InvalidIssuer => AuthError::Invalid("iss"),
        ErrorKind::InvalidAudience => AuthError::Invalid("aud"),
        ErrorKind::ImmatureSignature => AuthError::Invalid("nbf"),
        ErrorKind::MissingRequiredClaim(_) => AuthError::Invalid("missing claim"),
        _ => AuthError::Invalid("malformed"),
    }
}

/// Keys by their id, as the identity provider publishes them.
type Keys = HashMap<String, Arc<PinnedKey>>;

#[cfg(test)]
mod tests;
