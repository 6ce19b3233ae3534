//! A server with the edge around it, and clients that try it.

mod edge;
mod harness;
mod retry;
mod tls;
