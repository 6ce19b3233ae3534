//! The rules of the issues service. Pure: no I/O, no clock; who and when are arguments.

pub mod api_key;
pub mod attachment;
pub mod bounty;
pub mod claim;
pub mod cycle;
pub mod facts;
pub mod gate;
pub mod identity;
pub mod impersonation;
pub mod issue;
pub mod member;
pub mod notice;
pub mod pool;
pub mod product;
pub mod rates;
pub mod review;
pub mod search;
pub mod sight;
pub mod status;
pub mod text;
pub mod view;
pub mod webhook;
