//! The REST contract, in front of services that give the answers they were told to give.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod access;
mod api_keys;
mod bad_input;
mod contract;
mod fake;
mod house;
mod limits;
mod oidc;
mod process;
mod roles;
