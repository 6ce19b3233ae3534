//! Bounties, their payment, the reward pool and earnings, as each who has to do with them sees them.

use reqwest::Method;
use serde_json::json;
use system_tests::bounty::{account, fixed, hand_in};
use system_tests::pages::Visitor;
use system_tests::story::id;
use system_tests::world::{BOTH, World, eventually};
use system_tests::{Answer, Shop};

const BOARD: &str = "/app/bounties";
const POOL: &str = "/app/reward-pool";
const FUNDING: &str = "/app/admin/funding";

async fn visitor(world: &World, shop: &Shop, email: &str) -> Visitor {
    Visitor::signed_in(&world.base, &shop.organization, email).await
}

/// Sends a form that must be answered so.
async fn sent(who: &mut Visitor, path: &str, fields: &[(&str, &str)], status: u16) -> Answer {
    let answer = who.send(path, fields).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text);
    answer
}

/// S4-62: the types of rewards, and their checks beside the fields.
#[tokio::test(flavor = "multi_thread")]
async fn the_editor_keeps_what_was_typed_and_says_beside_each_field_what_it_refuses() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let mut admin = visitor(&world, &shop, "admin@shop.example").await;
        admin.open(BOARD).await;
        admin.shows("Nothing is offered yet.");
        let new = format!("{BOARD}/new");
        admin.open(&format!("{new}?product={}", shop.product)).await;
        admin.shows("Nobody is named who pays; on the sandbox a test card does.");
        let mut fields = [
            ("reward", "2"),
            ("value", ""),
            ("points", ""),
            ("key", "k-1"),
            ("product", shop.product.as_str()),
            ("title", "Fix <login>"),
            ("currency", "USD"),
            ("mode", "1"),
            ("expiry", "14"),
            ("status", "2"),
        ];
        for (reward, value, points, field, code) in [
            ("2", "4.99", "", "value", "BELOW_MINIMUM"),
            ("2", "", "", "value", "INVALID_VALUE"),
            ("2", "500", "5", "points", "INVALID_POINTS"),
            ("1", "500", "50", "value", "INVALID_VALUE"),
            ("1", "", "0", "points", "INVALID_POINTS"),
            ("1", "", "a few", "points", "INVALID_FIELD"),
        ] {
            (fields[0].1, fields[1].1, fields[2].1) = (reward, value, points);
            sent(&mut admin, &new, &fields, 400).await;
            let beside = admin.text(&format!("{field}-wrong"));
            assert!(beside.ends_with(code), "{value} {points}: {beside}");
            admin.shows("value=\"Fix &#60;login&#62;\"");
            admin.shows(&format!("name=\"points\" value=\"{points}\""));
        }
        (fields[0].1, fields[1].1, fields[2].1, fields[3].1) = ("2", "500", "", "k-2");
        sent(&mut admin, &new, &fields, 200).await;
        assert_eq!(admin.text("reward"), "$ 500");
        let list = format!("/api/products/{}/bounties", shop.product);
        let bounty = shop.admin.get(&list).await.expect(200)["items"][0].clone();
        let at = format!("{BOARD}/{}", id(&bounty));

        // From money to points; somebody who has seen an older version does not write over it.
        admin.open(&format!("{at}/edit")).await;
        let version = admin.value("version");
        (fields[0].1, fields[1].1, fields[2].1, fields[3].1) = ("1", "", "50", "k-3");
        let mut changed = fields.to_vec();
        changed.push(("version", &version));
        sent(&mut admin, &format!("{at}/edit"), &changed, 200).await;
        assert_eq!(admin.text("reward"), "50 pts");
        changed[3] = ("key", "k-4");
        sent(&mut admin, &format!("{at}/edit"), &changed, 409).await;
        admin.shows("STALE_VERSION");
        admin.open(BOARD).await;
        admin.shows("50 pts");
        // Others see the board, and make nothing.
        let mut tester = visitor(&world, &shop, "tester@shop.example").await;
        tester.open(BOARD).await;
        tester.shows("50 pts");
        assert!(!tester.page.contains("Offer a bounty"), "{}", tester.page);
        for path in [new, format!("{at}/edit")] {
            assert_eq!(tester.ask(Method::GET, &path, None).await.status, 403, "{path}");
        }
        world.close().await;
    }
}

