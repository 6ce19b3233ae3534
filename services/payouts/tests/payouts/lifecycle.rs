//! Void, return and cancel, on both databases.

use quittance_kernel::{MemberId, Role};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::lifecycle_service_client::LifecycleServiceClient;
use tonic::Status;

use crate::facts::Issue;
use crate::world::{
    World, batch, group, paid, paid_issue, problem, refused, single, somebody, worlds,
};

const PARALLEL: usize = 50;

fn void(payout: &str, key: &str) -> proto::VoidPayoutRequest {
    proto::VoidPayoutRequest {
        request_id: key.to_owned(),
        payout_id: payout.to_owned(),
        reason: "Sent twice".to_owned(),
        issue_ids: vec![],
    }
}

fn back(payout: &str, key: &str) -> proto::ReturnPayoutRequest {
    let (request_id, payout_id) = (key.to_owned(), payout.to_owned());
    proto::ReturnPayoutRequest { request_id, payout_id, reason: "Account closed".to_owned() }
}

impl World {
    async fn void(
        &self,
        asked: proto::VoidPayoutRequest,
    ) -> Result<proto::VoidPayoutResponse, Status> {
        let request = self.signed(&self.admin, asked);
        let mut client = LifecycleServiceClient::new(self.connection());
        Ok(client.void_payout(request).await?.into_inner())
    }

    async fn back(&self, payout: &str) -> Result<proto::ReturnPayoutResponse, Status> {
        let request = self.signed(&self.admin, back(payout, ""));
        let mut client = LifecycleServiceClient::new(self.connection());
        Ok(client.return_payout(request).await?.into_inner())
    }

    async fn paid_once(&self, issues: &[Issue]) -> String {
        let mut answer = paid(self.batch(batch(vec![group(issues)])).await.unwrap());
        answer.groups.remove(0).payout_id
    }

