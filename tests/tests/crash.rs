//! kill -9 in the middle of a batch, restart, retry: nothing lost, nothing twice.

use std::path::Path;
use std::time::Duration;

use system_tests::fault::{
    Outcome, cut_broker, die_at, die_at_every_step, die_between_pieces, everywhere, kill_in_turn,
};
use system_tests::world::BOTH;

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_node"))
}

fn unharmed(outcome: &Outcome) {
    let paid = usize::try_from(outcome.paid).unwrap_or_default();
    assert_eq!((paid, outcome.lost, outcome.double), (outcome.asked, 0, 0), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_every_step_of_a_batch_pays_each_issue_once() {
    for (point, store, bus) in everywhere() {
        unharmed(&die_at(binary(), point, store, bus).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_between_the_pieces_of_a_large_batch_pays_all_of_it_once() {
    for (store, bus) in BOTH {
        unharmed(&die_between_pieces(binary(), store, bus).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_every_step_of_plans_and_voids_does_each_once() {
    for (store, bus) in BOTH {
        for outcome in die_at_every_step(binary(), store, bus).await {
            unharmed(&outcome);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_killed_in_turn_under_load_lose_and_double_nothing() {
    unharmed(&kill_in_turn(binary(), 8).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_cut_off_or_away_delays_events_and_loses_none() {
    for outcome in cut_broker(binary(), 4, Duration::from_secs(1)).await {
        unharmed(&outcome);
    }
}
