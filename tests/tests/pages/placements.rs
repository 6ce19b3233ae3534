//! Schedules, holds and jobs, as who keeps them sees them (S2-56).

use serde_json::{Value, json};
use system_tests::pages::Visitor;
use system_tests::world::{BOTH, World};
use system_tests::{Person, Shop};
use uuid::Uuid;

const SCHEDULES: &str = "/app/admin/schedules";
const ESCROW: &str = "/app/admin/escrow";
const JOBS: &str = "/app/admin/jobs";

/// A shop, and who keeps its placements.
async fn keeper(world: &World) -> (Shop, Visitor) {
    let shop = Shop::open(world).await;
    shop.person("keeper@shop.example", &["platform_admin"]).await;
    let keeper = Visitor::signed_in(&world.base, &shop.organization, "keeper@shop.example").await;
    (shop, keeper)
}

/// Sends a form that must be answered so, and returns what the page says.
async fn sent(who: &mut Visitor, path: &str, fields: &[(&str, &str)], status: u16) -> String {
    let answer = who.send(path, fields).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text);
    answer.text
}

/// The only thing of a list.
async fn only(who: &Person, path: &str) -> Value {
    let list = who.get(path).await.expect(200);
    assert!(list["items"][0].is_object() && list["items"][1].is_null(), "{list}");
    list["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_made_and_changed_by_forms_that_keep_what_was_typed() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let (shop, mut page) = keeper(&world).await;
        let rest = shop.person("keeper@shop.example", &[]).await;
        page.open(SCHEDULES).await;
        page.shows("No schedules yet.");
        page.shows(">Job runs</a>");
        let (placement, payee) = (Uuid::now_v7().to_string(), shop.tester.member_id.clone());
        let mut fields = [
            ("amount", ""),
            ("date", ""),
            ("key", "k-1"),
            ("placement", &placement),
            ("payee", &payee),
            ("currency", "usd"),
            ("method", "2"),
            ("guarantee", "2025-01-31"),
            ("notes", "Backend <engineer>"),
        ];
        for (amount, date) in [("a lot", "2025-02-01"), ("8,500", "soon"), ("8,500", "")] {
            (fields[0].1, fields[1].1) = (amount, date);
            sent(&mut page, SCHEDULES, &fields, 400).await;
            page.shows(&format!("name=\"amount\" value=\"{amount}\""));
            page.shows("value=\"Backend &#60;engineer&#62;\"");
        }
        (fields[0].1, fields[1].1, fields[2].1) = ("8,500.50", "2025-02-01", "k-2");
        // Sent twice, it is one.
        for _ in 0..2 {
            sent(&mut page, SCHEDULES, &fields, 200).await;
            page.shows("Scheduled.");
            page.shows("$ 8,500.50 to tester");
            assert_eq!(page.text("date"), "1 Feb 2025");
        }
        let schedule = only(&rest, "/api/v2/payout-schedules").await;
        let at = format!("{SCHEDULES}/{}", system_tests::story::id(&schedule));

        // Changed; whoever has seen an older version does not write over it.
        let version = page.value("version");
        let change = [
            ("payee", payee.as_str()),
            ("amount", "9,000"),
            ("currency", "USD"),
            ("method", "2"),
            ("date", "2025-02-02"),
            ("was-date", "2025-02-01"),
            ("guarantee", "2025-01-31"),
            ("was-guarantee", "2025-01-31"),
            ("notes", "Backend engineer"),
            ("version", &version),
        ];
        sent(&mut page, &format!("{at}/change"), &change, 200).await;
        page.shows("Saved.");
        page.shows("$ 9,000 to tester");
        assert_eq!(page.text("date"), "2 Feb 2025");
        let stale = sent(&mut page, &format!("{at}/change"), &change, 409).await;
        assert!(stale.contains("STALE_VERSION"), "{stale}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_paused_by_a_hold_released_in_parts_and_paid_by_a_run_at_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let (shop, mut page) = keeper(&world).await;
        let rest = shop.person("keeper@shop.example", &[]).await;
        let (placement, payee) = (Uuid::now_v7().to_string(), shop.tester.member_id.as_str());
        let body = json!({
            "placementId": placement, "payeeId": payee, "amountMinor": 900_000,
            "currency": "USD", "method": "bank", "scheduledDate": "2025-02-02T00:00:00Z",
        });
        let schedule = rest.post("/api/v2/payout-schedules", body).await.expect(201);
        let id = system_tests::story::id(&schedule);
        let at = format!("{SCHEDULES}/{id}");
        // The page of holds is filled with what is to be held.
        let filled = format!("schedule={id}&payee={payee}&amount=9,000&currency=USD");
        page.open(&format!("{ESCROW}?placement={placement}&{filled}")).await;
        page.shows(&format!("name=\"schedule\" value=\"{id}\""));
        let mut fields = [
            ("reason", ""),
            ("key", "k-3"),
            ("placement", &placement),
            ("schedule", &id),
            ("payee", payee),
            ("amount", "9,000"),
            ("currency", "USD"),
        ];
        sent(&mut page, ESCROW, &fields, 400).await;
        page.shows("name=\"amount\" value=\"9,000\"");
        (fields[0].1, fields[1].1) = ("In dispute", "k-4");
        sent(&mut page, ESCROW, &fields, 200).await;
        page.shows("Held back.");
        assert_eq!(page.text("why"), "In dispute");
        let hold = only(&rest, "/api/v2/escrow-holds").await;
        let hold = format!("{ESCROW}/{}", system_tests::story::id(&hold));
        page.open(&at).await;
        page.shows("In dispute");
        let refused = sent(&mut page, &format!("{at}/trigger"), &[("key", "k-5")], 409).await;
        assert!(refused.contains("HOLD_ACTIVE"), "{refused}");

        // A part is released, then the rest; each with a reason.
        page.open(&hold).await;
        let part = |amount: &'static str, reason: &'static str, key: &'static str| {
            [("amount", amount), ("currency", "USD"), ("release-reason", reason), ("key", key)]
        };
        let path = format!("{hold}/release");
        sent(&mut page, &path, &part("99,000", "Settled", "k-6"), 400).await;
        page.shows("name=\"amount\" value=\"99,000\"");
        page.shows("name=\"release-reason\" value=\"Settled\"");
        sent(&mut page, &path, &part("4,000", "Half is settled", "k-7"), 200).await;
        page.shows("$ 5,000 of tester");
        sent(&mut page, &path, &part("", "All is settled", "k-8"), 200).await;
        for text in ["Released.", "All is settled", "by keeper"] {
            page.shows(text);
        }
        page.open(&format!("{ESCROW}?placement={placement}")).await;
        page.shows("$ 9,000</td>");

        // The report tells what was paid.
        page.open(JOBS).await;
        page.shows("No run yet.");
        sent(&mut page, JOBS, &[("job", "process-schedules")], 200).await;
        for text in ["The job has run.", "$ 9,000</td>", "by keeper"] {
            page.shows(text);
        }
        page.open(&at).await;
        assert_eq!(page.text("state"), "processed");
        page.shows("Nothing can be changed any more");
        let gone = sent(&mut page, &format!("{at}/cancel"), &[("why", "too late")], 409).await;
        assert!(gone.contains("INVALID_TRANSITION"), "{gone}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_found_by_state_payee_date_and_placement_and_given_up() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let (shop, mut page) = keeper(&world).await;
        let rest = shop.person("keeper@shop.example", &[]).await;
        let placement = Uuid::now_v7().to_string();
        let body = json!({
            "placementId": placement, "payeeId": shop.tester.member_id, "amountMinor": 100_000,
            "currency": "KZT", "method": "kaspi", "scheduledDate": "2090-03-04T15:30:00Z",
        });
        let made = rest.post("/api/v2/payout-schedules", body).await.expect(201);
        let at = format!("{SCHEDULES}/{}", system_tests::story::id(&made));
        let address = |query: &str| format!("{SCHEDULES}?{query}");
        for query in [
            "state=1",
            "due=2090-03-05",
            &format!("placement={placement}"),
            &format!("payee={}", shop.tester.member_id),
        ] {
            page.open(&address(query)).await;
            page.shows("4 Mar 2090");
            page.shows("₸ 1,000");
        }
        for query in ["state=5", "due=2090-03-04", &format!("placement={}", Uuid::now_v7())] {
            page.open(&address(query)).await;
            page.shows("Nothing matches.");
        }
        let unread = page.ask(reqwest::Method::GET, &address("due=tomorrow"), None).await;
        assert_eq!(unread.status, 400, "{}", unread.text);
        // A day that was not touched keeps its hour.
        page.open(&at).await;
        let version = page.value("version");
        let change = [
            ("payee", shop.tester.member_id.as_str()),
            ("amount", "1,000"),
            ("currency", "KZT"),
            ("date", "2090-03-04"),
            ("was-date", "2090-03-04"),
            ("notes", "later"),
            ("version", &version),
        ];
        sent(&mut page, &format!("{at}/change"), &change, 200).await;
        let kept = only(&rest, "/api/v2/payout-schedules").await;
        assert_eq!(kept["scheduledDate"], json!("2090-03-04T15:30:00Z"), "{kept}");
        assert_eq!(kept["method"], json!("kaspi"), "{kept}");
        // Given up, with the reason in the log.
        sent(&mut page, &format!("{at}/cancel"), &[("why", "The offer was declined")], 200).await;
        page.shows("Cancelled.");
        assert_eq!(page.text("state"), "cancelled");
        page.open("/app/admin/audit").await;
        page.shows("The offer was declined");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn placements_are_nobodys_but_the_keepers() {
    let (store, bus) = BOTH[0];
    let world = World::start(store, bus).await;
    let (shop, _) = keeper(&world).await;
    for (email, roles) in [
        ("admin@shop.example", &["admin"][..]),
        ("finance@shop.example", &["finance"]),
        ("auditor@shop.example", &["auditor"]),
        ("lead@shop.example", &["lead"]),
    ] {
        shop.person(email, roles).await;
        let mut page = Visitor::signed_in(&world.base, &shop.organization, email).await;
        assert!(!page.page.contains(JOBS), "{email}");
        for path in [SCHEDULES, ESCROW, JOBS] {
            let refused = page.ask(reqwest::Method::GET, path, None).await;
            assert_eq!(refused.status, 403, "{email} {path}");
        }
        for path in [SCHEDULES, ESCROW, JOBS] {
            let refused = page.send(path, &[("job", "process-schedules")]).await;
            assert_eq!(refused.status, 403, "{email} {path}");
            page.open("/app/test-cycles/balance").await;
        }
    }
    world.close().await;
}
