//! Sixty-four at once over the same earnings: whatever happens, each is paid once (reliability, 1).

use std::time::Duration;

use system_tests::fault::{Race, race};
use system_tests::world::BOTH;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_workers_race_over_the_same_earnings_and_the_books_hold() {
    for (store, bus) in BOTH {
        let wanted = Race { earnings: 300, workers: 64, time: Duration::from_secs(4) };
        let raced = race(store, bus, wanted).await;
        // Each kind of work was part of it, or nothing is proven.
        for what in ["single", "batch", "plan", "approval", "commit", "return", "void"] {
            assert!(raced.did(what) > 0, "{store:?}: no {what}: {raced:?}");
        }
        assert!(raced.counts.payouts > 0, "{raced:?}");
    }
}
