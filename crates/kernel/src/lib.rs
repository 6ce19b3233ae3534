//! The words that every Quittance service shares. Pure: no I/O, no clock, no database.
//!
//! What may enter here: a word of the business that at least two services use with exactly the
//! same meaning. Rules of one context stay in that context's `domain`.

mod csv;
mod ctx;
mod ids;
mod money;
mod page;
mod role;
mod time;
mod words;

pub use csv::csv_cell;
pub use ctx::{Ctx, Principal};
pub use ids::{
    AttachmentId, BatchId, BountyId, ClaimId, CycleId, EarningId, EventId, IssueId, MemberId,
    NotificationId, OrganizationId, ParseIdError, PayoutId, PayoutItemId, PlanId, ProductId,
};
pub use money::{Currency, Money, MoneyError, Totals};
pub use page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageError, PageRequest, token};
pub use role::{ParseRoleError, Role, Roles};
pub use time::{Timestamp, TimestampExt};
pub use words::{IssueStatus, Method, PayoutStatus, Severity, UnknownWord};
