//! What may be paid, and what follows from paying it. Pure: no I/O, no clock, no database.

pub(crate) mod account;
pub(crate) mod approval;
pub(crate) mod attempt;
pub(crate) mod charge;
pub(crate) mod commission;
pub(crate) mod decision;
pub(crate) mod due;
pub(crate) mod earning;
pub(crate) mod eligibility;
pub(crate) mod hold;
pub(crate) mod job;
pub(crate) mod lifecycle;
pub(crate) mod limits;
pub(crate) mod order;
pub(crate) mod partner;
pub(crate) mod payout;
pub(crate) mod payout_machine;
pub(crate) mod plan;
pub(crate) mod profit;
pub(crate) mod quote;
pub(crate) mod rail;
pub(crate) mod receivable;
pub(crate) mod review;
pub(crate) mod schedule;
pub(crate) mod settlement;
pub(crate) mod shares;
