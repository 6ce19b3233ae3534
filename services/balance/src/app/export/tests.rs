use std::time::Duration;

use quittance_chassis::testing::databases;
use quittance_kernel::{Currency, CycleId, IssueId, Money, Principal, Timestamp};

use super::*;
use crate::app::{Change, Fact};
use crate::domain::{Earning, EarningState, Payment};

/// 600 payments, with references that make about 600 KiB of them: far more than may wait.
fn payments(organization: OrganizationId, payee: MemberId) -> Vec<Fact> {
    let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
    let cycle = CycleId::new();
    let fact = |_| {
        let payment = Payment { at, method: None, reference: Some("x".repeat(1_000)) };
        let amount = Money::signed(1, Currency::KZT);
        let state = EarningState::Paid(payment);
        let earning = Earning { version: 1, payee, cycle, amount, state };
        let change = Change::Earning(IssueId::new(), earning);
        Fact { event: Uuid::now_v7(), kind: String::new(), at, organization, change }
    };
    (0..600).map(fact).collect()
}

#[tokio::test]
async fn an_export_waits_for_its_reader_and_ends_when_the_reader_goes_away() {
    for db in databases("balance").await {
        quittance_chassis::db::migrate::<crate::Migrator>(&db).await.unwrap();
        let balances = Balances::new((*db).clone());
        let (organization, payee) = (OrganizationId::new(), MemberId::new());
        let now = "2026-05-08T12:00:00Z".parse().unwrap();
        let ctx = Ctx::new(Principal::service(organization), now, "request-1".into());
        balances.project(&ctx, &payments(organization, payee)).await.unwrap();
        let (chunks, mut export) = mpsc::channel(WAITING);
        let period = Period::ALL;
        let writer = Writer { balances, organization, payee, period, chunks };

        let running = tokio::spawn(async move { writer.run(true).await });
        export.recv().await.unwrap().unwrap();
        let full = async {
            while export.len() < WAITING {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), full).await.unwrap();
        // Whatever could run has run: it waits.
        tokio::task::yield_now().await;
        assert!(!running.is_finished());
        drop(export);

        let ended = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap();
        ended.unwrap().unwrap();
    }
}
