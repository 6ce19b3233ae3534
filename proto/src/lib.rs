//! The gRPC contract of all services: generated messages, clients and servers.
//!
//! The `.proto` files beside this crate are the source; nothing generated is kept in the repository.

#![allow(clippy::all, clippy::pedantic, missing_docs)]

include!(concat!(env!("OUT_DIR"), "/mod.rs"));

pub use quittance::{audit, balance, common, issues, payouts, snapshots};

/// The encoded `FileDescriptorSet`, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
