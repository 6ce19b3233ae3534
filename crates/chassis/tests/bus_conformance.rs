//! One suite for both buses. RabbitMQ's half needs `TEST_AMQP_URL`: `cargo xtask test` provides it.

#[path = "bus/bench.rs"]
#[expect(dead_code, reason = "shared with the tests of each bus")]
#[expect(clippy::unwrap_used, reason = "a bench that cannot be set up fails its test")]
mod bench;
#[path = "bus/suite.rs"]
mod suite;

use self::bench::Bench;

macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod local {
            use super::{Bench, suite};

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                suite::$test(Bench::local().await).await;
            })+
        }

        mod rabbit {
            use super::{Bench, suite};

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                suite::$test(Bench::rabbit().await).await;
            })+
        }
    };
}

conformance!(
    delivers_by_pattern,
    keeps_the_order_of_a_long_window,
    tries_a_failing_batch_one_at_a_time,
    parks_a_poison_message,
    delivers_again_after_a_failure,
    survives_a_handler_that_panics,
    parks_what_fails_while_others_succeed,
    leaves_what_a_stopped_consumer_did_not_handle,
);
