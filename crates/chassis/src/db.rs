//! Storage: one way to connect, one way to write, on SQLite and on PostgreSQL.

mod connect;
mod idempotency;
pub mod inbox;
mod journal;
mod migration;
mod open;
pub mod outbox;
pub mod retention;
mod retry;
mod tx;
mod write_set;

pub use connect::Db;
pub use idempotency::{Idempotency, IdempotencyError, Remembered};
pub use journal::{Entry, Journal};
pub use migration::{chassis_tables, forbid_changes, migrate, statements};
pub use open::open;
pub use retry::{is_transient, retrying};
pub use tx::Tx;
pub use write_set::{Column, Insert, Update, WriteError, WriteSet};
