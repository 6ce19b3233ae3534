//! Schedules and holds, as platform admins see them: over REST, on both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use quittance_chassis::clock;
use quittance_kernel::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::http::Person;
use system_tests::story::Shop;
use system_tests::world::{BOTH, World, eventually};
use uuid::Uuid;

const SCHEDULES: &str = "/api/v2/payout-schedules";
const HOLDS: &str = "/api/v2/escrow-holds";

fn in_minutes(minutes: i64) -> Timestamp {
    let pause = Duration::from_mins(minutes.unsigned_abs());
    if minutes < 0 { clock::now() - pause } else { clock::now() + pause }
}

struct Desk {
    shop: Shop,
    keeper: Person,
    placement: Uuid,
}

impl Desk {
    async fn open(world: &World) -> Self {
        let shop = Shop::open(world).await;
        let keeper = shop.person("keeper@shop.example", &["platform_admin"]).await;
        Self { shop, keeper, placement: Uuid::now_v7() }
    }

    fn schedule(&self, method: &str, minutes: i64) -> Value {
        json!({
            "placementId": self.placement,
            "payeeId": self.shop.tester.member_id,
            "amountMinor": 125_000,
            "currency": "USD",
            "method": method,
            "scheduledDate": in_minutes(minutes),
            "reference": "P-1",
        })
    }

    fn hold(&self) -> Value {
        json!({
            "placementId": self.placement,
            "payeeId": self.shop.tester.member_id,
            "amountMinor": 125_000,
            "currency": "USD",
            "reason": "the guarantee is disputed",
        })
    }

    async fn create(&self, body: Value) -> Value {
        self.keeper.post(SCHEDULES, body).await.expect(201)
    }

    async fn seen(&self, schedule: &Value) -> Value {
        self.keeper.get(&at(SCHEDULES, schedule, "")).await.expect(200)
    }
}

