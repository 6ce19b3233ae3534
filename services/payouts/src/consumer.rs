//! What this service hears of issues.

use async_trait::async_trait;
use quittance_chassis::bus::{HandleError, Handler, Message};
use quittance_chassis::clock;
use quittance_events::{IssueState, decode, queue};
use quittance_kernel::{
    BountyId, CycleId, IssueId, MemberId, Money, OrganizationId, PayoutStatus, ProductId, Timestamp,
};

use crate::app::{Heard, Payouts};
use crate::domain::review::{Decision, Review};

/// The queue of this consumer, and its name in the inbox.
pub const QUEUE: &str = queue::PAYOUTS.name;

/// The events it wants.
pub const KINDS: &[&str] = queue::PAYOUTS.kinds;

/// Lets the earnings follow the reviews of issues.
pub struct Reviews {
    payouts: Payouts,
    now: fn() -> Timestamp,
}

impl Reviews {
    /// Builds the consumer of a service.
    #[must_use]
    pub fn new(payouts: Payouts) -> Self {
        Self { payouts, now: clock::now }
    }
}

#[async_trait]
impl Handler for Reviews {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        let heard = messages.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let done = self.payouts.follow_reviews(QUEUE, &heard, (self.now)()).await;
        done.map_err(|error| HandleError::Transient(quittance_chassis::problem::chain(&error)))
    }
}

fn read(message: &Message) -> Result<Heard, HandleError> {
    let poison = |text: String| HandleError::Poison(text);
    let event = decode::<IssueState>(&message.body)
        .map_err(|error| poison(quittance_chassis::problem::chain(&error)))?;
    let issue = event.data;
    let decision = match issue.review {
        // Points are paid by the periods of their product.
        PayoutStatus::Approved if issue.points.is_some() => Decision::Pending,
        PayoutStatus::Approved => {
            let price = price(&issue)
                .ok_or_else(|| poison(format!("issue {} has no price", issue.issue_id)))?;
            Decision::Approved(price)
        }
        PayoutStatus::Rejected => Decision::Rejected,
        PayoutStatus::Pending => Decision::Pending,
        PayoutStatus::Paid | PayoutStatus::Void => {
            return Err(poison(format!("{} is not a review", issue.review)));
        }
    };
    Ok(Heard {
        event: message.id,
        organization: OrganizationId(event.organizationid),
        product: ProductId(issue.product_id),
        review: Review {
            issue: IssueId(issue.issue_id),
            cycle: CycleId(issue.cycle_id),
            payee: MemberId(issue.reporter_id),
            version: issue.version,
            decision,
        },
        decided_at: issue.decided_at,
        bounty: issue
            .bounty_id
            .map(|bounty| (BountyId(bounty), MemberId(issue.decided_by.unwrap_or_default()))),
        traceparent: message.traceparent.clone(),
    })
}

fn price(issue: &IssueState) -> Option<Money> {
    let currency = issue.currency.as_deref()?.parse().ok()?;
    Money::positive(issue.amount_minor?, currency).ok()
}
