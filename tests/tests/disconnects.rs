//! Clients that go away and deadlines that expire, at every point of a request: nothing that was
//! acknowledged is lost, and no connection is left inside a transaction.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use quittance_chassis::auth::Verifier;
use quittance_chassis::clock;
use quittance_chassis::grpc::{self, Caller};
use quittance_kernel::{Ctx, Principal, Role, Roles};
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1::PayIssueRequest;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use serde_json::json;
use system_tests::check::{Books, number};
use system_tests::story::{Shop, payment};
use system_tests::world::{BOTH, Store, World, eventually};

const IDLE: &str = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND state LIKE 'idle in transaction%'";

/// Microseconds that move through a request, from before it is read to after it is answered.
fn moments() -> impl Iterator<Item = u64> {
    (0..40_u64).map(|turn| 150 + turn * 400)
}

async fn nobody_idles_in_a_transaction(books: &Books) {
    for db in [&books.issues, &books.payouts, &books.balance] {
        eventually("sessions to leave their transactions", || async {
            (number(db, IDLE).await == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_lose_nothing_that_was_acknowledged() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let books = Books::open(&world.config).await;
        let path = format!("/api/test-cycles/{}/issues", shop.cycle);

        // Filing: dropped at a moment, then asked again under the same key.
        let mut gone = 0;
        let filings = moments().enumerate().map(|(turn, moment)| {
            let (shop, path) = (&shop, &path);
            async move {
                let key = format!("file-{turn}");
                let body = json!({ "title": format!("Report {turn}"), "severity": "high" });
                let first = shop.tester.post_once(path, &key, &body);
                let first = tokio::time::timeout(Duration::from_micros(moment), first).await;
                let answer = shop.tester.post_once(path, &key, &body).await.expect(201);
                (answer["id"].as_str().unwrap().to_owned(), first)
            }
        });
        let mut issues = Vec::new();
        for (issue, first) in join_all(filings).await {
            match first {
                Ok(answer) => assert_eq!(answer.expect(201)["id"], json!(issue)),
                Err(_) => gone += 1,
            }
            issues.push(issue);
        }
        assert!(gone > 0, "no client went away: the test proves nothing");
        let filed = "SELECT count(*) FROM issues";
        assert_eq!(number(&books.issues, filed).await, 40, "an issue was lost or filed twice");

        // Paying, likewise.
        let decisions: Vec<_> =
            issues.iter().map(|id| json!({ "issueId": id, "decision": "approve" })).collect();
        let body = json!({ "decisions": decisions });
        shop.admin.post("/api/admin/triage/decide", body).await.expect(200);
        let payments = issues.iter().zip(moments()).map(|(issue, moment)| {
            let shop = &shop;
            async move {
                let path = shop.payments_path(issue);
                let body = payment();
                let first = shop.admin.post_once(&path, issue, &body);
                let _ = tokio::time::timeout(Duration::from_micros(moment), first).await;
                shop.admin.post_once(&path, issue, &body).await.expect(201);
            }
        });
        join_all(payments).await;
        if store == Store::Postgres {
            nobody_idles_in_a_transaction(&books).await;
        }
        assert_eq!(books.when_quiet().await.paid_items, 40);
        world.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_that_expire_anywhere_leave_whole_payments_or_none() {
    for (store, bus) in BOTH {
        let world = World::start(store, bus).await;
        let shop = Shop::open(&world).await;
        let books = Books::open(&world.config).await;
        let issues = shop.approved(40).await;
        let verifier = Verifier::from_config(&world.config.auth, world.config.mode).unwrap();
        let principal = Principal {
            organization: shop.admin.organization_id.parse().unwrap(),
            member: shop.admin.member_id.parse().unwrap(),
            roles: Roles::new([Role::Admin]),
            email: None,
            impersonator: None,
        };
        let token = verifier.mint(&principal, Duration::from_mins(10)).unwrap();
        let ctx = Ctx::new(principal, clock::now(), "deadlines".into());
        let caller = Caller::new(ctx, &token.into(), None);
        let client = PayoutServiceClient::new(grpc::client(&world.config.payouts.url).unwrap());
        let calls = issues.iter().zip(moments()).map(|(issue, moment)| {
            let (mut client, caller) = (client.clone(), &caller);
            async move {
                let mut request = caller.request(PayIssueRequest {
                    request_id: issue.clone(),
                    issue_id: issue.clone(),
                    method: Method::Kaspi.into(),
                    reference: "KASPI-1".into(),
                    ..Default::default()
                });
                request.set_timeout(Duration::from_micros(moment));
                (issue.clone(), client.pay_issue(request).await.is_ok())
            }
        });
        let answered: HashMap<String, bool> = join_all(calls).await.into_iter().collect();
        assert!(answered.values().any(|ok| !ok), "no deadline expired: the test proves nothing");
        if store == Store::Postgres {
            nobody_idles_in_a_transaction(&books).await;
        }
        books.at_rest().await;
        // Asked again without a hurry, each is paid exactly once, acknowledged before or not.
        for issue in &issues {
            let answer = shop.admin.post(&shop.payments_path(issue), payment()).await;
            assert!([201, 409].contains(&answer.status), "{}", answer.text);
            if answered[issue] {
                answer.refused(409, "NOT_PAYABLE");
            }
        }
        assert_eq!(books.when_quiet().await.paid_items, 40);
        world.close().await;
    }
}