/// S4-92: the dialog says what it costs, and exactly that is paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_claimed_handed_in_and_paid_exactly_as_it_was_shown() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        account(&shop.tester, "acct_ok_pages").await;
        let bounty = fixed(&shop, &shop.product, "Fix it", 50_000, &json!({})).await;
        let at = format!("{BOARD}/{}", id(&bounty));
        let mut tester = visitor(&world, &shop, "tester@shop.example").await;
        tester.open(&at).await;
        sent(&mut tester, &format!("{at}/claim"), &[("key", "k-1")], 200).await;
        tester.shows("It is yours until");
        let claim = tester.value("claim");
        sent(&mut tester, &format!("{at}/abandon"), &[("claim", &claim)], 200).await;
        tester.shows("Given up.");
        let work = [("description", "Done & <tested>"), ("evidence", ""), ("key", "k-2")];
        sent(&mut tester, &format!("{at}/submit"), &work, 200).await;
        tester.shows("Handed in.");
        tester.shows("Done &#38; &#60;tested&#62;");
        tester.shows("it waits for a decision");
        let found = shop.admin.get(&format!("/api/bounties/{}", id(&bounty))).await.expect(200);
        let claims = found["claims"].as_array().unwrap_or_else(|| panic!("{found}"));
        let issue = claims.iter().find_map(|claim| claim["issueId"].as_str()).expect("a work");
        let work = format!("/app/submissions/{issue}");

        let mut admin = visitor(&world, &shop, "admin@shop.example").await;
        admin.open(&work).await;
        admin.shows("Approve &amp; Pay…");
        let dialog = format!("{work}/pay");
        admin.open(&format!("{dialog}?tip=100")).await;
        admin.shows("$ 669.73");
        let unread = admin.ask(Method::GET, &format!("{dialog}?tip=lots"), None).await;
        assert_eq!(unread.status, 400, "{}", unread.text);
        admin.open(&dialog).await;
        let says = "This will approve the submission and immediately pay the contributor $ 500 \
                    via Stripe.";
        assert_eq!(admin.text("says"), says);
        for line in ["$ 50<", "$ 16.74<", "$ 566.74<"] {
            admin.shows(line);
        }
        let (version, total) = (admin.value("version"), admin.value("total"));
        let pay = |total: &'static str, key: &'static str, version: &str| {
            [("total", total), ("key", key), ("currency", "USD"), ("tip", "")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into_iter()
                .chain([("version".to_owned(), version.to_owned())])
                .collect::<Vec<_>>()
        };
        assert_eq!(total, "56674");
        for (total, key, status) in [("56600", "k-3", 409), ("56674", "k-4", 200)] {
            let fields = pay(total, key, &version);
            let fields: Vec<_> = fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let answer = sent(&mut admin, &format!("{work}/approve"), &fields, status).await;
            assert_eq!(answer.text.contains("QUOTE_CHANGED"), status == 409, "{}", answer.text);
            // Shown again, or shown what came of it.
            admin.shows("$ 566.74");
        }
        let mut admin = eventually("the payment", || async {
            let mut admin = visitor(&world, &shop, "admin@shop.example").await;
            admin.open(&work).await;
            (admin.text("payment") == "paid").then_some(admin)
        })
        .await;
        admin.shows("a charge of the payer");
        // The contributor sees what they got, and no fee.
        tester.open("/app/earnings").await;
        assert_eq!(tester.text("paid"), "$ 500 · 1 payment");
        tester.shows("/receipt");
        tester.shows("Fix it</a>");
        let start = tester.page.find("/app/earnings/").expect("a receipt");
        let receipt = tester.page[start..].split('"').next().expect("its address").to_owned();
        let theirs = tester.ask(Method::GET, &receipt, None).await;
        assert!(theirs.text.contains("$500.00"), "{}", theirs.text);
        assert!(!theirs.text.contains("fee"), "{}", theirs.text);
        tester.open(&work).await;
        assert!(!tester.page.contains("Platform fee"), "{}", tester.page);
        let payout = receipt.split('/').nth(3).expect("a payout");
        let whole = admin.ask(Method::GET, &format!("/app/admin/receipts/{payout}"), None).await;
        assert!(whole.text.contains("$566.74"), "{}", whole.text);
        world.close().await;
    }
}

