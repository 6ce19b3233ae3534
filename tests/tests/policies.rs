//! A limit on payments is not taken away by one admin alone (rule 8).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use futures_util::future::join_all;
use serde_json::{Value, json};
use system_tests::http::{Answer, Person};
use system_tests::story::{Shop, payment};
use system_tests::world::{BOTH, World, eventually};

const POLICIES: &str = "/api/admin/payout-policies";

fn policy(above: i64, approvers: i64) -> Value {
    json!({ "currency": "KZT", "aboveMinor": above, "approvers": approvers })
}

async fn confirm(who: &Person, set: &Value) -> Answer {
    let path = format!("{POLICIES}/{}/confirm", set["proposal"]["id"].as_str().unwrap());
    who.post(&path, json!({})).await
}

/// What holds: amount, approvers and version.
async fn holds(shop: &Shop) -> (i64, i64, i64) {
    let seen = shop.admin.get(POLICIES).await.expect(200);
    let number = |name: &str| seen["items"][0][name].as_i64().unwrap();
    (number("aboveMinor"), number("approvers"), number("version"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_loosened_by_two_admins_and_tightened_by_one() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let second = shop.person("second@shop.example", &["admin"]).await;
        let finance = shop.person("finance@shop.example", &["finance"]).await;
        let issue = shop.approved(1).await.remove(0);
        // The first, and whatever asks for more, holds at once.
        for (wanted, version) in [(policy(500, 1), 1), (policy(400, 1), 2), (policy(400, 2), 3)] {
            let set = shop.admin.put(POLICIES, wanted).await.expect(200);
            assert_eq!((&set["version"], &set["proposal"]), (&json!(version), &Value::Null));
        }

        let set = shop.admin.put(POLICIES, policy(9_000_000, 2)).await.expect(200);
        assert_eq!((&set["aboveMinor"], &set["version"]), (&json!(400), &json!(3)));
        assert_eq!(set["proposal"]["aboveMinor"], 9_000_000);
        assert_eq!(holds(&shop).await, (400, 2, 3));
        let seen = finance.get(POLICIES).await.expect(200);
        assert_eq!(seen["proposals"][0]["proposedBy"], json!(shop.admin.member_id));
        eventually("the earning", || async {
            let single = shop.payments_path(&issue);
            let answer = shop.admin.post(&single, payment()).await;
            (answer.code() == "APPROVALS_REQUIRED").then_some(())
        })
        .await;

        // Not by whoever proposed it, not by another role, not by another organization.
        confirm(&shop.admin, &set).await.refused(403, "SELF_APPROVAL");
        confirm(&finance, &set).await.refused(403, "ROLE_REQUIRED");
        let stranger = Shop::open(&world).await;
        confirm(&stranger.admin, &set).await.refused(404, "PROPOSAL_NOT_FOUND");
        assert_eq!(holds(&shop).await, (400, 2, 3));

        // A later proposal takes its place; a policy that has changed since is another one.
        let later = shop.admin.put(POLICIES, policy(8_000_000, 1)).await.expect(200);
        confirm(&second, &set).await.refused(404, "PROPOSAL_NOT_FOUND");
        let _ = second.put(POLICIES, policy(300, 2)).await.expect(200);
        confirm(&second, &later).await.refused(409, "POLICY_CHANGED");
        assert_eq!(holds(&shop).await, (300, 2, 4));

        // Sent twice with one key it is confirmed once, and the second answer is the first one.
        let fewer = shop.admin.put(POLICIES, policy(300, 1)).await.expect(200);
        let path = format!("{POLICIES}/{}/confirm", fewer["proposal"]["id"].as_str().unwrap());
        let first = second.post_once(&path, "confirm", &json!({})).await.expect(200);
        let again = second.post_once(&path, "confirm", &json!({})).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(200), first);
        assert_eq!(holds(&shop).await, (300, 1, 5));

        // Many at once confirm it once.
        let last = shop.admin.put(POLICIES, policy(300, 0)).await.expect(200);
        let answers = join_all((0..6).map(|_| confirm(&second, &last))).await;
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1, "{answers:?}");
        assert_eq!(holds(&shop).await, (300, 0, 6));
        let _ = shop.admin.post(&shop.payments_path(&issue), payment()).await.expect(201);

        // Who proposed and who confirmed can be read for ever.
        let id = last["proposal"]["id"].as_str().unwrap();
        let trail = format!("/api/admin/audit?service=payouts&entityId={id}");
        let trail = shop.admin.get(&trail).await.expect(200);
        let by = |action: &str| {
            let mut rows = trail["items"].as_array().unwrap().iter();
            rows.find(|row| row["action"] == action).map(|row| row["actorId"].clone())
        };
        assert_eq!(by("payout_policy.proposed"), Some(json!(shop.admin.member_id)), "{trail}");
        assert_eq!(by("payout_policy.confirmed"), Some(json!(second.member_id)), "{trail}");
        world.close().await;
    }
}
