//! Benchmarks: ours beside a floor, in the same run, as ratios.

pub mod balance;
pub mod batch;
pub mod control;
pub mod export;
pub mod floor;
pub mod gateway;
pub mod ingest;
pub mod pay;
pub mod plan;
pub mod relay;
pub mod report;
pub mod same_schema;
pub mod schedules;
pub mod sse;
pub mod triage;