/// S4-38: the founder is told why a charge failed, and tries again.
#[tokio::test(flavor = "multi_thread")]
async fn a_declined_charge_is_told_and_tried_again_with_another_card() {
    let (store, bus) = BOTH[0];
    let world = World::start(store, bus).await;
    let shop = Shop::open(&world).await;
    account(&shop.tester, "acct_ok_again").await;
    let mut admin = visitor(&world, &shop, "admin@shop.example").await;
    admin.open(&format!("{FUNDING}?product={}", shop.product)).await;
    admin.shows("Nobody is named.");
    let name = |method: &'static str| [("product", shop.product.as_str()), ("method", method)];
    let path = format!("{FUNDING}/payer");
    sent(&mut admin, &path, &name("4242 4242 4242 4242"), 400).await;
    admin.shows("name=\"method\" value=\"4242 4242 4242 4242\"");
    sent(&mut admin, &path, &name("pm_decline_first"), 200).await;
    let bounty = fixed(&shop, &shop.product, "Fix it", 50_000, &json!({})).await;
    let issue = hand_in(&shop.tester, &bounty).await;
    let work = format!("/app/submissions/{issue}");
    admin.open(&format!("{work}/pay")).await;
    let fields = [("total", "56674"), ("key", "k-1"), ("currency", "USD"), ("tip", "")];
    sent(&mut admin, &format!("{work}/approve"), &fields, 200).await;
    let reaches = async |state: &'static str| {
        eventually(state, || async {
            let mut admin = visitor(&world, &shop, "admin@shop.example").await;
            admin.open(&work).await;
            (admin.text("payment") == state).then_some(admin)
        })
        .await
    };
    let mut admin = reaches("failed").await;
    admin.shows("Try the payment again");
    let payout = admin.value("payout");
    admin.open(&format!("{FUNDING}?product={}", shop.product)).await;
    sent(&mut admin, &path, &name("pm_card_visa"), 200).await;
    let again = [("payout", payout.as_str()), ("key", "k-2")];
    sent(&mut admin, &format!("{work}/retry"), &again, 200).await;
    reaches("paid").await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_granted_and_a_profit_is_divided_exactly_as_the_dry_run_has_shown() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let body = json!({
            "title": "Translate", "rewardType": "PROFIT_SHARE", "points": 50,
            "claimMode": "MULTIPLE",
        });
        let path = format!("/api/products/{}/bounties", shop.product);
        let bounty = shop.admin.post(&path, body).await.expect(201);
        let issue = hand_in(&shop.tester, &bounty).await;
        let mut lead = visitor(&world, &shop, "admin@shop.example").await;
        let work = format!("/app/submissions/{issue}");
        lead.open(&work).await;
        sent(&mut lead, &format!("{work}/reject"), &[("note", ""), ("key", "k-1")], 400).await;
        let points = [("points", "400"), ("key", "k-2")];
        sent(&mut lead, &format!("{work}/grant"), &points, 200).await;
        lead.shows("granted for good");
        let second = hand_in(&shop.tester, &bounty).await;
        let note = [("note", "Not what was asked"), ("key", "k-3")];
        sent(&mut lead, &format!("/app/submissions/{second}/reject"), &note, 200).await;
        assert_eq!(lead.text("note"), "Not what was asked");

        let mut tester = visitor(&world, &shop, "tester@shop.example").await;
        tester.open(&format!("{POOL}?product={}", shop.product)).await;
        assert_eq!(tester.text("granted"), "400");
        tester.shows("40.00%");
        tester.shows("(you)");
        assert!(!tester.page.contains("Dry run"), "{}", tester.page);

        // Payouts know of points by an event.
        let fields = |step: &'static str, digest: &str, key: &'static str| {
            let product = shop.product.clone();
            let text = |text: &str| text.to_owned();
            vec![
                ("step", text(step)),
                ("digest", text(digest)),
                ("key", text(key)),
                ("product", product),
                ("period", text("2026-Q1")),
                ("amount", text("10,000")),
                ("currency", text("USD")),
                ("part", text("50")),
            ]
        };
        let mut admin = visitor(&world, &shop, "admin@shop.example").await;
        admin.open(&format!("{POOL}?product={}", shop.product)).await;
        let dry = fields("dry-run", "", "k-4");
        let dry: Vec<_> = dry.iter().map(|(name, text)| (*name, text.as_str())).collect();
        sent(&mut admin, POOL, &dry, 200).await;
        // 400 of 1,000 points of half of it; the tenth part is the platform's.
        for text in ["$ 2,000</td>", "$ 200</td>", "$ 1,800</td>"] {
            admin.shows(text);
        }
        assert_eq!(admin.text("residual"), "$ 3,000");
        let digest = admin.value("digest");
        for (digest, key, status) in [("another", "k-5", 409), (digest.as_str(), "k-6", 200)] {
            let real = fields("distribute", digest, key);
            let real: Vec<_> = real.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let answer = sent(&mut admin, POOL, &real, status).await;
            assert_eq!(answer.text.contains("DIVISION_CHANGED"), status == 409, "{}", answer.text);
        }
        admin.shows("wait for approval");
        admin.open("/app/admin/partners").await;
        admin.shows("$ 1,800");
        tester.open("/app/earnings?kind=profit-share").await;
        assert_eq!(tester.text("pending"), "$ 1,800 · 1 payment");
        tester.shows("2026-Q1");
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_in_advance_is_topped_up_by_admins_and_seen_by_those_who_look_on() {
    let (store, bus) = BOTH[0];
    let world = World::start(store, bus).await;
    let shop = Shop::open(&world).await;
    let mut admin = visitor(&world, &shop, "admin@shop.example").await;
    let page = format!("{FUNDING}?product={}", shop.product);
    admin.open(&page).await;
    let product = shop.product.as_str();
    let top_up = |amount: &'static str, key: &'static str| {
        [("product", product), ("amount", amount), ("currency", "USD"), ("key", key)]
    };
    sent(&mut admin, &format!("{FUNDING}/top-up"), &top_up("much", "k-1"), 400).await;
    admin.shows("name=\"amount\" value=\"much\"");
    sent(&mut admin, &format!("{FUNDING}/top-up"), &top_up("1,000", "k-2"), 200).await;
    let low = [("product", product), ("low", "2,000"), ("currency", "USD")];
    sent(&mut admin, &format!("{FUNDING}/low"), &low, 200).await;
    shop.person("auditor@shop.example", &["auditor"]).await;
    let mut auditor = eventually("the balance", || async {
        let mut auditor = visitor(&world, &shop, "auditor@shop.example").await;
        auditor.open(&page).await;
        let there = auditor.page.replace('\u{a0}', " ").contains("$ 1,000<");
        there.then_some(auditor)
    })
    .await;
    auditor.shows(">low</span>");
    assert!(!auditor.page.contains("Charge the payer"), "{}", auditor.page);
    let refused = auditor.send(&format!("{FUNDING}/top-up"), &top_up("1", "k-3")).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let mut tester = visitor(&world, &shop, "tester@shop.example").await;
    assert_eq!(tester.ask(Method::GET, &page, None).await.status, 403);
    world.close().await;
}
