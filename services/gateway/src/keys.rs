//! Keys of programs: from the secret in the header to a token of our own.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderMap, StatusCode};
use moka::future::Cache;
use quittance_proto::issues::v1::ResolveApiKeyRequest;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::access::Row;
use crate::auth::{MOMENT, ourselves, refused};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::principal;
use crate::state::Gateway;

/// What every key begins with. A token of an identity provider begins with `ey`.
const PREFIX: &str = "qk_";

/// A key is much shorter.
const MAX_LENGTH: usize = 128;

/// How long a key is believed without asking again: so soon a revoked one is refused.
const BELIEVED: Duration = Duration::from_secs(5);

/// Keys that are remembered at most.
const MOST: u64 = 10_000;

/// A key that is good.
#[derive(Debug)]
pub(crate) struct Key {
    /// What the services are asked with: the member, in the roles of the key, for a moment.
    pub(crate) token: SecretString,
    read_only: bool,
}

/// Keys that were looked up a moment ago, by the digest of their secret.
pub(crate) struct KeyRing(Cache<[u8; 32], Arc<Key>>);

impl Default for KeyRing {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(BELIEVED).build())
    }
}

impl Key {
    /// Whether it opens a route, the roles aside.
    pub(crate) fn opens(&self, row: &Row) -> Result<(), Problem> {
        let refused = |code, detail| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
        if row.is_for_people_alone() {
            return refused(
                "API_KEY_NOT_ENOUGH",
                "this takes a person who is signed in, not a key",
            );
        }
        if self.read_only && !row.is_read_only() {
            return refused("API_KEY_READ_ONLY", "this key may look, but not write");
        }
        Ok(())
    }
}

/// Whether a bearer token is a key.
pub(crate) fn is_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Finds out what a key opens.
pub(crate) async fn resolve(
    gateway: &Gateway,
    secret: &str,
    (extensions, headers): (&Extensions, &HeaderMap),
) -> Result<Arc<Key>, Problem> {
    if MAX_LENGTH < secret.len() {
        let detail = "the key is not known, or no longer good";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "API_KEY_INVALID", detail));
    }
    let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    if let Some(key) = gateway.keys.0.get(&digest).await {
        return Ok(key);
    }
    let desk = ourselves(extensions, headers, gateway)?;
    let asked = desk.request(ResolveApiKeyRequest { digest: hex::encode(digest) });
    let reply = gateway.api_keys().resolve_api_key(asked).await?.into_inner();
    let member = principal(&required(reply.member, "member")?)?;
    let token = gateway.verifier.mint(&member, MOMENT).map_err(|error| refused(&error))?;
    let read_only = required(reply.api_key, "api_key")?.read_only;
    let key = Arc::new(Key { token: token.into(), read_only });
    gateway.keys.0.insert(digest, Arc::clone(&key)).await;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::access::{TABLE, find};

    #[test]
    fn a_key_makes_no_keys_and_becomes_nobody_else() {
        let key = |read_only| Key { token: String::new().into(), read_only };
        let code = |key: &Key, method: Method, path| {
            let row = find(&method, path).unwrap();
            key.opens(row).err().map(|problem| problem.code.into_owned())
        };
        for (method, path) in [
            (Method::POST, "/api/me/api-keys"),
            (Method::DELETE, "/api/me/api-keys/{id}"),
            (Method::POST, "/api/admin/impersonate"),
            (Method::PUT, "/api/me/payout-account"),
        ] {
            assert_eq!(code(&key(false), method, path).as_deref(), Some("API_KEY_NOT_ENOUGH"));
        }
        assert_eq!(code(&key(true), Method::GET, "/api/me/payout-account"), None);
        let looking = key(true);
        for row in TABLE.iter().filter(|row| !row.is_read_only()) {
            assert!(looking.opens(row).is_err(), "{} {}", row.method, row.path);
        }
    }

    #[test]
    fn a_key_is_told_from_a_token_by_how_it_begins() {
        assert!(is_key("qk_abc"));
        assert!(!is_key("eyJhbGciOiJub25lIn0.e30.") && !is_key(""));
    }
}
