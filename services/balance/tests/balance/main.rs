//! The balance service against both databases: what it projects, and what it answers.

#![expect(clippy::unwrap_used, reason = "the lint knows test functions, not what they call")]

mod bank;
mod desk;
mod events;
mod explain;
mod export;
mod golden;
mod grpc;
mod ledger;
mod model;
mod order;
mod projection;
mod rebuild;
mod reconcile;
mod statistics;
mod world;
