//! Many at once, and changes in between: paid exactly once, or not at all.

use std::collections::HashSet;

use quittance_proto::payouts::v1::pay_issue_response::Outcome;

use crate::world::{World, batch, group, paid_issue, refused_issue, single, worlds};

/// Pays an issue with these keys at once; returns the answers.
async fn at_once(world: &World, keys: Vec<String>) -> Vec<Outcome> {
    let issue = world.issue(800_000);
    let calls = keys.into_iter().map(|key| {
        let request = world.signed(&world.admin, single(issue, &key));
        let mut client = world.payouts.clone();
        tokio::spawn(async move { client.pay_issue(request).await })
    });
    let mut outcomes = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        outcomes.push(call.await.unwrap().unwrap().into_inner().outcome.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_with_one_key_get_one_answer() {
    for world in worlds().await {
        let outcomes = at_once(&world, vec!["same".to_owned(); 200]).await;
        let payouts: HashSet<String> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Paid(paid) => paid.payout_id,
                Outcome::Refused(refused) => panic!("refused: {:?}", refused.reasons),
            })
            .collect();
        assert_eq!(payouts.len(), 1);
        world.check(1, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_with_their_own_keys_one_pays() {
    for world in worlds().await {
        let keys = (0..200).map(|number| format!("key-{number}")).collect();
        let mut paid = 0;
        for outcome in at_once(&world, keys).await {
            match outcome {
                Outcome::Paid(_) => paid += 1,
                Outcome::Refused(refused) => assert_eq!(refused.reasons, ["already_paid"]),
            }
        }
        assert_eq!(paid, 1);
        world.check(1, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_batches_pay_each_issue_once() {
    for world in worlds().await {
        let issues: Vec<_> = (0..60).map(|_| world.issue(100)).collect();
        let calls: Vec<_> = (0..12)
            .map(|turn| {
                let mut some = issues.clone();
                some.rotate_left(turn * 5);
                some.truncate(20);
                let mut request = batch(vec![group(&some)]);
                request.on_blocked = quittance_proto::payouts::v1::OnBlocked::Skip.into();
                let request = world.signed(&world.admin, request);
                let mut client = world.payouts.clone();
                tokio::spawn(async move { client.batch_pay(request).await })
            })
            .collect();
        for call in calls {
            // Whoever lost three times is told so, and has paid nothing.
            if let Err(status) = call.await.unwrap() {
                assert_eq!(quittance_chassis::problem::read(&status).reason, "CONTENDED");
            }
        }
        let items = world.number("SELECT count(*) FROM payout_items").await;
        let payouts = world.number("SELECT count(*) FROM payouts").await;
        assert!(0 < items && items <= 60);
        world.check(payouts, items).await;
    }
}

#[tokio::test]
async fn what_is_voided_while_it_is_decided_is_not_paid() {
    for world in worlds().await {
        let issue = world.issue(5);
        paid_issue(world.pay(&world.admin, single(issue, "")).await.unwrap());
        world.execute("UPDATE payout_items SET live = false").await;
        let approved = "UPDATE earnings SET status = 'approved', payout_id = NULL, \
                        version = version + 1";
        world.execute(approved).await;
        let void = "UPDATE earnings SET status = 'void', version = version + 1";
        world.facts.meanwhile(&world.db, void);
        let answer = world.pay(&world.admin, single(issue, "")).await.unwrap();
        assert_eq!(refused_issue(answer), ["voided"]);
        assert_eq!(world.number("SELECT count(*) FROM payouts").await, 1);
    }
}

#[tokio::test]
async fn the_live_item_is_a_wall_of_its_own() {
    for world in worlds().await {
        let issue = world.issue(5);
        paid_issue(world.pay(&world.admin, single(issue, "")).await.unwrap());
        // Even a row that wrongly says approved is not paid a second time.
        let approved = "UPDATE earnings SET status = 'approved', payout_id = NULL, \
                        version = version + 1";
        world.execute(approved).await;
        let answer = world.pay(&world.admin, single(issue, "")).await;
        assert_eq!(crate::world::problem(answer).reason, "CONTENDED");
        assert_eq!(world.number("SELECT count(*) FROM payout_items").await, 1);
        assert_eq!(world.number("SELECT count(*) FROM payouts").await, 1);
    }
}
