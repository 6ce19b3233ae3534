//! Plumbing that every service shares. Nothing business-like enters here.

pub mod audit;
pub mod auth;
pub mod bus;
pub mod clock;
pub mod config;
pub mod db;
pub mod faults;
pub mod grpc;
pub mod problem;
pub mod run;
pub mod snapshots;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
