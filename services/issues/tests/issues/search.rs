//! Words: the same results on both databases.

use quittance_chassis::db::Tx;
use quittance_issues::app::{Answer, IssueFilter, NewIssue, Paging};
use quittance_kernel::{Ctx, IssueId, IssueStatus, Severity};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::fixture::{World, cycle, foreigner, product, worlds};

const REPORTS: [(&str, &str); 6] = [
    ("Payment fails on mobile Safari", "Tap Pay-Now: nothing happens, HTTP 502."),
    ("Safari: payment fails", "On mobile. The pay button does nothing."),
    ("Оплата не проходит", "Ошибка 502 при оплате в Казахстане"),
    ("Logo is blurred", "See https://example.com/logo.png and a_b's 50%."),
    ("Ünïcode naïve café", "straße ŁÓDŹ ελληνικά 日本語 ١٢٣"),
    ("!!! ???", "-- ' \" \\ & | : * ( ) NEAR OR NOT"),
];

async fn file(world: &World, who: &Ctx, title: &str, body: &str) -> IssueId {
    let new = NewIssue {
        cycle: world.cycle,
        title: title.to_owned(),
        body: body.to_owned(),
        severity: Severity::Low,
        status: IssueStatus::Open,
        links: Vec::new(),
    };
    world.issues.create_issue(who, new, Answer::forgotten()).await.unwrap().issue.id
}

/// The numbers of the issues that a query finds, in order.
async fn found(world: &World, who: &Ctx, query: &str) -> Vec<i64> {
    let words = query.split_whitespace().map(str::to_owned).collect();
    let filter = IssueFilter { words, ..IssueFilter::default() };
    let page = world.issues.list_issues(who, &filter, &Paging::default()).await.unwrap();
    let mut numbers: Vec<i64> = page.items.iter().map(|item| item.issue.number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn words_are_found_alike_on_both_databases() {
    for world in worlds().await {
        for (title, body) in REPORTS {
            file(&world, &world.aibek, title, body).await;
        }
        for (query, expected) in [
            ("payment SAFARI", &[1, 2][..]),
            ("safari paym", &[1, 2]),
            // Only the last word may be begun.
            ("paym safari", &[]),
            ("afari", &[]),
            ("pay-now", &[1]),
            ("502", &[1, 3]),
            ("50", &[1, 3, 4]),
            ("оплата", &[3]),
            ("ОПЛАТ", &[3]),
            ("cafe", &[]),
            ("café naïve", &[5]),
            ("łódź", &[5]),
            ("日本", &[5]),
            ("example.com/logo", &[4]),
            ("a_b", &[4]),
            ("!!!", &[]),
            ("near or not", &[6]),
            ("' OR 1=1 --", &[]),
            ("\"safari\" * AND", &[]),
            ("safari:* & |", &[1, 2]),
        ] {
            let seen = found(&world, &world.admin, query).await;
            assert_eq!(seen, expected, "{query} on {:?}", world.db.backend());
        }
        assert!(found(&world, &world.nazira, "safari").await.is_empty());
        let spy = foreigner(&world.issues).await;
        assert!(found(&world, &spy, "safari").await.is_empty());
    }
}

#[tokio::test]
async fn likely_duplicates_are_of_the_same_product_and_in_sight() {
    for world in worlds().await {
        let mut ids = Vec::new();
        for (title, body) in REPORTS {
            ids.push(file(&world, &world.aibek, title, body).await);
        }
        let similar = async |who: &Ctx, issue: IssueId| {
            let similar = world.issues.similar_issues(who, issue).await.unwrap();
            similar.into_iter().map(|s| (s.detail.issue.id, s.score)).collect::<Vec<_>>()
        };
        let near = similar(&world.admin, ids[0]).await;
        assert_eq!(near.len(), 1, "{near:?}");
        assert_eq!(near[0].0, ids[1]);
        assert!(0.5 < near[0].1 && near[0].1 < 1.0, "{near:?}");
        assert!(similar(&world.admin, ids[5]).await.is_empty());

        // The same words score 1, and no more than five are shown, the best first.
        for _ in 0..6 {
            file(&world, &world.nazira, REPORTS[0].0, REPORTS[0].1).await;
        }
        let near = similar(&world.admin, ids[0]).await;
        assert_eq!(near.len(), 5);
        assert!(near.iter().all(|(_, score)| (score - 1.0).abs() < 1e-9), "{near:?}");
        // Their reporter sees their own alone.
        assert_eq!(similar(&world.aibek, ids[0]).await.len(), 1);

        let web = product(&world.issues, &world.admin, "WEB").await;
        let sweep = cycle(&world.issues, &world.admin, web, vec![]).await.cycle.id;
        let elsewhere = NewIssue {
            cycle: sweep,
            title: REPORTS[0].0.to_owned(),
            body: String::new(),
            severity: Severity::Low,
            status: IssueStatus::Open,
            links: Vec::new(),
        };
        let elsewhere = world.issues.create_issue(&world.admin, elsewhere, Answer::forgotten());
        let elsewhere = elsewhere.await.unwrap().issue.id;
        assert!(similar(&world.admin, elsewhere).await.is_empty());
    }
}

#[tokio::test]
async fn the_index_answers_searches_on_postgresql() {
    for world in worlds().await {
        if world.db.backend() != DbBackend::Postgres {
            continue;
        }
        let tx = Tx::begin(&world.db, &world.admin).await.unwrap();
        tx.conn().execute_unprepared("SET LOCAL enable_seqscan = off").await.unwrap();
        let sql = "EXPLAIN SELECT id FROM issues WHERE search @@ CAST('pay & saf:*' AS tsquery)";
        let plan = Statement::from_string(DbBackend::Postgres, sql);
        let plan = tx.conn().query_all_raw(plan).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        assert!(plan.concat().contains("issues_search"), "{plan:?}");
    }
}
