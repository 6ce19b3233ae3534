//! These pages in a browser: without barriers in light and dark and on a phone.

use system_tests::Person;
use system_tests::browser::Browser;
use system_tests::story::id;
use system_tests::world::{BOTH, World};

/// Looks at pages in all ways, and takes a picture of each.
async fn look(browser: &Browser, pages: &[(&str, &str)]) {
    for colours in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", colours).await;
        for (path, name) in pages {
            browser.goto(path).await;
            browser.is_sound(&format!("{path} in {colours}")).await;
            browser.picture(&format!("{name}-{colours}")).await;
        }
    }
    browser.prefer("prefers-color-scheme", "light").await;
    browser.as_phone().await;
    for (path, name) in pages {
        browser.goto(path).await;
        browser.is_sound(&format!("{path} on a phone")).await;
        browser.picture(&format!("{name}-phone")).await;
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
        (&schedule, "schedule"),
        ("/app/admin/escrow", "escrow"),
        (&hold, "hold"),
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
