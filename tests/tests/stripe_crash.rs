//! kill -9 around the calls of a provider that fails, hangs and talks nonsense. All behaviours at all
//! steps are `cargo xtask fault rails`; these are the worst of them.

use std::path::Path;

use system_tests::fault::die_at_provider;
use system_tests::world::BOTH;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_around_a_call_that_goes_wrong_charges_once_and_transfers_once() {
    let node = Path::new(env!("CARGO_BIN_EXE_node"));
    let fake = Path::new(env!("CARGO_BIN_EXE_fake_stripe"));
    let behaviours = ["500before", "timeoutafter", "decline", "action", "pending"];
    let steps = ["charge::after_call", "rail::after_send"];
    for place in BOTH {
        for outcome in die_at_provider(node, fake, &behaviours, &steps, place).await {
            assert_eq!((outcome.paid, outcome.lost, outcome.double), (1, 0, 0), "{outcome:?}");
        }
    }
}
