//! The use cases of payouts over gRPC, on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cancel;
mod consumer;
mod due;
mod facts;
mod large;
mod lifecycle;
mod partners;
mod pay;
mod pieces;
mod race;
mod rails;
mod read;
mod refuse;
mod service;
mod world;
