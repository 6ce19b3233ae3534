//! Payout accounts, their cool-down and minimum amounts over REST; and what undoes a partner's payout.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use quittance_chassis::db::Db;
use sea_orm::{ConnectionTrait as _, Statement};
use secrecy::SecretString;
use serde_json::{Value, json};
use system_tests::Person;
use system_tests::story::{Shop, batch, id, payment};
use system_tests::world::{BOTH, World};

const OWN: &str = "/api/me/payout-account";
const MINIMUMS: &str = "/api/admin/minimum-amounts";
const BATCH: &str = "/api/admin/payouts/batch-pay";
const RUN: &str = "/api/admin/payouts/run-batch";

fn kaspi(phone: &str) -> Value {
    json!({ "method": "kaspi", "phone": phone })
}

fn minimum(minor: i64) -> Value {
    json!({ "method": "kaspi", "currency": "KZT", "amountMinor": minor })
}

fn run(dry: bool) -> Value {
    json!({ "method": "kaspi", "reference": "MAY", "dryRun": dry })
}

fn reasons(problem: &Value) -> Value {
    problem["excluded"][0]["reasons"].clone()
}

/// Every text of every table of payouts that could hold a number.
async fn everything(db: &Db) -> String {
    let mut all = String::new();
    for sql in [
        "SELECT coalesce(before, '') || coalesce(after, '') || coalesce(reason, '') FROM audit_log",
        "SELECT body FROM outbox",
        "SELECT sealed || key_id || masked FROM payout_accounts",
        "SELECT masked FROM payout_account_history",
    ] {
        let statement = Statement::from_string(db.backend(), sql);
        for row in db.conn().query_all_raw(statement).await.unwrap() {
            all += &row.try_get_by_index::<String>(0).unwrap();
            all.push('\n');
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_checked_sealed_and_shown_masked_only() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let tester = &shop.tester;
        assert_eq!(tester.get(OWN).await.expect(200)["items"], json!([]));
        let first = tester.put(OWN, kaspi("+7 701 123 45 67")).await.expect(200);
        assert_eq!((&first["masked"], &first["changedAt"]), (&json!("+7••••4567"), &Value::Null));
        let iban = json!({ "method": "bank", "iban": "KZ86 125K ZT50 0410 0100" });
        assert_eq!(tester.put(OWN, iban).await.expect(200)["masked"], "KZ••••0100");
        // The same number again is no change.
        let again = tester.put(OWN, kaspi("+77011234567")).await.expect(200);
        assert_eq!((&again["version"], &again["payableAt"]), (&json!(1), &Value::Null));
        let changed = tester.put(OWN, kaspi("+77017654321")).await.expect(200);
        assert_eq!((&changed["version"], &changed["masked"]), (&json!(2), &json!("+7••••4321")));
        assert!(changed["payableAt"].is_string(), "{changed}");
        let own = tester.get(OWN).await.expect(200);
        let path = format!("/api/admin/members/{}/payout-account", tester.member_id);
        assert_eq!(shop.admin.get(&path).await.expect(200), own);
        assert_eq!(own["items"].as_array().unwrap().len(), 2);
        tester.get(&path).await.refused(403, "ROLE_REQUIRED");
        let strangers = Shop::open(&world).await;
        assert_eq!(strangers.admin.get(&path).await.expect(200)["items"], json!([]));

        for (body, field) in [
            (kaspi("87011234567"), "phone"),
            (json!({ "method": "bank", "iban": "KZ86125KZT5004100101" }), "iban"),
            (json!({ "method": "ach", "accountId": "4111111111111111" }), "accountId"),
            (json!({ "method": "bank", "phone": "+77011234567" }), "phone"),
        ] {
            let refused = tester.put(OWN, body).await.refused(400, "INVALID_FIELD");
            assert_eq!(refused["errors"][0]["field"], field, "{refused}");
        }
        tester.put(OWN, json!({ "method": "cash" })).await.refused(400, "METHOD_NOT_ALLOWED");

        let db = quittance_payouts::connect(&world.config).await.unwrap();
        let all = everything(&db).await;
        assert!(all.contains("+7••••4567"), "what it was is kept masked");
        for plain in ["77011234567", "7017654321", "125KZT5004100100", "+7 701"] {
            assert!(!all.contains(plain), "{plain} is somewhere in the database");
        }
        let change = Statement::from_string(db.backend(), "DELETE FROM payout_account_history");
        assert!(db.conn().execute_raw(change).await.is_err(), "the history is append-only");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_account_waits_on_every_way_of_paying_and_a_first_one_does_not() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(4).await;
        // Nobody needs an account to be paid by hand, and a first one is paid at once.
        shop.admin.post(&shop.payments_path(&issues[0]), payment()).await.expect(201);
        shop.tester.put(OWN, kaspi("+77011234567")).await.expect(200);
        shop.admin.post(&shop.payments_path(&issues[1]), payment()).await.expect(201);
        shop.tester.put(OWN, kaspi("+77017654321")).await.expect(200);

        let rest = &issues[2..];
        let waiting = json!(["account_cooling_down"]);
        let single = shop.admin.post(&shop.payments_path(&rest[0]), payment()).await;
        assert_eq!(reasons(&single.refused(409, "NOT_PAYABLE")), waiting);
        let refused = shop.admin.post(BATCH, batch(&shop.tester, rest)).await;
        assert_eq!(reasons(&refused.refused(409, "NOT_PAYABLE")), waiting);
        for dry in [true, false] {
            let ran = shop.admin.post(RUN, run(dry)).await;
            assert!(ran.status < 300, "{}", ran.text);
            assert!(ran.text.contains("account_cooling_down"), "{}", ran.text);
        }
        // Another method is not what was changed.
        let cash = json!({ "method": "cash", "reference": "C-1" });
        shop.admin.post(&shop.payments_path(&rest[0]), cash).await.expect(201);
        world.close().await;

        let world = World::start_with(store, bus, |config| {
            config.policy.account_cooldown_hours = 0;
        })
        .await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(1).await;
        shop.tester.put(OWN, kaspi("+77011234567")).await.expect(200);
        shop.tester.put(OWN, kaspi("+77017654321")).await.expect(200);
        shop.admin.post(&shop.payments_path(&issues[0]), payment()).await.expect(201);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_below_the_minimum_accumulates_and_says_so() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        // Each is worth 800,000; two together reach the minimum.
        shop.tester.put(MINIMUMS, minimum(1_000_000)).await.refused(403, "ROLE_REQUIRED");
        shop.admin.put(MINIMUMS, minimum(-1)).await.refused(400, "INVALID_AMOUNT");
        let set = shop.admin.put(MINIMUMS, minimum(2_000_000)).await.expect(200);
        assert_eq!(shop.admin.get(MINIMUMS).await.expect(200)["items"], json!([set]));

        let small = json!(["below_minimum"]);
        let single = shop.admin.post(&shop.payments_path(&issues[0]), payment()).await;
        assert_eq!(reasons(&single.refused(409, "NOT_PAYABLE")), small);
        let all = shop.admin.post(BATCH, batch(&shop.tester, &issues)).await;
        let refused = all.refused(409, "NOT_PAYABLE");
        assert_eq!(refused["excluded"].as_array().unwrap().len(), 2);
        assert_eq!(reasons(&refused), small);
        for dry in [true, false] {
            let ran = shop.admin.post(RUN, run(dry)).await;
            assert!(ran.status < 300, "{}", ran.text);
            assert!(ran.text.contains("below_minimum"), "{}", ran.text);
        }
        let queue = shop.admin.get("/api/admin/payouts/by-tester").await.expect(200);
        let told = json!([{ "method": "kaspi", "currency": "KZT", "minimumMinor": 2_000_000 }]);
        assert_eq!(queue["items"][0]["belowMinimum"], told);
        // Another method, or currency, has no minimum.
        shop.admin.put(MINIMUMS, minimum(1_600_000)).await.expect(200);
        let queue = shop.admin.get("/api/admin/payouts/by-tester").await.expect(200);
        assert_eq!(queue["items"][0]["belowMinimum"], json!([]));
        let mut skip = batch(&shop.tester, &issues[..1]);
        skip["onBlocked"] = json!("skip");
        assert_eq!(
            reasons(&shop.admin.post(BATCH, skip).await.refused(409, "NOT_PAYABLE")),
            small,
            "one alone is too small"
        );
        shop.admin.post(BATCH, batch(&shop.tester, &issues)).await.expect(200);
        shop.admin.put(MINIMUMS, minimum(0)).await.expect(200);
        assert_eq!(shop.admin.get(MINIMUMS).await.expect(200)["items"], json!([]));
        world.close().await;
    }
}

/// 32 bytes in base64.
const OLD: &str = "old:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "new:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_seals_every_number_anew_and_nobody_waits_because_of_it() {
    for (store, bus) in BOTH {
        let old = |config: &mut quittance_chassis::config::Config| {
            config.accounts.keys = Some(SecretString::from(OLD));
        };
        let world = World::start_with(store, bus, old).await;
        let shop = Shop::open(&world).await;
        shop.tester.put(OWN, kaspi("+77011234567")).await.expect(200);
        shop.admin.put(OWN, kaspi("+77011234568")).await.expect(200);
        let mut config = world.config.clone();
        config.accounts.keys = Some(SecretString::from(format!("{NEW},{OLD}")));
        let keys = quittance_payouts::Keyring::from_config(&config).unwrap();
        let db = quittance_payouts::connect(&config).await.unwrap();
        let now = quittance_chassis::clock::now();
        assert_eq!(quittance_payouts::rotate(&db, &keys, now, |_, _| {}).await.unwrap(), 2);
        assert_eq!(quittance_payouts::rotate(&db, &keys, now, |_, _| {}).await.unwrap(), 0);
        let sql = "SELECT key_id FROM payout_accounts GROUP BY key_id";
        let rows = db.conn().query_all_raw(Statement::from_string(db.backend(), sql)).await;
        let ids: Vec<String> =
            rows.unwrap().iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        assert_eq!(ids, ["new"]);
        let own = shop.tester.get(OWN).await.expect(200);
        assert_eq!(
            (&own["items"][0]["masked"], &own["items"][0]["payableAt"]),
            (&json!("+7••••4567"), &Value::Null)
        );
        // Who has only the old key cannot read it, and says no more than that.
        shop.tester.put(OWN, kaspi("+77011234569")).await.refused(500, "INTERNAL");
        world.close().await;
    }
}

const PAYOUTS: &str = "/api/admin/payouts";

async fn step(who: &Person, payout: &str, step: &str, body: Value) -> Value {
    who.post(&format!("{PAYOUTS}/{payout}/{step}"), body).await.expect(200)
}

fn because() -> Value {
    json!({ "reason": "sent to the wrong account" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_payout_is_cancelled_returned_or_void_and_its_commissions_follow() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let rule = json!({ "basisPoints": 1_000 });
        shop.admin.post("/api/admin/commissions/rules", rule).await.expect(201);
        let sale = json!({ "externalId": "sale-1", "partnerId": shop.tester.member_id,
            "amountMinor": 10_000, "currency": "USD", "occurredAt": "2026-02-03T10:00:00Z" });
        shop.admin.post("/api/admin/attributions", sale).await.expect(201);
        let create = || async {
            let body = json!({ "period": "2026-02" });
            let made = shop.admin.post("/api/admin/commissions/create-payouts", body).await;
            let made = made.expect(200);
            made["payouts"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
        };
        let transfer = || json!({ "method": "ach", "reference": "ACH-7" });

        let first = create().await.remove(0);
        let path = format!("{PAYOUTS}/{first}/cancel");
        shop.admin.post(&path, because()).await.refused(409, "INVALID_TRANSITION");
        step(&shop.admin, &first, "approve", json!({})).await;
        assert!(create().await.is_empty(), "what is covered is covered once");
        let cancelled = step(&shop.admin, &first, "cancel", because()).await;
        assert_eq!(cancelled["payout"]["status"], "cancelled");
        assert_eq!(cancelled["issueIds"], json!([]));

        let second = create().await.remove(0);
        step(&shop.admin, &second, "approve", json!({})).await;
        step(&shop.admin, &second, "mark-paid", transfer()).await;
        let returned = step(&shop.admin, &second, "return", because()).await;
        assert_eq!(returned["payout"]["status"], "returned");

        let third = create().await.remove(0);
        step(&shop.admin, &third, "approve", json!({})).await;
        step(&shop.admin, &third, "mark-paid", transfer()).await;
        let voided = step(&shop.admin, &third, "void", because()).await;
        assert_eq!(voided["payout"]["status"], "void");
        assert_eq!(voided["receivable"]["amountMinor"], 1_000);
        assert!(create().await.is_empty(), "what was void stays counted");
        let path = format!("{PAYOUTS}/{third}/void");
        shop.admin.post(&path, because()).await.refused(409, "INVALID_TRANSITION");
        world.close().await;
    }
}
