//! Asking other services when nobody has asked us: a worker continues what a person began.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quittance_chassis::auth::Verifier;
use quittance_chassis::grpc::Caller;
use quittance_chassis::problem::status;
use quittance_kernel::{Ctx, Principal};
use secrecy::SecretString;
use tonic::Status;

use super::Error;

/// Longer than a call may take.
const LIFE: Duration = Duration::from_mins(1);

/// Signs our own tokens, where there is a secret for it (`auth.session_secret`, or development's).
#[derive(Clone, Default)]
pub(super) struct Acting(Option<Arc<Verifier>>);

impl fmt::Debug for Acting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Acting").field(&self.0.is_some()).finish()
    }
}

impl Acting {
    pub(super) fn with(verifier: Arc<Verifier>) -> Self {
        Self(Some(verifier))
    }

    /// A caller of our own.
    pub(super) fn caller(&self, ctx: Ctx, principal: &Principal) -> Result<Caller, Error> {
        let refused = |status: Status| Error::Facts(Box::new(status));
        let verifier = self.0.as_ref();
        let verifier = verifier.ok_or_else(|| refused(Status::unauthenticated("nobody signs")))?;
        let token = verifier.mint(principal, LIFE).map_err(|error| refused(status(&error)))?;
        Ok(Caller::new(ctx, &SecretString::from(token), None))
    }
}
