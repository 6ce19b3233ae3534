//! The dashboard in a browser: the operational targets of S0, the checklist of S1, and every page.
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics")]

use serde_json::Value;
use system_tests::Person;
use system_tests::browser::Browser;
use system_tests::world::{BOTH, World};

const ORGANIZATION: &str = "Hackorda QA";
const DANA: &str = "dana@hackorda.example";
const MADINA: &str = "madina@hackorda.example";

/// An instance with the demo of the seeds.
async fn demo(at: usize) -> World {
    let (store, bus) = BOTH[at];
    let world = World::start(store, bus).await;
    quittance::demo::load(&world.config).await.unwrap();
    world
}

async fn madina(world: &World) -> Person {
    Person::sign_in(&world.base, ORGANIZATION, MADINA, &[]).await
}

/// The id of the cycle whose name begins so.
async fn cycle(admin: &Person, name: &str) -> String {
    let cycles = admin.get("/api/test-cycles").await.expect(200);
    let found = cycles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|cycle| cycle["name"].as_str().is_some_and(|found| found.starts_with(name)));
    found.unwrap_or_else(|| panic!("no {name} in {cycles}"))["id"].as_str().unwrap().to_owned()
}

/// Approved issues of a cycle in one status, those of Dana first.
async fn approved(admin: &Person, cycle: &str, status: &str) -> String {
    let path = format!("/api/issues?cycle={cycle}&payoutStatus=approved&status={status}");
    let issues = admin.get(&path).await.expect(200);
    let items = issues["items"].as_array().unwrap();
    let is_dana = |issue: &&Value| issue["reporterName"] == "Dana";
    let found = items.iter().find(is_dana).unwrap_or_else(|| panic!("none in {issues}"));
    found["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tester_logs_in_opens_balance_and_sees_which_bugs_paid_out() {
    for at in [0, 1] {
        let world = demo(at).await;
        let browser = Browser::open(&world.base).await;
        browser.sign_in(ORGANIZATION, DANA).await;
        browser.click("nav[aria-label=Work] a").await;
        browser.says("h1", "Balance").await;
        assert_eq!(browser.text("#earned").await, "₸ 120,000");
        assert_eq!(browser.text("#pending").await, "₸ 45,000");
        assert_eq!(browser.text("#awaiting").await, "~₸ 30,000 (12 issues)");
        assert_eq!(browser.text("#filed").await, "42 across 3 cycles");
        assert_eq!(browser.text("#rate").await, "71% (30/42)");
        browser.says(".cycles", "Issues: 18 · Approved: 12 · Paid: 8 · Earned: ₸ 75,000").await;
        browser.says(".cycles", "Issues: 12 · Approved: 9 · Paid: 9 · Earned: ₸ 45,000").await;
        assert_eq!(
            browser.run("return document.querySelectorAll('svg.chart rect').length").await,
            2
        );
        browser.see("a[href^='/app/test-cycles/balance/export.csv'][download]").await;
        browser.picture("balance").await;

        // Into a cycle: exactly its bugs, and which of them paid out.
        let link = "return [...document.querySelectorAll('.cycles a')]\
                    .find((link) => link.innerText.startsWith('Hackorda Onboarding')).click()";
        browser.run(link).await;
        browser.says("#history", "Issue history: Hackorda Onboarding").await;
        let rows = "return document.querySelectorAll('tbody tr').length";
        assert_eq!(browser.run(rows).await, 18);
        let paid = "return [...document.querySelectorAll('tbody tr')]\
                    .filter((row) => row.innerText.includes('KASPI-2026-05')).length";
        assert_eq!(browser.run(paid).await, 8);
        drop(browser);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_logs_in_selects_three_testers_and_pays_them_by_kaspi() {
    for at in [0, 1] {
        let world = demo(at).await;
        let browser = Browser::open(&world.base).await;
        browser.sign_in(ORGANIZATION, MADINA).await;
        browser.click("nav[aria-label=Administration] a[href='/app/admin/payouts']").await;
        browser.says("h1", "Payouts").await;
        assert_eq!(browser.text("#unpaid").await, "₸ 342,000 · 27 issues");
        assert_eq!(browser.text("#paid").await, "₸ 1,420,000");
        assert_eq!(browser.text("#pending-count").await, "18 issues");
        assert_eq!(browser.text("#top").await, "Aibek — ₸ 220,000");
        browser.says("#pay-queue", "Aibek 8 issues ₸ 75,000").await;
        browser.says("#pay-queue", "Nazira 5 issues ₸ 42,000").await;
        browser.picture("payouts").await;

        for name in ["Aibek", "Nazira", "Timur"] {
            browser.click(&format!("input[aria-label='Pay {name}']")).await;
        }
        browser.says("#pay-queue button.primary", "Pay selected (3) →").await;
        browser.click("#pay-queue button.primary").await;
        browser.says("h1", "Confirm the payment").await;
        assert_eq!(browser.text("#sums").await, "₸ 297,000");
        for name in ["Aibek", "Nazira", "Timur"] {
            let field = format!("input[aria-label='Reference of the transfer to {name}']");
            browser.fill(&field, &format!("KASPI-{name}")).await;
        }
        browser.picture("confirm").await;
        // One of Nazira's issues waits for its verification: nothing is paid, and it is said why.
        browser.click("main form button.primary").await;
        browser.says(".trouble", "Awaiting verification").await;
        browser.is_sound("a refused payment").await;
        let typed = "return document.querySelector(\"input[aria-label$='Nazira']\").value";
        assert_eq!(browser.run(typed).await, "KASPI-Nazira");
        // The others are paid.
        browser.click("main form button.primary").await;
        browser.says(".notice", "Paid and recorded.").await;
        let admin = madina(&world).await;
        let paid = admin.get("/api/admin/payouts/list?q=KASPI-").await.expect(200);
        for (name, minor) in [("Aibek", 7_500_000), ("Nazira", 4_100_000), ("Timur", 18_000_000)] {
            let reference = format!("KASPI-{name}");
            let mut payouts = paid["items"].as_array().unwrap().iter();
            let payout = payouts.find(|payout| payout["reference"] == reference.as_str());
            let payout = payout.unwrap_or_else(|| panic!("no {reference} in {paid}"));
            assert_eq!(payout["amountMinor"], minor, "{payout}");
        }
        system_tests::world::eventually("the balance of Aibek", || async {
            let aibek = Person::sign_in(&world.base, ORGANIZATION, "aibek@hackorda.example", &[]);
            let balance = aibek.await.get("/api/me/balance").await.expect(200);
            (balance["totals"][0]["earnedMinor"] == 29_500_000).then_some(())
        })
        .await;
        browser.shows_at_last("/app/admin/payouts", "#pay-queue", "Nazira 1 issue ₸ 1,000").await;
        drop(browser);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triage_is_worked_off_by_keys_alone() {
    let world = demo(0).await;
    let browser = Browser::open(&world.base).await;
    browser.sign_in(ORGANIZATION, MADINA).await;
    browser.goto("/app/admin/triage").await;
    browser.says("#inbox", "Inbox: 12 untriaged issues across 3 cycles").await;
    browser.picture("triage").await;
    let number = async || {
        let line = browser.text("#open .muted").await;
        line.split(' ').next().unwrap_or_default().to_owned()
    };
    let first = number().await;
    browser.press("j").await;
    browser.see(".list li:nth-child(2) a[aria-current]").await;
    let second = number().await;
    assert_ne!(first, second);
    browser.press("k").await;
    browser.see(".list li:nth-child(1) a[aria-current]").await;
    assert_eq!(number().await, first);
    // Approve: the next one is at hand.
    browser.press("e").await;
    browser.says(".notice", "Approved.").await;
    assert_eq!(number().await, second);
    browser.says("#inbox", "Inbox: 11").await;
    // Reject takes a reason; keys typed into it are letters.
    browser.press("r").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "reason");
    for key in ["j", "o", "k", "e"] {
        browser.press(key).await;
    }
    browser.press("\u{e007}").await;
    browser.says(".notice", "Rejected.").await;
    browser.says("#inbox", "Inbox: 10").await;
    // Another amount than the suggested one; a wrong one stays to be corrected.
    browser.fill("input[name=amount]", "much").await;
    browser.click("[data-key=e]").await;
    browser.says(".trouble", "is no amount of KZT").await;
    browser.is_sound("a refused decision").await;
    browser.fill("input[name=amount]", "4,500").await;
    browser.click("[data-key=e]").await;
    browser.says(".notice", "Approved.").await;
    browser.press("o").await;
    browser.see(".pipeline").await;
    let admin = madina(&world).await;
    let log = admin.get("/api/admin/audit?action=issue.rejected").await.expect(200);
    assert_eq!(log["items"][0]["reason"], "joke", "{log}");
    drop(browser);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nine_steps_of_the_manual_checklist() {
    let world = demo(0).await;
    let admin = madina(&world).await;
    let gated = cycle(&admin, "Hackorda Onboarding").await;
    let open = cycle(&admin, "Hackorda Web").await;
    let issue = approved(&admin, &gated, "triaged").await;
    let browser = Browser::open(&world.base).await;
    browser.sign_in(ORGANIZATION, MADINA).await;
    let bell = Browser::open(&world.base).await;
    bell.sign_in(ORGANIZATION, DANA).await;
    let told: i64 = bell.text("#unread").await.parse().unwrap();

    // 1. A cycle whose gate is active says so.
    browser.goto(&format!("/app/test-cycles/{gated}/settings")).await;
    browser.says("#gate", "Required by product").await;
    browser.picture("settings").await;
    // 2. Approved is filled, Verified is next, Paid is last.
    let path = format!("/app/test-cycles/{gated}/issues/{issue}");
    browser.goto(&path).await;
    let strip = "return [...document.querySelectorAll('.pipeline li')]\
                 .map((stage) => stage.innerText.replace(/\\s+/g, ' '))";
    let stages = browser.run(strip).await;
    let stages: Vec<&str> = stages.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        stages,
        ["Approved done", "Exported to do", "Fix shipped to do", "Verified next", "Paid to do"]
    );
    // 3. Mark paid is disabled, with the hint.
    browser.see("#mark-paid[disabled]").await;
    browser.says("#hints", "Awaiting verification").await;
    browser.picture("issue").await;
    browser.is_sound("an issue that waits").await;
    // 4. Mark verified: status, instant, bell.
    browser.click("form[action$='/verify'] button").await;
    browser.says("#status", "verified").await;
    browser.see("#resolved").await;
    bell.says("#unread", &(told + 1).to_string()).await;
    // 5. Mark paid is enabled.
    browser.see("#mark-paid:not([disabled])").await;
    // 6. Mark paid: the strip is filled.
    browser.fill("input[name=reference]", "KASPI-9").await;
    browser.click("#mark-paid").await;
    browser.says(".notice", "Paid and recorded.").await;
    // The issue hears of it by an event, which may take longer than the page waits.
    browser.shows_at_last(&path, "#payout-status", "paid").await;
    let done = "return [...document.querySelectorAll('.pipeline li')]\
                .every((stage) => stage.className === 'done')";
    assert_eq!(browser.run(done).await, true);
    browser.is_sound("an issue that was paid").await;
    // 7. On another cycle the gate is switched off; what this would change is shown first.
    browser.goto(&format!("/app/test-cycles/{open}/settings")).await;
    browser.click("input[value=inherit]").await;
    browser.click("form[action$='/gate'] button.primary").await;
    browser.says("#gate", "Required by product").await;
    browser.click("input[value=off]").await;
    browser.click("button[formaction$='/preview']").await;
    browser.says("#preview", "Becomes payable: 9 issues, ₸ 32,000.").await;
    browser.is_sound("a preview").await;
    browser.click("form[action$='/gate'] button.primary").await;
    browser.says("#gate", "Not required by this cycle").await;
    // 8. Three stages there, and paying is possible at once.
    let issue = approved(&admin, &open, "triaged").await;
    browser.goto(&format!("/app/test-cycles/{open}/issues/{issue}")).await;
    let stages = browser.run(strip).await;
    assert_eq!(stages.as_array().unwrap().len(), 3, "{stages}");
    browser.see("#mark-paid:not([disabled])").await;
    // 9. A dry run leaves out what waits for its verification, and takes the rest.
    browser.goto("/app/admin/plans").await;
    browser.click("main form button.primary").await;
    browser.says(".notice", "Nothing was paid yet.").await;
    browser.says("#plan-state", "open").await;
    let reasons = "return [...document.querySelectorAll('[aria-labelledby=excluded] tbody tr')]\
                   .map((row) => row.cells[2].innerText)";
    let reasons = browser.run(reasons).await;
    let reasons = reasons.as_array().unwrap();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason == "Awaiting verification"), "{reasons:?}");
    let included: i64 = browser.text("#included-count").await.parse().unwrap();
    assert!(20 <= included, "{included}");
    browser.picture("plan").await;
    browser.is_sound("a plan").await;
    browser.click("form[action$='/commit'] button").await;
    browser.says("#plan-state", "committed").await;
    drop((browser, bell));
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_without_barriers_in_light_and_dark_and_on_a_phone() {
    let world = demo(0).await;
    let admin = madina(&world).await;
    let gated = cycle(&admin, "Hackorda Onboarding").await;
    let issue = approved(&admin, &gated, "verified").await;
    let dana = Person::sign_in(&world.base, ORGANIZATION, DANA, &[]).await;
    let browser = Browser::open(&world.base).await;
    let check = async |path: &str| {
        for colours in ["light", "dark"] {
            browser.prefer("prefers-color-scheme", colours).await;
            browser.goto(path).await;
            browser.is_sound(&format!("{path} in {colours}")).await;
        }
    };
    check("/app/sign-in").await;
    browser.picture("sign-in-dark").await;

    browser.sign_in(ORGANIZATION, DANA).await;
    let theirs = format!("/app/test-cycles/{gated}/issues/{issue}");
    let of_testers = [
        "/app/test-cycles/balance",
        "/app/issues",
        "/app/issues?mine=1",
        "/app/issues?q=nothing+like+this",
        "/app/issues/new",
        "/app/notifications",
        "/app/test-cycles",
        "/app/nowhere",
        &theirs,
    ];
    for path in of_testers {
        check(path).await;
    }
    // By keyboard alone: the first thing is the way past the navigation.
    browser.goto("/app/issues").await;
    browser.press("\u{e004}").await;
    assert_eq!(browser.run("return document.activeElement.className").await, "skip");
    browser.press("\u{e007}").await;
    assert_eq!(browser.run("return document.activeElement.id").await, "main");
    browser.click("form[action='/app/sign-out'] button").await;
    browser.says("h1", "Sign in").await;

    browser.sign_in(ORGANIZATION, MADINA).await;
    let member = format!("/app/admin/members/{}", dana.member_id);
    let cycle = format!("/app/test-cycles/{gated}");
    let settings = format!("{cycle}/settings");
    let of_admins = [
        ("/app/admin/triage", "triage"),
        ("/app/admin/payouts", "payouts"),
        ("/app/admin/plans", "plans"),
        ("/app/admin/partners", "partners"),
        ("/app/admin/audit", "audit"),
        ("/app/admin/members", "members"),
        (&member, "member"),
        (&cycle, "cycle"),
        (&settings, "settings"),
        (&theirs, "issue"),
    ];
    for (path, name) in of_admins {
        check(path).await;
        browser.picture(&format!("{name}-dark")).await;
    }
    browser.as_phone().await;
    for (path, name) in of_admins {
        check(path).await;
        browser.picture(&format!("{name}-phone")).await;
    }
    // Viewing as a tester: the banner stays in sight, and the administration is gone.
    browser.as_desktop().await;
    browser.prefer("prefers-color-scheme", "light").await;
    browser.goto(&member).await;
    browser.fill("form[action$='/view-as'] input[name=reason]", "a question of theirs").await;
    browser.click("form[action$='/view-as'] button").await;
    browser.says(".banner", "Madina views as Dana").await;
    assert!(!browser.has("nav[aria-label=Administration]").await);
    browser.run("window.scrollTo(0, document.body.scrollHeight)").await;
    let top = "return Math.round(document.querySelector('.banner').getBoundingClientRect().top)";
    assert_eq!(browser.run(top).await, 0);
    browser.is_sound("viewing as somebody else").await;
    browser.picture("view-as").await;
    browser.click(".banner button").await;
    browser.says(".notice", "You are yourself again.").await;
    browser.see("nav[aria-label=Administration]").await;
    drop(browser);
    world.close().await;
}