fn at(base: &str, of: &Value, action: &str) -> String {
    format!("{base}/{}{action}", of["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_changed_listed_and_given_up() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let keeper = &desk.keeper;
        let body = desk.schedule("bank", 60);
        let made = keeper.post_once(SCHEDULES, "one", &body).await;
        let one = made.expect(201);
        assert_eq!(made.headers["location"], at(SCHEDULES, &one, ""));
        assert_eq!((&one["status"], &one["retryCount"]), (&json!("pending"), &json!(0)));
        assert_eq!(one["nextAttemptAt"], one["scheduledDate"]);
        assert!(one["payoutId"].is_null() && one["failureReason"].is_null());
        let again = keeper.post_once(SCHEDULES, "one", &body).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(201)["id"], one["id"]);

        let other = desk.create(desk.schedule("kaspi", 60)).await;
        let later = in_minutes(30 * 24 * 60);
        let change =
            json!({ "amountMinor": 5, "currency": "USD", "guaranteeCompletionDate": later });
        let changed = keeper.patch(&at(SCHEDULES, &one, ""), change).await.expect(200);
        assert_eq!((&changed["amountMinor"], &changed["version"]), (&json!(5), &json!(2)));
        assert_eq!(changed["nextAttemptAt"], changed["guaranteeCompletionDate"]);
        let early = keeper.post(&at(SCHEDULES, &one, "/trigger"), json!({})).await;
        early.refused(409, "SCHEDULE_NOT_DUE");

        let placement = desk.placement;
        for path in [
            format!("{SCHEDULES}?placement={placement}"),
            format!("/api/v2/placements/{placement}/payout-schedules"),
            format!("/api/placements/{placement}/payout-schedules"),
        ] {
            let list = keeper.get(&path).await.expect(200);
            let ids: Vec<_> =
                list["items"].as_array().unwrap().iter().map(|of| &of["id"]).collect();
            assert_eq!(ids, [&other["id"], &one["id"]], "{path}");
        }
        let first = keeper.get(&format!("{SCHEDULES}?pageSize=1")).await.expect(200);
        let token = first["nextPageToken"].as_str().unwrap();
        let next =
            keeper.get(&format!("{SCHEDULES}?pageSize=1&pageToken={token}")).await.expect(200);
        assert_eq!(next["items"][0]["id"], one["id"]);
        assert!(next["nextPageToken"].is_null());

        let gone = keeper.delete(&at(SCHEDULES, &one, "")).await.expect(200);
        assert_eq!(gone["status"], "cancelled");
        assert_eq!(desk.seen(&one).await["status"], "cancelled");
        let late = keeper.patch(&at(SCHEDULES, &one, ""), json!({ "notes": "x" })).await;
        late.refused(409, "NOT_EDITABLE");
        let failed = keeper.get(&format!("{SCHEDULES}?status=cancelled")).await.expect(200);
        assert_eq!(failed["items"].as_array().unwrap().len(), 1);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_a_key_is_made_once_however_often_it_is_sent() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let schedule = desk.create(desk.schedule("bank", 60)).await;
        let hold = desk.keeper.post(HOLDS, desk.hold()).await.expect(201);
        for (path, change, other) in [
            (at(SCHEDULES, &schedule, ""), json!({ "notes": "a" }), json!({ "notes": "b" })),
            (at(HOLDS, &hold, ""), json!({ "reason": "a" }), json!({ "reason": "b" })),
        ] {
            let send = async |method: Method, key: &str, body: &Value| {
                desk.keeper.write_once(method, &path, &format!("{key} {path}"), body).await
            };
            for (method, body) in [(Method::PATCH, &change), (Method::DELETE, &json!({}))] {
                let first = send(method.clone(), method.as_str(), body).await;
                assert!(!first.headers.contains_key("idempotency-replayed"), "{}", first.text);
                let again = send(method.clone(), method.as_str(), body).await;
                assert_eq!(again.headers["idempotency-replayed"], "true");
                assert_eq!(again.expect(200), first.expect(200));
            }
            let reused = send(Method::PATCH, "PATCH", &other).await;
            reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
        }
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_queues_a_manual_payout_whose_payment_reaches_the_balance() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let one = desk.create(desk.schedule("bank", 60)).await;
        let path = at(SCHEDULES, &one, "/trigger");
        let done = desk.keeper.post(&path, json!({})).await.expect(200);
        assert_eq!(done["status"], "processed");
        let payout = done["payoutId"].as_str().unwrap();
        desk.keeper.post(&path, json!({})).await.refused(409, "INVALID_TRANSITION");
        desk.shop.balance_shows(&desk.shop.tester, 0, 125_000).await;

        let admin = &desk.shop.admin;
        let shown = admin.get(&format!("/api/admin/payouts/{payout}")).await.expect(200);
        assert_eq!(shown["status"], "approved");
        let paid = json!({ "method": "bank", "reference": "WIRE-7" });
        let paid = admin.post(&format!("/api/admin/payouts/{payout}/mark-paid"), paid).await;
        assert_eq!(paid.expect(200)["status"], "paid");
        desk.shop.balance_shows(&desk.shop.tester, 125_000, 0).await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_processes_a_schedule_and_who_cannot_be_paid_fails_it() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let account = json!({ "method": "stripe", "accountId": "acct_ok_1" });
        desk.shop.tester.put("/api/me/payout-account", account).await.expect(200);
        let one = desk.create(desk.schedule("stripe", 60)).await;
        desk.keeper.post(&at(SCHEDULES, &one, "/trigger"), json!({})).await.expect(200);
        let paid = eventually("the provider's answer", || async {
            let seen = desk.seen(&one).await;
            (seen["status"] == "processed").then_some(seen)
        })
        .await;
        assert!(paid["processedAt"].is_string() && paid["payoutId"].is_string());
        desk.shop.balance_shows(&desk.shop.tester, 125_000, 0).await;

        // Nobody can pay to this one: a trigger is one failure, and counts anew each time.
        let poor = desk.shop.person("poor@shop.example", &["member"]).await;
        let mut body = desk.schedule("stripe", 60);
        body["payeeId"] = json!(poor.member_id);
        let two = desk.create(body).await;
        let failed =
            desk.keeper.post(&at(SCHEDULES, &two, "/trigger"), json!({})).await.expect(200);
        assert_eq!((&failed["status"], &failed["retryCount"]), (&json!("pending"), &json!(1)));
        assert_eq!(failed["failureReason"], "payee_not_onboarded");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_back_until_it_is_released_whole() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let keeper = &desk.keeper;
        let schedule = desk.create(desk.schedule("bank", -5)).await;
        let made = keeper.post(HOLDS, desk.hold()).await;
        let hold = made.expect(201);
        assert_eq!((&hold["status"], &hold["scheduleId"]), (&json!("active"), &Value::Null));
        let trigger = at(SCHEDULES, &schedule, "/trigger");
        keeper.post(&trigger, json!({})).await.refused(409, "HOLD_ACTIVE");

        let moved =
            json!({ "reason": "a longer dispute", "releaseScheduledDate": "2030-01-01T00:00:00Z" });
        let moved = keeper.patch(&at(HOLDS, &hold, ""), moved).await.expect(200);
        assert_eq!(moved["releaseScheduledDate"], "2030-01-01T00:00:00Z");
        let release = at(HOLDS, &hold, "/release");
        let bad = keeper.post(&release, json!({ "amountMinor": 0, "reason": "x" })).await;
        bad.refused(400, "INVALID_AMOUNT");
        let too_much =
            keeper.post(&release, json!({ "amountMinor": 125_001, "reason": "x" })).await;
        too_much.refused(400, "INVALID_AMOUNT");
        let part = json!({ "amountMinor": 25_000, "reason": "a part is settled" });
        let part = keeper.post_once(&release, "part", &part).await.expect(200);
        assert_eq!((&part["status"], &part["amountMinor"]), (&json!("active"), &json!(100_000)));
        assert_eq!(part["released"]["amountMinor"], 25_000);
        assert_eq!(part["released"]["parentId"], hold["id"]);
        assert_eq!(part["unblockedSchedules"], 0);
        keeper.post(&trigger, json!({})).await.refused(409, "HOLD_ACTIVE");

        let total = format!("/api/placements/{}/escrow-holds/total", desk.placement);
        let sums = keeper.get(&total).await.expect(200);
        let expected = json!([{
            "currency": "USD", "activeMinor": 100_000, "releasedMinor": 25_000,
            "cancelledMinor": 0, "activeCount": 1,
        }]);
        assert_eq!(sums["totals"], expected);
        let rest = keeper.post(&release, json!({ "reason": "settled" })).await.expect(200);
        assert_eq!((&rest["status"], &rest["unblockedSchedules"]), (&json!("released"), &json!(1)));
        assert_eq!(rest["endedBy"], json!(keeper.member_id));
        assert_eq!(rest["endReason"], "settled");
        keeper.post(&release, json!({ "reason": "x" })).await.refused(409, "INVALID_TRANSITION");
        let done = keeper.post(&trigger, json!({})).await.expect(200);
        assert_eq!(done["status"], "processed");

        let second = keeper.post(HOLDS, desk.hold()).await.expect(201);
        let gone =
            keeper.post(&at(HOLDS, &second, "/cancel"), json!({ "reason": "an error" })).await;
        assert_eq!(gone.expect(200)["status"], "cancelled");
        let list = format!("/api/v2/placements/{}/escrow-holds", desk.placement);
        assert_eq!(keeper.get(&list).await.expect(200)["items"].as_array().unwrap().len(), 3);
        let active = keeper.get(&format!("{HOLDS}?status=active")).await.expect(200);
        assert!(active["items"].as_array().unwrap().is_empty());
        world.close().await;
    }
}

