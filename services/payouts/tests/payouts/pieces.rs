//! Payments that are too large for one statement are still all or nothing.

use quittance_proto::payouts::v1 as proto;
use sea_orm::DbBackend;

use crate::facts::Issue;
use crate::world::{World, batch, group, paid, problem, worlds};

/// One more than a piece holds.
const ITEMS: i64 = 1_001;

impl World {
    /// Lets the database refuse the item after the first piece.
    async fn no_room_for_a_second_piece(&self) {
        let when = format!("(SELECT count(*) FROM payout_items) >= {}", ITEMS - 1);
        if self.db.backend() == DbBackend::Sqlite {
            self.execute(&format!(
                "CREATE TRIGGER no_room BEFORE INSERT ON payout_items WHEN {when} \
                 BEGIN SELECT RAISE(ABORT, 'no room'); END"
            ))
            .await;
            return;
        }
        self.execute(&format!(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF {when} THEN RAISE EXCEPTION 'no room'; END IF; RETURN NEW; END $$"
        ))
        .await;
        self.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON payout_items \
             FOR EACH ROW EXECUTE FUNCTION no_room()",
        )
        .await;
    }

    async fn room_again(&self) {
        let of_table = if self.db.backend() == DbBackend::Sqlite { "" } else { " ON payout_items" };
        self.execute(&format!("DROP TRIGGER no_room{of_table}")).await;
    }
}

#[tokio::test]
async fn a_payment_refused_in_its_second_piece_leaves_nothing_of_the_first() {
    for world in worlds().await {
        let issues: Vec<Issue> = (0..ITEMS).map(|_| world.issue(5)).collect();
        let request = || proto::BatchPayRequest {
            request_id: "large".to_owned(),
            ..batch(vec![group(&issues)])
        };
        world.no_room_for_a_second_piece().await;
        let failed = problem(world.batch(request()).await);
        assert_eq!(failed.reason, "INTERNAL", "{failed:?}");
        world.check(0, 0).await;
        for table in ["earnings", "batches", "audit_log", "outbox", "idempotency_keys"] {
            let rows = world.number(&format!("SELECT count(*) FROM {table}")).await;
            assert_eq!(rows, 0, "{table}");
        }

        // The key was not used up: the same request pays the whole, once.
        world.room_again().await;
        let first = paid(world.batch(request()).await.unwrap());
        let again = paid(world.batch(request()).await.unwrap());
        assert_eq!(first, again);
        world.check(1, ITEMS).await;
    }
}

/// Whichever piece the issue is in that they share.
#[tokio::test]
async fn two_large_payments_of_one_issue_pay_it_once() {
    for world in worlds().await {
        let shared = world.issue(5);
        let with_others = || {
            let mut issues: Vec<Issue> = (0..ITEMS - 1).map(|_| world.issue(5)).collect();
            issues.push(shared);
            issues
        };
        let (one, other) = (with_others(), with_others());
        let (one, other) = tokio::join!(
            world.batch(batch(vec![group(&one)])),
            world.batch(batch(vec![group(&other)]))
        );
        let won = [one.unwrap(), other.unwrap()].into_iter().filter(|answer| {
            matches!(answer.outcome, Some(proto::batch_pay_response::Outcome::Paid(_)))
        });
        assert_eq!(won.count(), 1);
        world.check(1, ITEMS).await;
    }
}
