//! What this service hears from payouts.

use quittance_chassis::bus::{HandleError, Handler, Message, Subscription};
use quittance_chassis::db::Db;
use quittance_events::queue;

use crate::app::{HEARD, Issues, MirrorError};

/// How many events are in hand at once.
const PREFETCH: u16 = 200;

/// What is subscribed to.
pub(crate) fn subscription(db: Db) -> Subscription {
    Subscription::new(queue::ISSUES.name, queue::ISSUES.kinds, PREFETCH, db)
}

#[tonic::async_trait]
impl Handler for Issues {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        let (told, mirrored): (Vec<_>, Vec<_>) =
            messages.iter().partition(|message| HEARD.contains(&message.kind.as_str()));
        let heard = match self.mirror_payments(&mirrored).await {
            Ok(()) => self.hear_payouts(&told).await,
            Err(error) => Err(error),
        };
        heard.map_err(|error| match error {
            MirrorError::Unreadable(..) => HandleError::Poison(error.to_string()),
            // The chain, because this is the only place where it is seen.
            MirrorError::Failed(error) => {
                HandleError::Transient(quittance_chassis::problem::chain(&error))
            }
        })
    }
}
