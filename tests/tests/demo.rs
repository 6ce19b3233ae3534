//! The demo reproduces the wireframes of S0 (incident 20: the golden fixture), and shows the other
//! programmes.

use serde_json::json;
use system_tests::Person;
use system_tests::world::{EVERYWHERE, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_reproduces_the_wireframes_of_the_seed() {
    let world = World::start(EVERYWHERE[0].0, EVERYWHERE[0].1).await;
    let first = quittance::demo::load(&world.config).await.unwrap();
    assert!(first.loaded);
    let again = quittance::demo::load(&world.config).await.unwrap();
    assert!(!again.loaded, "the demo is loaded once");

    let dana = Person::sign_in(&world.base, "Hackorda QA", "dana@hackorda.example", &[]).await;
    let balance = dana.get("/api/me/balance").await.expect(200);
    let total = &balance["totals"][0];
    assert_eq!(total["earnedMinor"], json!(12_000_000));
    assert_eq!(total["pendingMinor"], json!(4_500_000));
    assert_eq!(total["awaitingMinor"], json!(3_000_000));
    assert_eq!(balance["awaitingCount"], json!(12));
    assert_eq!(balance["filedCount"], json!(42));
    assert_eq!(balance["acceptedCount"], json!(30));
    assert_eq!(balance["acceptanceRate"], json!(0.7143));
    assert_eq!(balance["decidedAcceptanceRate"], json!(1.0));
    let cycles = balance["cycles"].as_array().unwrap();
    let find =
        |name: &str| cycles.iter().find(|cycle| cycle["name"].as_str().unwrap().starts_with(name));
    let figures = |name: &str| {
        let cycle = find(name).unwrap_or_else(|| panic!("no cycle {name} in {balance}"));
        let earned = cycle["earned"][0]["amountMinor"].as_i64().unwrap_or_default();
        (cycle["issues"].as_i64(), cycle["approved"].as_i64(), cycle["paid"].as_i64(), earned)
    };
    assert_eq!(figures("Hackorda Onboarding"), (Some(18), Some(12), Some(8), 7_500_000));
    assert_eq!(figures("Akashi Cloud — Pre"), (Some(12), Some(9), Some(9), 4_500_000));
    assert_eq!(cycles.len(), 3, "42 issues across 3 cycles");

    let madina = Person::sign_in(&world.base, "Hackorda QA", "madina@hackorda.example", &[]).await;
    let page = madina.get("/api/admin/payouts").await.expect(200);
    let aggregate = &page["aggregate"];
    assert_eq!(
        aggregate["approvedUnpaid"],
        json!([{ "currency": "KZT", "amountMinor": 34_200_000, "count": 27 }])
    );
    assert_eq!(aggregate["paidLifetime"][0]["amountMinor"], json!(142_000_000));
    assert_eq!(aggregate["pendingReviewCount"], json!(18));
    assert_eq!(aggregate["topTester"]["name"], json!("Aibek"));
    assert_eq!(aggregate["topTester"]["amountMinor"], json!(22_000_000));
    let queue = |name: &str| {
        let row = page["payQueue"].as_array().unwrap().iter().find(|row| row["name"] == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not in the pay queue"));
        (row["issueCount"].as_i64(), row["totals"][0]["amountMinor"].as_i64())
    };
    assert_eq!(queue("Aibek"), (Some(8), Some(7_500_000)));
    assert_eq!(queue("Nazira"), (Some(5), Some(4_200_000)));
    let inbox = madina.get("/api/admin/triage").await.expect(200);
    assert_eq!((&inbox["issueCount"], &inbox["cycleCount"]), (&json!(12), &json!(3)));
    world.close().await;
}

/// S3-16: a partner with five payouts in different states; S2: schedules, one of them held back.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_has_a_partner_programme_and_placements_too() {
    let world = World::start(EVERYWHERE[0].0, EVERYWHERE[0].1).await;
    quittance::demo::load(&world.config).await.unwrap();
    let sign_in =
        async |organization, email| Person::sign_in(&world.base, organization, email, &[]).await;

    let sara = sign_in("Akashi Partners", "sara@akashi.example").await;
    let payouts = sara.get("/api/admin/payouts/list").await.expect(200);
    let states = payouts["items"].as_array().unwrap().iter().map(|payout| &payout["status"]);
    let mut states: Vec<&str> = states.map(|state| state.as_str().unwrap()).collect();
    states.sort_unstable();
    let expected = ["approved", "paid", "pending_approval", "pending_approval", "rejected"];
    assert_eq!(states, expected);
    let pending = sara.get("/api/admin/commissions/pending").await.expect(200);
    assert_eq!(pending["items"][0]["amountMinor"], json!(36_000), "{pending}");

    let gulnara = sign_in("Baiterek Recruiting", "gulnara@baiterek.example").await;
    let all = gulnara.get("/api/v2/payout-schedules").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    let run = gulnara.post("/api/v2/payout-schedules/process-due", json!({})).await.expect(200);
    assert_eq!((&run["processed"], &run["failed"]), (&json!(1), &json!(0)), "{run}");
    world.close().await;
}
