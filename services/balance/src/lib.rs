//! What is true about the money: balances, history, export and totals, projected from events.
//!
//! This service never decides anything. It keeps one line per issue, folded from whole-state events
//! whatever their order, and aggregates that are always the sum of what the lines contribute.

mod app;
pub mod command;
mod consumer;
mod domain;
mod grpc;
mod migrations;
mod start;
mod store;

pub use app::{
    Balances, Care, ComparedSum, Entity, Error, Export, Finding, FindingKind, LedgerFlaw,
    LedgerVerdict, OwnedTotal, Owners, OwnersError, Period, Progress, RebuildError, Rebuilt,
    ReconcileError, Reconciliation, ReconciliationError, Remote, Snapshot,
};
pub use consumer::{KINDS, Projections, QUEUE};
pub use domain::{
    Balance, BalanceTotal, BankError, Counts, CycleBalance, Flow, LedgerError, OutOfRange, Proof,
    Sums, Unproven,
};
pub use grpc::ACCESS;
pub use migrations::Migrator;
pub use start::{Binary, connect, migrate, start};
