//! Never pay twice: OC#3502, #688, Dub#4307, Formance's replay rules.

use futures_util::future::join_all;
use serde_json::json;
use system_tests::check::Books;
use system_tests::story::{Shop, batch, payment};
use system_tests::world::{BOTH, World};

const PARALLEL: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_parallel_payments_of_one_issue_pay_it_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;

        // The same key: everybody gets the same answer.
        let path = shop.payments_path(&issues[0]);
        let body = payment();
        let same = join_all((0..PARALLEL).map(|_| shop.admin.post_once(&path, "one", &body))).await;
        for answer in &same {
            answer.expect(201);
            assert_eq!(answer.text, same[0].text);
        }
        let first = same.iter().filter(|a| !a.headers.contains_key("idempotency-replayed")).count();
        assert_eq!(first, 1, "exactly one answer is not a replay");

        // Different keys: one wins, the others hear that it is paid.
        let path = shop.payments_path(&issues[1]);
        let keys: Vec<_> = (0..PARALLEL).map(|n| format!("key-{n}")).collect();
        let many = join_all(keys.iter().map(|key| shop.admin.post_once(&path, key, &body))).await;
        let won = many.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, 1);
        for answer in many.iter().filter(|answer| answer.status != 201) {
            let problem = answer.refused(409, "NOT_PAYABLE");
            assert_eq!(problem["excluded"][0]["reasons"], json!(["already_paid"]), "{problem}");
        }

        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 2);
        shop.balance_shows(&shop.tester, 1_600_000, 0).await;
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_replays_its_answer_and_refuses_another_request() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(2).await;
        let body = batch(&shop.tester, &issues[..1]);
        let path = "/api/admin/payouts/batch-pay";
        let first = shop.admin.post_once(path, "k", &body).await;
        first.expect(200);
        let again = shop.admin.post_once(path, "k", &body).await;
        assert_eq!((again.status, &again.text), (200, &first.text));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        let other = batch(&shop.tester, &issues[1..]);
        shop.admin.post_once(path, "k", &other).await.refused(422, "IDEMPOTENCY_KEY_REUSED");

        // Another member's key of the same name is another key.
        let second = shop.person("second@shop.example", &["admin"]).await;
        second.post_once(path, "k", &other).await.expect(200);

        // Creating is idempotent too.
        let path = format!("/api/test-cycles/{}/issues", shop.cycle);
        let report = json!({ "title": "Twice?", "severity": "low" });
        let one = shop.tester.post_once(&path, "r", &report).await.expect(201);
        let two = shop.tester.post_once(&path, "r", &report).await.expect(201);
        assert_eq!(one["id"], two["id"]);
        world.close().await;
    }
}

/// Overlapping batches in different orders: no deadlock, no issue twice, nothing by halves.
#[tokio::test(flavor = "multi_thread")]
async fn overlapping_batches_pay_each_issue_once() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let issues = shop.approved(40).await;
        let batches: Vec<_> = (0..16)
            .map(|n| {
                let mut some: Vec<_> =
                    issues.iter().cycle().skip(n * 5).take(20).cloned().collect();
                if n % 2 == 0 {
                    some.reverse();
                }
                batch(&shop.tester, &some)
            })
            .collect();
        let path = "/api/admin/payouts/batch-pay";
        let answers =
            join_all(batches.iter().map(|body| shop.admin.post(path, body.clone()))).await;
        for answer in &answers {
            assert!([200, 409].contains(&answer.status), "{}: {}", answer.status, answer.text);
        }
        let mut rest = batch(&shop.tester, &issues);
        rest["onBlocked"] = json!("skip");
        let last = shop.admin.post(path, rest).await;
        assert!([200, 409].contains(&last.status), "{}", last.text);
        let books = Books::open(&world.config).await;
        assert_eq!(books.when_quiet().await.paid_items, 40);
        world.close().await;
    }
}
