//! The use cases of the issues service, each on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "issues/access.rs"]
mod access;
#[path = "issues/api_keys.rs"]
mod api_keys;
#[path = "issues/attachments.rs"]
mod attachments;
#[path = "issues/bounties.rs"]
mod bounties;
#[path = "issues/duplicates.rs"]
mod duplicates;
#[path = "issues/fixture.rs"]
mod fixture;
#[path = "issues/gate.rs"]
mod gate;
#[path = "issues/identity.rs"]
mod identity;
#[path = "issues/isolation.rs"]
mod isolation;
#[path = "issues/lists.rs"]
mod lists;
#[path = "issues/mirror.rs"]
mod mirror;
#[path = "issues/notifications.rs"]
mod notifications;
#[path = "issues/people.rs"]
mod people;
#[path = "issues/retention.rs"]
mod retention;
#[path = "issues/review.rs"]
mod review;
#[path = "issues/s3.rs"]
mod s3;
#[path = "issues/search.rs"]
mod search;
#[path = "issues/service.rs"]
mod service;
#[path = "issues/setup.rs"]
mod setup;
#[path = "issues/webhooks.rs"]
mod webhooks;
#[path = "issues/wire.rs"]
mod wire;
