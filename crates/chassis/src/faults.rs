//! Fail points: places where a fault test can make the process die, wait or panic.
//!
//! They are compiled in only with the feature `faults`. `FAILPOINTS` in the environment arms them,
//! such as `FAILPOINTS=relay::published=1*off->return`: `return` kills the process on the spot.
//!
//! | fail point | where |
//! |---|---|
//! | `relay::published` | the bus has confirmed, the outbox rows are not yet removed |
//! | `consumer::handled` | the handler has committed, the broker does not know yet |
//! | `pay::before_write` | a payment is decided, nothing of it is written |
//! | `pay::after_write` | a payment is committed, the caller does not know yet |
//! | `plan::before_write` | a run is decided, nothing of it is written |
//! | `plan::after_write` | it is committed, the caller does not know yet |
//! | `plan::before_commit` | a plan is about to be paid, nothing of it is written |
//! | `plan::after_commit` | it is paid, the caller does not know yet |
//! | `move::before_commit` | steps of partners' payouts are written, not committed |
//! | `undo::before_commit` | a void, return or cancel is written, not committed |
//! | `undo::after_commit` | it is committed, the caller does not know yet |
//! | `rail::before_send` | attempts are committed as submitted, no provider was called |
//! | `rail::after_send` | providers have answered, nothing of it is written |
//! | `rail::after_outcome` | the answers are committed |
//! | `job::after_chunk` | a chunk of a job is committed and counted, not yet noted in its run |

/// Arms the fail points from the environment, for the life of the process. Call it first in `main`.
#[cfg(feature = "faults")]
pub fn arm() {
    // Dropping the scenario would disarm them.
    std::mem::forget(fail::FailScenario::setup());
}

/// There is nothing to arm.
#[cfg(not(feature = "faults"))]
pub fn arm() {}

/// Does what the fail point has been told to do.
#[cfg(feature = "faults")]
pub fn hit(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

/// Marks a place where a fault test can make the process fail.
#[cfg(feature = "faults")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        $crate::faults::hit($name)
    };
}

/// Marks a place where a fault test can make the process fail.
#[cfg(not(feature = "faults"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {};
}

pub use crate::fail_point;