    /// What must hold whatever was undone.
    async fn undone(&self) {
        for (what, sql) in [
            (
                "a live item whose earning is not paid",
                "SELECT count(*) FROM payout_items i JOIN earnings e ON e.id = i.earning_id \
                 WHERE i.live AND e.status <> 'paid'",
            ),
            (
                "a paid earning without a live item",
                "SELECT count(*) FROM earnings e WHERE e.status = 'paid' AND NOT EXISTS \
                 (SELECT 1 FROM payout_items i WHERE i.live AND i.earning_id = e.id)",
            ),
            (
                "a dead item without a reversal",
                "SELECT count(*) FROM payout_items i LEFT JOIN reversals v \
                 ON v.payout_item_id = i.id WHERE NOT i.live AND v.id IS NULL",
            ),
            (
                "a payout that is not its items less what was kept back",
                "SELECT count(*) FROM payouts p WHERE p.amount_minor + p.netted_minor <> \
                 (SELECT CAST(SUM(i.amount_minor) AS BIGINT) FROM payout_items i \
                  WHERE i.payout_id = p.id)",
            ),
        ] {
            assert_eq!(self.number(sql).await, 0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_void_keeps_the_row_and_books_reversal_receivable_audit_and_events() {
    for world in worlds().await {
        let (one, two) = (world.issue(300), world.issue(500));
        let payout = world.paid_once(&[one, two]).await;
        let mut some = void(&payout, "");
        some.issue_ids = vec![two.id.to_string()];
        let done = world.void(some.clone()).await.unwrap();
        assert_eq!(done.issue_ids, [two.id.to_string()]);
        assert_eq!(done.receivable.unwrap().minor_units, 500);
        let state = |payout: Option<proto::Payout>| payout.unwrap().state();
        assert_eq!(state(done.payout), proto::PayoutState::Paid);
        // What is void stays void, and hinders a return of the whole.
        assert_eq!(problem(world.void(some).await).reason, "INVALID_TRANSITION");
        assert_eq!(problem(world.back(&payout).await).reason, "PAYOUT_PARTLY_VOID");
        let done = world.void(void(&payout, "")).await.unwrap();
        assert_eq!(state(done.payout), proto::PayoutState::Void);
        let over = problem(world.void(void(&payout, "")).await);
        assert_eq!(
            (over.reason.as_str(), over.metadata["from"].as_str()),
            ("INVALID_TRANSITION", "void")
        );

        for (sql, expected) in [
            ("SELECT count(*) FROM payouts WHERE state = 'void' AND amount_minor = 800", 1),
            ("SELECT count(*) FROM payout_items WHERE NOT live", 2),
            ("SELECT count(*) FROM earnings WHERE status = 'void' AND payout_id IS NOT NULL", 2),
            ("SELECT count(*) FROM reversals WHERE kind = 'void'", 2),
            ("SELECT CAST(SUM(open_minor) AS BIGINT) FROM receivables", 800),
            (
                "SELECT count(*) FROM audit_log WHERE action = 'payout.voided' AND reason = 'Sent twice'",
                2,
            ),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.voided'", 2),
            ("SELECT count(*) FROM outbox WHERE kind = 'earning.voided'", 2),
            ("SELECT count(*) FROM payout_steps", 2),
        ] {
            assert_eq!(world.number(sql).await, expected, "{sql}");
        }
        world.undone().await;
        // It is not payable, whichever way it is asked for.
        let answer = world.batch(batch(vec![group(&[one, two])])).await.unwrap();
        assert_eq!(refused(answer), [["voided"], ["voided"]]);
    }
}

#[tokio::test]
async fn money_that_came_back_can_be_paid_again() {
    for world in worlds().await {
        let issues = [world.issue(300), world.issue(500)];
        let first = world.paid_once(&issues).await;
        let done = world.back(&first).await.unwrap();
        assert_eq!(done.issue_ids.len(), 2);
        let returned = "SELECT count(*) FROM payouts WHERE state = 'returned'";
        assert_eq!(world.number(returned).await, 1);
        let owed = "SELECT count(*) FROM earnings WHERE status = 'approved' AND payout_id IS NULL";
        assert_eq!(world.number(owed).await, 2);
        assert_eq!(world.number("SELECT count(*) FROM receivables").await, 0);
        assert_eq!(problem(world.void(void(&first, "")).await).reason, "INVALID_TRANSITION");
        let second = world.paid_once(&issues).await;
        assert_ne!(first, second);
        world.undone().await;
        // The second one may come back too.
        world.back(&second).await.unwrap();
        world.paid_once(&issues).await;
        assert_eq!(world.number("SELECT count(*) FROM payout_items WHERE live").await, 2);
        assert_eq!(world.number("SELECT count(*) FROM payout_items").await, 6);
        world.undone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_voids_and_returns_exactly_one_wins() {
    for world in worlds().await {
        let payout = world.paid_once(&[world.issue(300), world.issue(500)]).await;
        let client = LifecycleServiceClient::new(world.connection());
        let calls = (0..PARALLEL).map(|turn| {
            let (mut client, key) = (client.clone(), format!("key-{turn}"));
            let taken = world.signed(&world.admin, void(&payout, &key));
            let came = world.signed(&world.admin, back(&payout, &key));
            tokio::spawn(async move {
                if turn % 2 == 0 {
                    client.void_payout(taken).await.map(|_| ())
                } else {
                    client.return_payout(came).await.map(|_| ())
                }
            })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                Ok(()) => won += 1,
                refused => assert_eq!(problem(refused).reason, "INVALID_TRANSITION"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(world.number("SELECT count(*) FROM reversals").await, 2);
        assert_eq!(world.number("SELECT count(*) FROM payout_steps").await, 1);
        world.undone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_with_one_key_get_one_answer() {
    for world in worlds().await {
        let payout = world.paid_once(&[world.issue(300)]).await;
        let client = LifecycleServiceClient::new(world.connection());
        let calls = (0..PARALLEL).map(|_| {
            let request = world.signed(&world.admin, void(&payout, "same"));
            let mut client = client.clone();
            tokio::spawn(async move { client.void_payout(request).await })
        });
        let mut answers = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.unwrap().unwrap());
        }
        let replayed = |answer: &&tonic::Response<proto::VoidPayoutResponse>| {
            answer.metadata().contains_key("idempotency-replayed")
        };
        assert_eq!(answers.iter().filter(replayed).count(), PARALLEL - 1);
        assert_eq!(world.number("SELECT count(*) FROM reversals").await, 1);
        let other =
            proto::VoidPayoutRequest { reason: "Other".to_owned(), ..void(&payout, "same") };
        assert_eq!(problem(world.void(other).await).reason, "IDEMPOTENCY_KEY_REUSED");
    }
}

#[tokio::test]
async fn nobody_undoes_their_own_payment_and_strangers_find_nothing() {
    for world in worlds().await {
        let mut me = somebody(world.admin.organization, &[Role::Admin]);
        me.member = world.aibek;
        let payout = world.paid_once(&[world.issue(300)]).await;
        let mut client = LifecycleServiceClient::new(world.connection());
        let mine = client.void_payout(world.signed(&me, void(&payout, ""))).await;
        assert_eq!(problem(mine).reason, "SELF_APPROVAL");
        let stranger = somebody(quittance_kernel::OrganizationId::new(), &[Role::Admin]);
        let theirs = client.void_payout(world.signed(&stranger, void(&payout, ""))).await;
        assert_eq!(problem(theirs).reason, "PAYOUT_NOT_FOUND");
        let member = somebody(world.admin.organization, &[Role::Member]);
        let refused = client.void_payout(world.signed(&member, void(&payout, ""))).await;
        assert_eq!(problem(refused).reason, "ROLE_REQUIRED");
        let empty = proto::VoidPayoutRequest { reason: " ".to_owned(), ..void(&payout, "") };
        assert_eq!(problem(world.void(empty).await).fields[0].0, "reason");
        let mut other = void(&payout, "");
        other.issue_ids = vec![MemberId::new().to_string()];
        assert_eq!(problem(world.void(other).await).fields[0].0, "issue_ids[0]");
        assert_eq!(world.number("SELECT count(*) FROM payout_items WHERE live").await, 1);
    }
}

#[tokio::test]
async fn only_an_approved_payout_is_cancelled() {
    for world in worlds().await {
        let payout = world.paid_once(&[world.issue(300)]).await;
        let cancel = || proto::CancelPayoutRequest {
            request_id: String::new(),
            payout_id: payout.clone(),
            reason: "Wrong account".to_owned(),
        };
        let mut client = LifecycleServiceClient::new(world.connection());
        let refused = problem(client.cancel_payout(world.signed(&world.admin, cancel())).await);
        assert_eq!(refused.reason, "INVALID_TRANSITION");
        assert_eq!(refused.metadata["allowed"], "returned,void");
        // As it would stand if it had been approved and not paid yet.
        world.execute("UPDATE payouts SET state = 'approved', paid_at = NULL").await;
        world.execute("UPDATE earnings SET status = 'approved'").await;
        let done = client.cancel_payout(world.signed(&world.admin, cancel())).await.unwrap();
        assert_eq!(done.into_inner().payout.unwrap().state(), proto::PayoutState::Cancelled);
        assert_eq!(world.number("SELECT count(*) FROM payout_items WHERE live").await, 0);
        assert_eq!(world.number("SELECT count(*) FROM reversals").await, 0);
        let told = "SELECT count(*) FROM outbox WHERE kind = 'payout.cancelled'";
        assert_eq!(world.number(told).await, 1);
    }
}

#[tokio::test]
async fn what_is_owed_and_unpaid_is_voided_all_or_nothing() {
    for world in worlds().await {
        let (one, two, three) = (world.issue(300), world.issue(500), world.issue(700));
        // Paid and returned, so that the rows are there.
        let payout = world.paid_once(&[one, two]).await;
        world.back(&payout).await.unwrap();
        let paid = paid_issue(world.pay(&world.admin, single(three, "")).await.unwrap());
        let mut client = LifecycleServiceClient::new(world.connection());
        let ask = |issues: &[Issue], key: &str| {
            world.signed(
                &world.admin,
                proto::VoidEarningsRequest {
                    request_id: key.to_owned(),
                    issue_ids: issues.iter().map(|issue| issue.id.to_string()).collect(),
                    reason: "Copied".to_owned(),
                },
            )
        };
        let refused = problem(client.void_earnings(ask(&[one, three], "")).await);
        assert_eq!(
            (refused.reason.as_str(), refused.fields[0].0.as_str()),
            ("EARNING_IN_PAYOUT", "issue_ids[1]")
        );
        let unknown = problem(client.void_earnings(ask(&[one, world.issue(1)], "")).await);
        assert_eq!(unknown.reason, "EARNING_NOT_FOUND");
        assert_eq!(
            problem(client.void_earnings(ask(&[one, one], "")).await).reason,
            "DUPLICATE_ISSUE"
        );
        assert_eq!(problem(client.void_earnings(ask(&[], "")).await).reason, "COUNT_OUT_OF_RANGE");
        assert_eq!(world.number("SELECT count(*) FROM earnings WHERE status = 'void'").await, 0);

        let done = client.void_earnings(ask(&[one, two], "k")).await.unwrap().into_inner();
        assert_eq!((done.issue_ids.len(), done.totals[0].count), (2, 2));
        let again = client.void_earnings(ask(&[one, two], "k")).await.unwrap();
        assert!(again.metadata().contains_key("idempotency-replayed"));
        let answer = world.batch(batch(vec![group(&[one, two])])).await.unwrap();
        assert_eq!(crate::world::refused(answer), [["voided"], ["voided"]]);
        assert_eq!(world.number("SELECT count(*) FROM receivables").await, 0);
        assert!(!paid.payout_id.is_empty());
        world.undone().await;
    }
}

#[tokio::test]
async fn what_a_payee_owes_is_kept_back_once_and_never_below_zero() {
    for world in worlds().await {
        let payout = world.paid_once(&[world.issue(900)]).await;
        world.void(void(&payout, "")).await.unwrap();
        let net = |issues: &[Issue]| proto::BatchPayRequest {
            net_receivables: true,
            ..batch(vec![group(issues)])
        };
        // Another currency and another payee owe nothing.
        let hers = [
            world.facts.approved(world.madina, 100, "KZT"),
            world.facts.approved(world.aibek, 7, "USD"),
        ];
        let answer = paid(world.batch(net(&hers)).await.unwrap());
        assert!(answer.groups.iter().all(|group| group.netted_minor == 0));
        // A debt that is larger than the payment is settled in part.
        let answer = paid(world.batch(net(&[world.issue(400)])).await.unwrap());
        let small = answer.groups[0].clone();
        let amount =
            |group: &proto::PaidGroup| group.total.clone().unwrap().amount.unwrap().minor_units;
        assert_eq!((amount(&small), small.netted_minor), (0, 400));
        let answer = paid(world.batch(net(&[world.issue(600), world.issue(200)])).await.unwrap());
        assert_eq!((amount(&answer.groups[0]), answer.groups[0].netted_minor), (300, 500));
        assert_eq!(answer.totals[0].amount.as_ref().unwrap().minor_units, 300);
        let answer = paid(world.batch(net(&[world.issue(50)])).await.unwrap());
        assert_eq!((amount(&answer.groups[0]), answer.groups[0].netted_minor), (50, 0));
        assert_eq!(
            world.number("SELECT CAST(SUM(open_minor) AS BIGINT) FROM receivables").await,
            0
        );
        assert_eq!(
            world.number("SELECT count(*) FROM outbox WHERE kind = 'earning.netted'").await,
            2
        );
        world.undone().await;
        // Money that came back was not kept back either.
        world.back(&small.payout_id).await.unwrap();
        assert_eq!(
            world.number("SELECT CAST(SUM(open_minor) AS BIGINT) FROM receivables").await,
            400
        );
        assert_eq!(world.number("SELECT count(*) FROM nettings WHERE live").await, 1);
        world.undone().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_debt_is_kept_back_once_by_batches_at_once() {
    for world in worlds().await {
        let payout = world.paid_once(&[world.issue(900)]).await;
        world.void(void(&payout, "")).await.unwrap();
        let calls = (0..8).map(|_| {
            let asked = proto::BatchPayRequest {
                net_receivables: true,
                ..batch(vec![group(&[world.issue(250)])])
            };
            let request = world.signed(&world.admin, asked);
            let mut client = world.payouts.clone();
            tokio::spawn(async move { client.batch_pay(request).await })
        });
        for call in calls.collect::<Vec<_>>() {
            // Whoever lost three times is told so, and has paid nothing.
            if let Err(status) = call.await.unwrap() {
                assert_eq!(quittance_chassis::problem::read(&status).reason, "CONTENDED");
            }
        }
        let kept = "SELECT CAST(SUM(n.amount_minor) AS BIGINT) FROM nettings n WHERE n.live";
        let settled = "SELECT CAST(SUM(amount_minor - open_minor) AS BIGINT) FROM receivables";
        assert_eq!(world.number(kept).await, world.number(settled).await);
        assert_eq!(world.number("SELECT count(*) FROM receivables WHERE open_minor < 0").await, 0);
        world.undone().await;
    }
}
