//! What the stories over the whole path share: a running instance and its people.
#![expect(clippy::missing_panics_doc, reason = "a story that cannot go on panics")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot go on panics")]

pub mod bench;
pub mod bounty;
pub mod browser;
pub mod check;
pub mod cluster;
pub mod fault;
pub mod http;
pub mod pages;
pub mod story;
pub mod world;

pub use cluster::{Cluster, Node};
pub use http::{Answer, Person};
pub use story::Shop;
pub use world::{Bus, Store, World};
