//! Payout accounts and reconciliation, as each who has to do with them sees them.

use reqwest::Method;
use serde_json::json;
use system_tests::Shop;
use system_tests::http::answer;
use system_tests::pages::Visitor;
use system_tests::story::id;
use system_tests::world::{BOTH, World};

const ACCOUNT: &str = "/app/payout-account";
const BOOKS: &str = "/app/admin/reconciliation";

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_says_where_they_are_paid_and_sees_it_masked() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut tester =
            Visitor::signed_in(&world.base, &shop.organization, "tester@shop.example").await;
        tester.open(ACCOUNT).await;
        tester.shows("No account yet.");
        for (method, number) in [("1", "seven"), ("2", "KZ00"), ("6", "4242424242424242")] {
            let fields = [("method", method), ("number", number)];
            let refused = tester.send(ACCOUNT, &fields).await;
            assert_eq!(refused.status, 400, "{}", refused.text);
            tester.shows(&format!("name=\"number\" value=\"{number}\""));
        }
        for (method, number, masked) in [
            ("1", "+7 701 123 45 67", "4567"),
            ("5", "tester@shop.example", "@shop.example"),
            ("6", "acct_ok_1234", "1234"),
        ] {
            let saved = tester.send(ACCOUNT, &[("method", method), ("number", number)]).await;
            assert_eq!(saved.status, 200, "{}", saved.text);
            tester.shows(&format!("••••{masked}"));
            assert!(!tester.page.contains("701 123"), "{}", tester.page);
        }
        // A changed one waits.
        let changed = [("method", "1"), ("number", "+77011234568")];
        assert_eq!(tester.send(ACCOUNT, &changed).await.status, 200);
        tester.shows("it was changed: paid from");
        // Who only looks on has the page, and no form.
        shop.person("auditor@shop.example", &["auditor"]).await;
        let mut auditor =
            Visitor::signed_in(&world.base, &shop.organization, "auditor@shop.example").await;
        auditor.open(ACCOUNT).await;
        assert!(!auditor.page.contains("Set an account"), "{}", auditor.page);
        assert_eq!(auditor.send(ACCOUNT, &changed).await.status, 403);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_are_compared_at_a_press_and_statements_show_what_no_payout_explains() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(1).await;
        let body = json!({ "method": "bank", "reference": "WIRE-77" });
        let paid = shop.admin.post(&shop.payments_path(&issues[0]), body).await.expect(201);
        let _ = shop.balance_shows(&shop.tester, 800_000, 0).await;
        let mut admin =
            Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
        admin.open(BOOKS).await;
        admin.shows("They were not compared yet.");
        admin.shows("None was imported yet.");
        for fields in [&[][..], &[("deep", "1")]] {
            let compared = admin.send(BOOKS, fields).await;
            assert_eq!(compared.status, 200, "{}", compared.text);
            admin.shows("Compared.");
            admin.shows(">agree</span>");
            assert_eq!(admin.text("drift"), "0");
            assert_eq!(admin.page.contains("row by row"), !fields.is_empty());
        }
        let day = paid["paidAt"].as_str().unwrap_or_default()[..10].to_owned();
        let csv = format!("day,sum,text\n{day},-8000.00,WIRE-77\n{day},-12.00,Fee of June\n");
        let query = "format=csv&dateColumn=day&amountColumn=sum&referenceColumn=text&currency=KZT";
        let path = format!("/api/admin/reconciliation/import?{query}");
        let request = shop.admin.request(Method::POST, &path).body(csv);
        let sent = answer(request.header("content-type", "application/octet-stream")).await;
        let statement = sent.expect("an answer").expect(201);
        admin.open(BOOKS).await;
        admin.shows(&format!("{day} to {day}"));
        admin.open(&format!("{BOOKS}/statements/{}", id(&statement))).await;
        assert_eq!(admin.text("matched"), "1");
        assert_eq!(admin.text("unmatched"), "0");
        admin.shows("1 payout by reference");
        admin.shows("Fee of June");
        admin.shows("no payout");

        shop.person("auditor@shop.example", &["auditor"]).await;
        let mut auditor =
            Visitor::signed_in(&world.base, &shop.organization, "auditor@shop.example").await;
        auditor.open(BOOKS).await;
        assert!(!auditor.page.contains("Compare now"), "{}", auditor.page);
        assert_eq!(auditor.send(BOOKS, &[]).await.status, 403);
        let mut tester =
            Visitor::signed_in(&world.base, &shop.organization, "tester@shop.example").await;
        assert_eq!(tester.ask(Method::GET, BOOKS, None).await.status, 403);
        world.close().await;
    }
}
