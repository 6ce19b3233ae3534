//! These pages in a browser: without barriers in light and dark and on a phone.

use system_tests::Person;
use system_tests::browser::Browser;
use system_tests::story::id;
use system_tests::world::{BOTH, World};

/// Looks at pages in all ways, and takes pictures of those with a name.
async fn look(browser: &Browser, pages: &[(&str, &str)]) {
    let picture = async |name: &str, of: &str| {
        if !name.is_empty() {
            browser.picture(&format!("{name}{of}")).await;
        }
    };
    for (colours, of) in [("light", ""), ("dark", "-dark")] {
        browser.prefer("prefers-color-scheme", colours).await;
        for (path, name) in pages {
            browser.goto(path).await;
            browser.is_sound(&format!("{path} in {colours}")).await;
            picture(name, of).await;
        }
    }
    browser.prefer("prefers-color-scheme", "light").await;
    browser.as_phone().await;
    for (path, name) in pages {
        browser.goto(path).await;
        browser.is_sound(&format!("{path} on a phone")).await;
        picture(name, "-phone").await;
    }
    browser.as_desktop().await;
}

async fn demo() -> World {
    let (store, bus) = BOTH[0];
    let world = World::start(store, bus).await;
    quittance::demo::load(&world.config).await.expect("the demo");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_placements_are_without_barriers() {
    const ORGANIZATION: &str = "Baiterek Recruiting";
    const KEEPER: &str = "gulnara@baiterek.example";
    let world = demo().await;
    let keeper = Person::sign_in(&world.base, ORGANIZATION, KEEPER, &[]).await;
    let schedules = keeper.get("/api/v2/payout-schedules?status=pending").await.expect(200);
    let holds = keeper.get("/api/v2/escrow-holds").await.expect(200);
    let schedule = format!("/app/admin/schedules/{}", id(&schedules["items"][0]));
    let hold = format!("/app/admin/escrow/{}", id(&holds["items"][0]));
    let browser = Browser::open(&world.base).await;
    browser.sign_in(ORGANIZATION, KEEPER).await;
    // A run at once, by the keyboard: from the button to the report.
    browser.goto("/app/admin/jobs").await;
    browser.run("document.querySelector('button[value=process-schedules]').focus()").await;
    browser.press("\u{e007}").await;
    browser.says(".notice", "The job has run.").await;
    browser.says("tbody", "Pay schedules on demand completed").await;
    let pages = [
        ("/app/admin/schedules", "schedules"),
        (&schedule, ""),
        ("/app/admin/escrow", "escrow"),
        (&hold, ""),
        ("/app/admin/jobs", "jobs"),
    ];
    look(&browser, &pages).await;
    // What cannot be read is refused by words beside the list.
    browser.goto("/app/admin/escrow?placement=none").await;
    browser.says(".trouble", "must be an id").await;
    browser.is_sound("a refused filter").await;
    drop(browser);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_bounties_are_without_barriers() {
    const ORGANIZATION: &str = "Steppe Labs";
    const FOUNDER: &str = "alisher@steppe.example";
    let world = demo().await;
    let founder = Person::sign_in(&world.base, ORGANIZATION, FOUNDER, &[]).await;
    let products = founder.get("/api/products").await.expect(200);
    let product = id(&products["items"][0]);
    let list = founder.get(&format!("/api/products/{product}/bounties")).await.expect(200);
    let bounty = |title: &str| {
        let all = list["items"].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["title"] == title).map(id).expect("a bounty")
    };
    let work = async |bounty: &str| {
        let found = founder.get(&format!("/api/bounties/{bounty}")).await.expect(200);
        found["claims"][0]["issueId"].as_str().expect("a submission").to_owned()
    };
    let (guide, offline) =
        (bounty("Write a guide for newcomers"), bounty("Offline mode for the field app"));
    let waits = format!("/app/submissions/{}", work(&offline).await);
    let paid =
        format!("/app/submissions/{}", work(&bounty("Fix the time zone of reminders")).await);
    let browser = Browser::open(&world.base).await;
    browser.sign_in(ORGANIZATION, FOUNDER).await;
    browser.shows_at_last(&paid, "#payment", "paid").await;
    let (guide, edit) = (format!("/app/bounties/{guide}"), format!("/app/bounties/{offline}/edit"));
    let (dialog, pool) =
        (format!("{waits}/pay?tip=50"), format!("/app/reward-pool?product={product}"));
    let pages = [
        ("/app/bounties", "bounties"),
        (&guide, ""),
        (&edit, ""),
        (&waits, ""),
        (&dialog, "approve-and-pay"),
        (&paid, ""),
        (&pool, "reward-pool"),
        ("/app/admin/funding", ""),
        ("/app/admin/reconciliation", "reconciliation"),
    ];
    browser.goto("/app/admin/reconciliation").await;
    browser.click("main form button.primary").await;
    browser.says(".notice", "Compared.").await;
    look(&browser, &pages).await;
    // What is refused stands beside its field.
    browser.goto("/app/bounties/new").await;
    browser.fill("input[name=title]", "Too little").await;
    browser.click("input[name=reward][value='2']").await;
    browser.fill("input[name=value]", "1").await;
    browser.click("main form button.primary").await;
    browser.says("#value-wrong", "BELOW_MINIMUM").await;
    browser.see("input[name=value][aria-invalid=true]").await;
    browser.is_sound("a refused bounty").await;
    // A profit, divided to look at.
    browser.goto(&pool).await;
    browser.fill("input[name=period]", "2026-Q1").await;
    browser.fill("input[name=amount]", "10,000").await;
    browser.click("button[value=dry-run]").await;
    browser.see("button[value=distribute]").await;
    browser.is_sound("a division").await;
    browser.picture("division").await;
    browser.click("form[action='/app/sign-out'] button").await;
    browser.says("h1", "Sign in").await;

    browser.sign_in(ORGANIZATION, "kamila@steppe.example").await;
    let theirs = [
        ("/app/bounties", ""),
        (&guide, ""),
        (&paid, ""),
        ("/app/earnings", "earnings"),
        ("/app/earnings?kind=profit-share", ""),
        ("/app/payout-account", ""),
    ];
    look(&browser, &theirs).await;
    drop(browser);
    world.close().await;
}
