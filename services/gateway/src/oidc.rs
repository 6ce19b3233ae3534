//! Signing in at an identity provider: authorization code with PKCE (`OpenID` Connect Core, 3.1).
//!
//! What the provider's answer must fit to (state, nonce, the secret of PKCE) is kept by the browser
//! that began, in a cookie, so that any gateway can go on with it.

use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use quittance_chassis::auth::Identity;
use quittance_chassis::config;
use quittance_chassis::problem::chain;
use quittance_kernel::OrganizationId;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// How long the provider may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer of the provider that is read.
const MAX_ANSWER: usize = 256 * 1024;

/// How long what the provider says of itself, its keys too, is used without asking again.
const MAX_AGE: Duration = Duration::from_mins(10);

/// How soon it may be asked again because a token does not fit: its keys may be new.
const FLOOR: Duration = Duration::from_secs(30);

/// What we read of a token beyond the standard.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    /// Id of the organization to sign in to.
    #[serde(default)]
    org: Option<String>,
}

impl AdditionalClaims for Extra {}

type Fields = IdTokenFields<
    Extra,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type OidcClient = Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider where people sign in.
pub(crate) struct Oidc {
    issuer: IssuerUrl,
    id: ClientId,
    secret: ClientSecret,
    redirect: RedirectUrl,
    /// Where people sign in whose tokens do not say.
    organization: Option<OrganizationId>,
    http: Http,
    known: RwLock<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// A sign-in under way: where to send the browser, and what its cookie keeps.
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) kept: Kept,
}

/// What the answer must fit to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// The page to go on with.
    pub(crate) next: String,
}

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("the identity provider cannot be reached")]
    Request(#[from] reqwest::Error),
    #[error("the answer of the identity provider is longer than {MAX_ANSWER} bytes")]
    TooLong,
    #[error("the answer of the identity provider cannot be read")]
    Response(#[from] http::Error),
}

impl Oidc {
    /// Reads the configuration; `None` when nobody signs in here.
    pub(crate) fn new(config: &config::Oidc) -> anyhow::Result<Option<Self>> {
        let Some(issuer) = &config.issuer else { return Ok(None) };
        let (Some(id), Some(secret), Some(redirect)) =
            (&config.client_id, &config.client_secret, &config.redirect_url)
        else {
            anyhow::bail!("auth.oidc needs issuer, client_id, client_secret and redirect_url");
        };
        let organization = config.organization.as_deref().map(OrganizationId::from_str);
        Ok(Some(Self {
            issuer: IssuerUrl::new(issuer.clone()).context("auth.oidc.issuer")?,
            id: ClientId::new(id.clone()),
            secret: ClientSecret::new(secret.expose_secret().to_owned()),
            redirect: RedirectUrl::new(redirect.clone()).context("auth.oidc.redirect_url")?,
            organization: organization.transpose().context("auth.oidc.organization")?,
            http: Http::new()?,
            known: RwLock::new(None),
        }))
    }

    /// Begins a sign-in that goes on with this page.
    pub(crate) async fn begin(&self, next: &str) -> Result<Begun, Problem> {
        let client = self.client(&*self.provider(MAX_AGE).await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let code = CoreAuthenticationFlow::AuthorizationCode;
        let (url, state, nonce) = client
            .authorize_url(code, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        let kept = Kept {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            next: next.to_owned(),
        };
        Ok(Begun { url: url.into(), kept })
    }

    /// Exchanges the code for a token, and tells whom it is about.
    pub(crate) async fn finish(&self, code: &str, kept: &Kept) -> Result<Identity, Problem> {
        let provider = self.provider(MAX_AGE).await?;
        let client = self.client(&provider);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| Problem::internal(chain(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(kept.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| {
                tracing::info!(error = %chain(&error), "the identity provider gave no token");
                refused("the identity provider did not confirm the sign-in")
            })?;
        let token = answer.id_token().ok_or_else(|| refused("the provider sent no ID token"))?;
        let nonce = Nonce::new(kept.nonce.clone());
        let known = token.claims(&client.id_token_verifier(), &nonce).cloned();
        let claims = if let Ok(claims) = known {
            claims
        } else {
            // It may be signed with a key that is newer than what we know.
            let fresh = self.client(&*self.provider(FLOOR).await?);
            let claims = token.claims(&fresh.id_token_verifier(), &nonce).cloned();
            claims.map_err(|error| {
                tracing::info!(error = %chain(&error), "an ID token was refused");
                refused("the ID token of the provider is not valid")
            })?
        };
        let named = claims.additional_claims().org.as_deref();
        let organization = match named.map(OrganizationId::from_str) {
            Some(Ok(organization)) => organization,
            Some(Err(_)) => return Err(refused("the claim `org` is no id of an organization")),
            None => self.organization.ok_or_else(|| refused("the token names no organization"))?,
        };
        Ok(Identity {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
            organization,
            email: claims.email().map(|email| email.to_string()),
            email_verified: claims.email_verified() == Some(true),
        })
    }

    fn client(&self, provider: &CoreProviderMetadata) -> OidcClient {
        let secret = Some(self.secret.clone());
        Client::from_provider_metadata(provider.clone(), self.id.clone(), secret)
            .set_redirect_uri(self.redirect.clone())
    }

    /// What the provider says of itself, not older than this.
    async fn provider(&self, max_age: Duration) -> Result<Arc<CoreProviderMetadata>, Problem> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, provider)) = known
            && at.elapsed() < max_age
        {
            return Ok(provider);
        }
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let provider = Arc::new(asked.map_err(|error| {
            tracing::error!(error = %chain(&error), "the identity provider");
            let detail = "the identity provider cannot be reached";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "AUTH_KEYS_UNAVAILABLE", detail)
        })?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(&provider)));
        Ok(provider)
    }
}

/// Carries requests to the provider, and nowhere else.
struct Http(reqwest::Client);

impl Http {
    fn new() -> Result<Self, reqwest::Error> {
        // The provider is where the configuration says: nobody leads us away.
        let redirects = reqwest::redirect::Policy::none();
        reqwest::Client::builder().timeout(TIMEOUT).redirect(redirects).build().map(Self)
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let mut chunks = answer.bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
            if MAX_ANSWER < body.len() {
                return Err(HttpError::TooLong);
            }
        }
        Ok(response.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = BoxFuture<'c, Result<HttpResponse, HttpError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// The sign-in cannot go on; it can be begun again.
pub(crate) fn refused(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "SIGN_IN_REFUSED", detail)
}