/// INC-20: collections and actions are guarded as single resources are.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reaches_schedules_and_holds() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let desk = Desk::open(&world).await;
        let one = desk.create(desk.schedule("bank", 60)).await;
        let hold = desk.keeper.post(HOLDS, desk.hold()).await.expect(201);
        let finance = desk.shop.person("finance@shop.example", &["finance", "auditor"]).await;
        let placement = desk.placement;
        for person in [&desk.shop.admin, &desk.shop.tester, &finance] {
            for path in [
                SCHEDULES.to_owned(),
                at(SCHEDULES, &one, ""),
                HOLDS.to_owned(),
                at(HOLDS, &hold, ""),
                format!("/api/v2/placements/{placement}/payout-schedules"),
                format!("/api/placements/{placement}/payout-schedules"),
                format!("/api/v2/placements/{placement}/escrow-holds"),
                format!("/api/placements/{placement}/escrow-holds/total"),
            ] {
                person.get(&path).await.refused(403, "ROLE_REQUIRED");
            }
            for (path, body) in [
                (SCHEDULES.to_owned(), desk.schedule("bank", 1)),
                (HOLDS.to_owned(), desk.hold()),
                (at(SCHEDULES, &one, "/trigger"), json!({})),
                (at(HOLDS, &hold, "/release"), json!({ "reason": "x" })),
                (at(HOLDS, &hold, "/cancel"), json!({ "reason": "x" })),
            ] {
                person.post(&path, body).await.refused(403, "ROLE_REQUIRED");
            }
            for path in [at(SCHEDULES, &one, ""), at(HOLDS, &hold, "")] {
                person.patch(&path, json!({})).await.refused(403, "ROLE_REQUIRED");
                person.delete(&path).await.refused(403, "ROLE_REQUIRED");
            }
        }
        // Another organization has platform admins of its own.
        let away = Desk::open(&world).await;
        away.keeper.get(&at(SCHEDULES, &one, "")).await.refused(404, "SCHEDULE_NOT_FOUND");
        let release = at(HOLDS, &hold, "/release");
        let refused = away.keeper.post(&release, json!({ "reason": "x" })).await;
        refused.refused(404, "HOLD_NOT_FOUND");
        // Nor does anybody schedule, or hold, for themselves.
        let mut own = desk.schedule("bank", 1);
        own["payeeId"] = json!(desk.keeper.member_id);
        desk.keeper.post(SCHEDULES, own).await.refused(403, "SELF_APPROVAL");
        for (field, value) in [
            ("amountMinor", json!(0)),
            ("currency", json!("XYZ")),
            ("reference", json!("x".repeat(256))),
            ("method", json!("barter")),
            ("scheduledDate", json!("tomorrow")),
        ] {
            let mut bad = desk.schedule("bank", 1);
            bad[field] = value;
            let refused = desk.keeper.post(SCHEDULES, bad).await.expect(400);
            assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        }
        world.close().await;
    }
}
