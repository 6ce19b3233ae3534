//! The dashboard without a script: what people read and send, as plain pages and forms.

use reqwest::Method;
use serde_json::json;
use system_tests::Shop;
use system_tests::pages::Visitor;
use system_tests::world::{BOTH, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_a_cookie_for_the_pages_and_ends_when_one_signs_out() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut visitor = Visitor::new(&world.base);
        let asked = visitor.ask(Method::GET, "/app/issues?q=a%20b", None).await;
        assert_eq!(asked.headers["location"], "/app/sign-in?next=/app/issues%3Fq%3Da%2520b");

        // What was typed stays, and nobody is signed in.
        visitor.open("/app/sign-in?next=/app/issues").await;
        let fields = [("email", "nobody"), ("organization", "Elsewhere & Co"), ("role", "")];
        let refused = visitor.send("/app/sign-in", &fields).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        visitor.shows("value=\"nobody\"");
        visitor.shows("Elsewhere &#38; Co");

        let fields = [
            ("email", "tester@shop.example"),
            ("organization", &shop.organization),
            ("next", "/app/issues"),
        ];
        let entered = visitor.send("/app/sign-in", &fields).await;
        assert_eq!(entered.status, 200, "{}", entered.text);
        visitor.shows("<h1>All issues</h1>");
        visitor.shows("tester@shop.example");
        // A tester has no administration.
        assert!(!visitor.page.contains("/app/admin/"), "{}", visitor.page);
        let refused = visitor.ask(Method::GET, "/app/admin/payouts", None).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("ROLE_REQUIRED"), "{}", refused.text);
        // The cookie opens pages, and nothing else.
        let rest = visitor.ask(Method::GET, "/api/me", None).await;
        assert_eq!(rest.status, 401);

        let left = visitor.send("/app/sign-out", &[]).await;
        assert!(left.text.contains("<h1>Sign in</h1>"), "{}", left.text);
        let asked = visitor.ask(Method::GET, "/app/issues", None).await;
        assert_eq!(asked.status, 303);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_through_triage_and_payment_by_forms_alone() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut tester =
            Visitor::signed_in(&world.base, &shop.organization, "tester@shop.example").await;
        tester.shows("Nothing here yet.");
        assert_eq!(tester.text("earned"), "0");
        assert_eq!(tester.text("rate"), "– (0/0)");

        // A report without a severity is refused, and what was typed stays.
        tester.open("/app/issues/new").await;
        let key = tester.value("key");
        let fields = [
            ("key", key.as_str()),
            ("cycle", &shop.cycle),
            ("title", "Payment <fails>"),
            ("severity", ""),
            ("body", "Press Pay"),
        ];
        let refused = tester.send("/app/issues/new", &fields).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        tester.shows("value=\"Payment &#60;fails&#62;\"");
        tester.shows(">Press Pay</textarea>");
        let key = tester.value("key");
        let fields = [
            ("key", key.as_str()),
            ("cycle", &shop.cycle),
            ("title", "Payment <fails>"),
            ("severity", "2"),
            ("body", "Press Pay"),
        ];
        let filed = tester.send("/app/issues/new", &fields).await;
        assert_eq!(filed.status, 200, "{}", filed.text);
        tester.shows("SHP-1 Payment &#60;fails&#62;");
        // The same form again is the same issue.
        tester.send("/app/issues/new", &fields).await;
        tester.shows("SHP-1 Payment &#60;fails&#62;");

        let mut admin =
            Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
        admin.open("/app/admin/triage").await;
        assert_eq!(admin.text("inbox"), "Inbox: 1 untriaged issue across 1 cycle");
        admin.shows("₸ 8,000");
        let (issue, key) = (admin.value("issue"), admin.value("key"));
        let decision = |amount: &'static str, key: &str| {
            [
                ("decision", "approve"),
                ("issue", &issue),
                ("currency", "KZT"),
                ("amount", amount),
                ("key", key),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let fields = decision("lots", &key);
        let fields: Vec<_> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let refused = admin.send("/app/admin/triage", &fields).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        admin.shows("value=\"lots\"");
        let fields = decision("9,500.50", &key);
        let fields: Vec<_> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let approved = admin.send("/app/admin/triage", &fields).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
        admin.shows("Nothing waits.");

        // The queue hears of it by an event.
        let page = eventually("the pay queue", || async {
            let mut admin =
                Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
            admin.open("/app/admin/payouts").await;
            let queued = admin.page.contains("name=\"payee\"");
            (queued && admin.text("unpaid") == "₸ 9,500.50 · 1 issue").then_some(admin)
        });
        let mut admin = page.await;
        let nobody = admin.send("/app/admin/payouts/confirm", &[]).await;
        assert_eq!(nobody.status, 400, "{}", nobody.text);
        let payee = shop.tester.member_id.as_str();
        let asked = admin.send("/app/admin/payouts/confirm", &[("payee", payee)]).await;
        assert_eq!(asked.status, 200, "{}", asked.text);
        assert_eq!(admin.text("sums"), "₸ 9,500.50");
        let (key, issues) = (admin.value("key"), admin.value(&format!("issues-{payee}")));
        let (of_issues, reference) = (format!("issues-{payee}"), format!("reference-{payee}"));
        let fields = [
            ("key", key.as_str()),
            ("method", "1"),
            ("payee", payee),
            (of_issues.as_str(), issues.as_str()),
            (reference.as_str(), "KASPI-7"),
        ];
        let paid = admin.send("/app/admin/payouts/pay", &fields).await;
        assert_eq!(paid.status, 200, "{}", paid.text);
        admin.shows("Paid and recorded.");
        // Sent twice, paid once.
        let again = admin.send("/app/admin/payouts/pay", &fields).await;
        assert_eq!(again.status, 200, "{}", again.text);
        let _ = shop.balance_shows(&shop.tester, 950_050, 0).await;
        tester.language = "ru-RU,ru;q=0.9";
        tester.open("/app/test-cycles/balance").await;
        assert_eq!(tester.text("earned"), "9 500,50 ₸");
        assert_eq!(tester.text("rate"), "100 % (1/1)");
        tester.shows("KASPI-7");
        let file = tester.ask(Method::GET, "/app/test-cycles/balance/export.csv", None).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        assert!(file.text.contains("9500.50"), "{}", file.text);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_views_as_a_member_sees_a_banner_no_administration_and_changes_nothing() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut admin =
            Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
        let member = format!("/app/admin/members/{}", shop.tester.member_id);
        admin.open(&member).await;
        admin.shows("Cycles assigned");
        let assigned =
            admin.send(&format!("{member}/cycles"), &[("cycle", &shop.cycle), ("lead", "1")]).await;
        assert_eq!(assigned.status, 200, "{}", assigned.text);
        admin.shows("leads it");
        admin.send(&format!("{member}/cycles"), &[("cycle", &shop.cycle), ("remove", "1")]).await;
        admin.shows("None yet.");

        let refused = admin.send(&format!("{member}/view-as"), &[("reason", "")]).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        let viewing = admin.send(&format!("{member}/view-as"), &[("reason", "a question")]).await;
        assert_eq!(viewing.status, 200, "{}", viewing.text);
        admin.shows("<strong>admin</strong> views as <strong>tester</strong>");
        assert!(!admin.page.contains("/app/admin/"), "{}", admin.page);
        let filed = admin
            .send("/app/issues/new", &[("cycle", &shop.cycle), ("title", "x"), ("severity", "1")])
            .await;
        assert_eq!(filed.status, 403, "{}", filed.text);
        assert!(filed.text.contains("IMPERSONATION_READ_ONLY"), "{}", filed.text);
        admin.open("/app/test-cycles/balance").await;
        admin.send("/app/view-as/end", &[]).await;
        admin.shows("You are yourself again.");
        admin.shows("/app/admin/payouts");
        let log = shop.admin.get("/api/admin/impersonations").await.expect(200);
        assert_eq!(log["items"][0]["reason"], json!("a question"), "{log}");
        assert!(log["items"][0]["endedAt"].is_string(), "{log}");
        assert_eq!(log["items"][0]["refusals"], json!(1), "{log}");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_set_in_the_settings_of_a_cycle() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut admin =
            Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
        let settings = format!("/app/test-cycles/{}/settings", shop.cycle);
        admin.open(&settings).await;
        assert_eq!(admin.text("gate"), "Not required");
        let version = admin.value("version");
        let rates = |high: &'static str, currency: &'static str, key: &'static str| {
            [("rates", "own"), ("high", high), ("currency", currency), ("key", key)]
        };
        let path = format!("{settings}/rates");
        // Another currency needs all four; what was typed stays.
        let refused = admin.send(&path, &rates("12.50", "USD", "k-1")).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        admin.shows("name=\"high\" value=\"12.50\"");
        let mut fields = rates("9,000", "KZT", "k-2").to_vec();
        fields.push(("version", &version));
        let saved = admin.send(&path, &fields).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
        admin.shows("name=\"high\" value=\"9,000\"");
        admin.shows("high ₸ 9,000");
        // Somebody who has seen an older version does not write over it.
        fields[3] = ("key", "k-3");
        let stale = admin.send(&path, &fields).await;
        assert_eq!(stale.status, 409, "{}", stale.text);
        let cycle = shop.admin.get(&format!("/api/test-cycles/{}", shop.cycle)).await.expect(200);
        assert_eq!(cycle["payoutRates"]["high"], json!(900_000), "{cycle}");

        let lead = shop.person("lead@shop.example", &["lead"]).await;
        let body = json!({ "leadIds": [lead.member_id] });
        let _ =
            shop.admin.patch(&format!("/api/test-cycles/{}", shop.cycle), body).await.expect(200);
        let mut lead =
            Visitor::signed_in(&world.base, &shop.organization, "lead@shop.example").await;
        lead.open(&settings).await;
        assert!(!lead.page.contains("Save the rates"), "{}", lead.page);
        let refused = lead.send(&path, &rates("1", "KZT", "k-4")).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_payouts_are_created_approved_rejected_and_paid_on_their_page() {
    const PAGE: &str = "/app/admin/partners";
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut admin =
            Visitor::signed_in(&world.base, &shop.organization, "admin@shop.example").await;
        admin.open(PAGE).await;
        admin.shows("No payouts here.");
        let partner = shop.tester.member_id.as_str();
        let create = |amount: &'static str, key: &'static str| {
            [
                ("partner", partner),
                ("amount", amount),
                ("currency", "usd"),
                ("period", "2026-02"),
                ("key", key),
            ]
        };
        let refused = admin.send(PAGE, &create("a lot", "k-1")).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        admin.shows("value=\"a lot\"");
        for (amount, key) in [("120.50", "k-2"), ("1,000", "k-3")] {
            let made = admin.send(PAGE, &create(amount, key)).await;
            assert_eq!(made.status, 200, "{}", made.text);
            admin.shows("Created. It waits for approval.");
        }
        admin.shows("$ 1,120.50 <span class=\"muted\">· 2 payouts</span>");
        let list = shop.admin.get("/api/admin/payouts/list").await.expect(200);
        let ids: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap()).collect();
        let why = format!("{PAGE}/{}/reject", ids[0]);
        let rejected = admin.send(&why, &[("why", "counted twice"), ("key", "k-4")]).await;
        assert_eq!(rejected.status, 200, "{}", rejected.text);
        admin.shows("counted twice");
        // One of the two cannot be approved: none is.
        let path = format!("{PAGE}/approve");
        let both = [("payout", ids[0]), ("payout", ids[1]), ("key", "k-5")];
        let refused = admin.send(&path, &both).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        let approved = admin.send(&path, &[("payout", ids[1]), ("key", "k-6")]).await;
        assert_eq!(approved.status, 200, "{}", approved.text);
        let path = format!("{PAGE}/{}/pay", ids[1]);
        let fields = [("method", "2"), ("reference", "WIRE-1"), ("key", "k-7")];
        let paid = admin.send(&path, &fields).await;
        assert_eq!(paid.status, 200, "{}", paid.text);
        admin.shows("WIRE-1");
        admin.open(&format!("{PAGE}?q=WIRE")).await;
        assert!(!admin.page.contains("counted twice"), "{}", admin.page);
        let file = admin.ask(Method::GET, &format!("{PAGE}/export.csv"), None).await;
        assert!(file.text.contains("WIRE-1"), "{}", file.text);
        // The log has all of it, and its chain holds.
        admin.open("/app/admin/audit").await;
        assert_eq!(admin.text("chains"), "Chain: holds");
        admin.shows("payout.approved");
        world.close().await;
    }
}
