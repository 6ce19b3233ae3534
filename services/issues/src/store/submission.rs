//! What follows from the review of a submission: its claim and its points.

use quittance_chassis::db::Tx;

use super::{StoreError, claim, pool};
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::issue::Issue;

/// Lets claim and points follow the review, whichever way it was moved.
pub(super) async fn follow(
    tx: &mut Tx,
    before: Option<&Issue>,
    saved: &Issue,
) -> Result<(), StoreError> {
    let Some(before) = before.filter(|_| saved.bounty.is_some()) else { return Ok(()) };
    let stand = saved.review.stand();
    if before.review.stand() == stand {
        return Ok(());
    }
    if let Some(known) = claim::of_issue(tx, saved.id).await? {
        let state = ClaimState::of_review(stand);
        claim::update(tx, &known, Claim { state, ..known.clone() }).await?;
    }
    match (before.review.points(), saved.review.points()) {
        (None, Some(points)) => pool::grant(tx, saved, points).await,
        (Some(_), None) => pool::revoke(tx, saved).await,
        (None, None) | (Some(_), Some(_)) => Ok(()),
    }
}
