//! Viewing as somebody else: every request is written down before it is answered, and the same call
//! finds out whether the impersonation has been ended. Nothing is remembered here, so that a token
//! ends at once.

use axum::extract::Request;
use quittance_chassis::auth::AuthError;
use quittance_proto::issues::v1::{Impersonation, NoteImpersonationRequest};

use crate::access::Row;
use crate::auth::{Caller, refused};
use crate::problem::Problem;
use crate::reply::required;
use crate::state::Gateway;

/// What somebody who views asks for.
pub(crate) fn asked(request: &Request, is_refused: bool) -> NoteImpersonationRequest {
    NoteImpersonationRequest {
        impersonation_id: String::new(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        refused: is_refused,
    }
}

/// Writes down what somebody who views asks for, and returns by what impersonation they do. When it
/// cannot be written down, it is not answered.
pub(crate) async fn noted(
    gateway: &Gateway,
    caller: &Caller,
    row: &Row,
    token: &str,
    asked: NoteImpersonationRequest,
) -> Result<Impersonation, Problem> {
    let id = gateway.verifier.impersonation(token).await.map_err(|error| refused(&error))?;
    // A token that nobody can end is not one of ours.
    let id = id.ok_or_else(|| refused(&AuthError::Invalid("act")))?;
    let impersonation_id = id.to_string();
    if row.ends_impersonation() {
        // Its end is written down by what ends it.
        return Ok(Impersonation { impersonation_id, ..Impersonation::default() });
    }
    let note = caller.request(NoteImpersonationRequest { impersonation_id, ..asked });
    let reply = gateway.impersonations().note_impersonation(note).await?.into_inner();
    required(reply.impersonation, "impersonation")
}
