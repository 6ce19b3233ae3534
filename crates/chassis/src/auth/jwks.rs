//! The published keys of the identity provider.
//!
//! Keys are fetched when a token names one that is not known, at most once per [`FLOOR`], whoever
//! asks: a flood of made-up key ids costs the provider nothing. Old keys are looked at again after
//! [`MAX_AGE`], so that a key that was withdrawn stops being believed.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::{AuthError, Keys};
use crate::config::ConfigError;
use crate::problem::chain;

/// The shortest time between two requests for the keys.
const FLOOR: Duration = Duration::from_secs(30);

/// The same after a failure: the provider may be back at once.
const FLOOR_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long keys are used without asking again.
const MAX_AGE: Duration = Duration::from_mins(10);

/// How long the provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest list of keys that is read.
const MAX_BODY: usize = 256 * 1024;

/// A key and the only algorithm it is used with.
pub(super) struct PinnedKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// The keys of one identity provider. Clones share them.
#[derive(Clone)]
pub(super) struct Jwks(Arc<Shared>);

struct Shared {
    url: String,
    client: reqwest::Client,
    held: RwLock<Held>,
    /// Held while asking, so that many callers ask once. When the next request is allowed.
    gate: Arc<Mutex<Option<Instant>>>,
}

/// The right to ask the provider.
type Gate = OwnedMutexGuard<Option<Instant>>;

struct Held {
    keys: Arc<Keys>,
    fetched: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("request failed")]
    Http(#[from] reqwest::Error),
    #[error("the list of keys is longer than {MAX_BODY} bytes")]
    TooLong,
    #[error("the list of keys cannot be read")]
    Json(#[from] serde_json::Error),
}

impl Jwks {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        let refused = |problem: String| ConfigError::Refused { key: "auth.jwks_url", problem };
        reqwest::Url::parse(url).map_err(|error| refused(format!("is not a URL: {error}")))?;
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // The keys are where the configuration says and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| refused(chain(&error)))?;
        Ok(Self(Arc::new(Shared {
            url: url.to_owned(),
            client,
            held: RwLock::new(Held { keys: Arc::default(), fetched: None }),
            gate: Arc::default(),
        })))
    }

    /// Returns the key with this id.
    pub(super) async fn key(&self, kid: &str) -> Result<Arc<PinnedKey>, AuthError> {
        let (key, stale) = self.0.held(kid);
        if let Some(key) = key {
            if stale {
                self.refresh_behind();
            }
            return Ok(key);
        }
        let gate = Arc::clone(&self.0.gate).lock_owned().await;
        // Somebody may have asked while this caller waited.
        if let (Some(key), _) = self.0.held(kid) {
            return Ok(key);
        }
        if !is_due(&gate) {
            let asked = self.0.read().fetched.is_some();
            let unknown = AuthError::Invalid("unknown kid");
            return Err(if asked { unknown } else { AuthError::KeysUnavailable });
        }
        // In a task of its own: a caller who gives up must not take the answer from the others.
        let asking = tokio::spawn(Arc::clone(&self.0).refresh(gate));
        asking.await.map_err(|_| AuthError::KeysUnavailable)??;
        self.0.held(kid).0.ok_or(AuthError::Invalid("unknown kid"))
    }

    /// Looks at the keys again while the old ones stay in use: a provider that is slow or down
    /// must not hold up those who are known already.
    fn refresh_behind(&self) {
        if let Ok(gate) = Arc::clone(&self.0.gate).try_lock_owned()
            && is_due(&gate)
        {
            tokio::spawn(Arc::clone(&self.0).refresh(gate));
        }
    }
}

fn is_due(gate: &Gate) -> bool {
    gate.is_none_or(|next| next <= Instant::now())
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the key, if it is known, and whether the keys should be looked at again.
    fn held(&self, kid: &str) -> (Option<Arc<PinnedKey>>, bool) {
        let held = self.read();
        let stale = held.fetched.is_none_or(|at| MAX_AGE < at.elapsed());
        (held.keys.get(kid).cloned(), stale)
    }

    /// Asks the provider.
    async fn refresh(self: Arc<Self>, mut gate: Gate) -> Result<(), AuthError> {
        match self.fetch().await {
            Ok(keys) => {
                *gate = Some(Instant::now() + FLOOR);
                let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
                *held = Held { keys: Arc::new(keys), fetched: Some(Instant::now()) };
                Ok(())
            }
            Err(error) => {
                *gate = Some(Instant::now() + FLOOR_AFTER_FAILURE);
                tracing::error!(error = %chain(&error), "keys of the identity provider");
                Err(AuthError::KeysUnavailable)
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let mut answer = self.client.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if MAX_BODY < body.len() + chunk.len() {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let set: JwkSet = serde_json::from_slice(&body)?;
        let keys = set.keys.iter().filter_map(pin);
        Ok(keys.map(|(kid, key)| (kid, Arc::new(key))).collect())
    }
}

/// Fixes what a published key may be used for; `None` if that is nothing of ours.
fn pin(jwk: &Jwk) -> Option<(String, PinnedKey)> {
    let kid = jwk.common.key_id.clone()?;
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithm = family(&jwk.algorithm)?;
    // A key that is published for another algorithm is not used with this one.
    if let Some(published) = jwk.common.key_algorithm
        && Algorithm::try_from(published).ok() != Some(algorithm)
    {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((kid, PinnedKey { algorithm, key }))
}

/// The one algorithm that is used with a kind of key.
fn family(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign, growing enum")]
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}
