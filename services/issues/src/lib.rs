//! The issues service: was the work accepted, and what is it worth?

mod access;
pub mod app;
mod bounty_error;
mod consumer;
pub mod domain;
pub mod error;
mod files;
pub mod grpc;
mod instruments;
mod mail;
mod migrations;
mod start;
mod store;
mod webhooks;

pub use access::ACCESS;
pub use app::Issues;
pub use files::Files;
pub use migrations::Migrator;
pub use start::{Binary, connect, start};
