//! Issues that repeat others.

use quittance_issues::Issues;
use quittance_issues::app::{Answer, IssueDetail, Target};
use quittance_issues::error::Error;
use quittance_kernel::{Ctx, IssueId, IssueStatus, Severity};

use crate::fixture::{World, cycle, foreigner, new_issue, product, reason, worlds};

async fn repeats(
    issues: &Issues,
    who: &Ctx,
    issue: IssueId,
    original: IssueId,
) -> Result<IssueDetail, Error> {
    let answer = Answer::forgotten();
    issues.end_as_duplicate(who, Target::of(issue), original, None, answer).await
}

async fn issue_elsewhere(world: &World) -> IssueId {
    let web = product(&world.issues, &world.admin, "WEB").await;
    let sweep = cycle(&world.issues, &world.admin, web, vec![]).await.cycle.id;
    let new = new_issue(sweep, "Payment fails", Severity::Low);
    world.issues.create_issue(&world.admin, new, Answer::forgotten()).await.unwrap().issue.id
}

#[tokio::test]
async fn a_duplicate_keeps_its_original_and_its_event_names_it() {
    for world in worlds().await {
        let first = world.file(&world.aibek, Severity::Low).await;
        let second = world.file(&world.nazira, Severity::Low).await;
        let ended = repeats(&world.issues, &world.lead, second, first).await.unwrap();
        assert_eq!(ended.issue.duplicate_of, Some(first));
        assert_eq!(world.see(&world.nazira, second).await.unwrap(), ended);
        let told = world.events(second).await;
        let (kind, state) = told.last().unwrap();
        assert_eq!((kind.as_str(), state.duplicate_of), ("issue.rejected", Some(first.0)));
        let why = Some("not the same");
        let reopened = world.set(&world.lead, second, IssueStatus::Open, why).await;
        assert_eq!(reopened.unwrap().issue.duplicate_of, None);
        assert_eq!(world.events(second).await.last().unwrap().1.duplicate_of, None);
    }
}

#[tokio::test]
async fn the_original_is_another_issue_of_the_product_that_the_judge_may_see() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Low).await;
        let elsewhere = issue_elsewhere(&world).await;
        let spy = foreigner(&world.issues).await;
        for original in [issue, elsewhere, IssueId::new()] {
            let refused = repeats(&world.issues, &world.admin, issue, original).await;
            assert_eq!(reason(refused), "INVALID_FIELD");
        }
        // What a lead may not see does not exist for them; neither does this issue for strangers.
        let unseen = repeats(&world.issues, &world.lead, issue, elsewhere).await;
        assert_eq!(reason(unseen), "INVALID_FIELD");
        assert_eq!(reason(repeats(&world.issues, &spy, issue, issue).await), "ISSUE_NOT_FOUND");
        assert_eq!(world.see(&world.aibek, issue).await.unwrap().issue.status, IssueStatus::Open);
    }
}

#[tokio::test]
async fn duplicates_never_run_in_a_circle_even_when_two_are_ended_at_once() {
    for world in worlds().await {
        let mut ring = Vec::new();
        for _ in 0..3 {
            ring.push(world.file(&world.aibek, Severity::Low).await);
        }
        repeats(&world.issues, &world.admin, ring[0], ring[1]).await.unwrap();
        repeats(&world.issues, &world.admin, ring[1], ring[2]).await.unwrap();
        let closing = repeats(&world.issues, &world.admin, ring[2], ring[0]).await;
        assert_eq!(reason(closing), "DUPLICATE_LOOP");

        for _ in 0..5 {
            let a = world.file(&world.aibek, Severity::Low).await;
            let b = world.file(&world.aibek, Severity::Low).await;
            let (one, other) = tokio::join!(
                repeats(&world.issues, &world.admin, a, b),
                repeats(&world.issues, &world.admin, b, a)
            );
            let won = [one, other].into_iter().flatten().count();
            assert_eq!(won, 1, "exactly one of the two is the duplicate");
        }
    }
}
