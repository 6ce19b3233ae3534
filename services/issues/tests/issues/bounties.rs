//! Bounties, claims, submissions and the reward pool.

use chrono::TimeDelta;
use quittance_events::kind;
use quittance_issues::app::{
    Answer, BountyPatch, Extra, IssueDetail, NewBounty, NewSubmission, Paging, ProductPatch, Target,
};
use quittance_issues::domain::bounty::{Bounty, BountyStatus, ClaimMode, RewardType};
use quittance_issues::domain::claim::{Claim, ClaimState};
use quittance_issues::error::Error;
use quittance_kernel::{BountyId, Ctx, IssueId, IssueStatus, PayoutStatus};
use sea_orm::{ConnectionTrait as _, Statement};

use crate::fixture::{World, foreigner, reason, worlds};

fn share(world: &World, points: Option<i64>) -> NewBounty {
    NewBounty {
        product: world.product,
        kind: RewardType::ProfitShare,
        title: "Build feature X".to_owned(),
        description: "All of it".to_owned(),
        points,
        value: None,
        currency: None,
        mode: ClaimMode::Single,
        max_claims: None,
        expiry_days: None,
        evidence: String::new(),
        status: BountyStatus::Open,
    }
}

fn fixed(world: &World, value: i64) -> NewBounty {
    NewBounty {
        kind: RewardType::FixedPayment,
        points: None,
        value: Some(value),
        ..share(world, None)
    }
}

async fn offer(world: &World, new: NewBounty) -> Result<Bounty, Error> {
    world.issues.create_bounty(&world.admin, new, Answer::forgotten()).await
}

async fn claim(world: &World, who: &Ctx, bounty: BountyId) -> Result<Claim, Error> {
    world.issues.claim_bounty(who, bounty, Answer::forgotten()).await
}

async fn submit(world: &World, who: &Ctx, bounty: BountyId) -> Result<IssueDetail, Error> {
    let description = "Done".to_owned();
    let new = NewSubmission { bounty, description, evidence: String::new(), claim: None };
    world.issues.submit(who, new, Answer::forgotten()).await
}

async fn approve(world: &World, issue: IssueId, extra: Extra) -> Result<IssueDetail, Error> {
    let answer = Answer::forgotten();
    world.issues.approve_submission(&world.admin, Target::of(issue), extra, answer).await
}

async fn reject(world: &World, issue: IssueId) -> Result<IssueDetail, Error> {
    let (target, note) = (Target::of(issue), Some("not yet".to_owned()));
    world.issues.reject_submission(&world.admin, target, note, Answer::forgotten()).await
}

fn later(ctx: &Ctx, days: i64) -> Ctx {
    Ctx { now: ctx.now + TimeDelta::days(days), ..ctx.clone() }
}

#[tokio::test]
async fn a_bounty_keeps_to_the_validation_table_when_made_and_when_changed() {
    for world in worlds().await {
        for (points, value, code) in [
            (None, None, "INVALID_VALUE"),
            (None, Some(0), "INVALID_VALUE"),
            (Some(5), Some(500), "INVALID_POINTS"),
            (None, Some(499), "BELOW_MINIMUM"),
        ] {
            let new = NewBounty { points, value, ..fixed(&world, 0) };
            assert_eq!(reason(offer(&world, new).await), code);
        }
        let both = NewBounty { value: Some(500), ..share(&world, Some(5)) };
        assert_eq!(reason(offer(&world, both).await), "INVALID_VALUE");

        let backlog = offer(&world, share(&world, None)).await.unwrap();
        assert_eq!((backlog.reward.label(), backlog.spoken()), ("Backlog".into(), "SHP-1".into()));
        assert_eq!((backlog.expiry_days, backlog.mode), (14, ClaimMode::Single));
        let next = offer(&world, fixed(&world, 500_000)).await.unwrap();
        assert_eq!((next.reward.label(), next.spoken()), ("$5,000.00".into(), "SHP-2".into()));
        assert_eq!(
            world.issues.list_products(&world.admin, &Paging::default()).await.unwrap().items.len(),
            1
        );
        // Issues are counted on.
        let issue = world.file(&world.aibek, quittance_kernel::Severity::Low).await;
        assert_eq!(world.see(&world.aibek, issue).await.unwrap().view().number, "SHP-3");

        let change =
            |id, patch| world.issues.update_bounty(&world.admin, id, patch, Answer::forgotten());
        let none = BountyPatch { clear_value: true, ..BountyPatch::default() };
        assert_eq!(reason(change(next.id, none).await), "INVALID_VALUE");
        let small = BountyPatch { value: Some(1), ..BountyPatch::default() };
        assert_eq!(reason(change(next.id, small).await), "BELOW_MINIMUM");
        let pointed = BountyPatch { points: Some(3), ..BountyPatch::default() };
        assert_eq!(reason(change(next.id, pointed).await), "INVALID_POINTS");
        let valued = BountyPatch { value: Some(900), ..BountyPatch::default() };
        assert_eq!(reason(change(backlog.id, valued).await), "INVALID_VALUE");
        let stale = BountyPatch { version: 7, ..BountyPatch::default() };
        assert_eq!(reason(change(backlog.id, stale).await), "STALE_VERSION");
        assert_eq!(reason(claim(&world, &world.aibek, backlog.id).await), "BOUNTY_NOT_OPEN");
        let priced = BountyPatch { points: Some(50), ..BountyPatch::default() };
        assert_eq!(change(backlog.id, priced).await.unwrap().reward.label(), "50 pts");
        assert!(claim(&world, &world.aibek, backlog.id).await.is_ok());
        let priced = BountyPatch { points: Some(60), ..BountyPatch::default() };
        assert_eq!(reason(change(backlog.id, priced).await), "BOUNTY_CLAIMED");
        let closed =
            BountyPatch { status: Some(BountyStatus::Cancelled), ..BountyPatch::default() };
        assert_eq!(change(next.id, closed.clone()).await.unwrap().status, BountyStatus::Cancelled);
        let open = BountyPatch { status: Some(BountyStatus::Open), ..closed };
        assert_eq!(reason(change(next.id, open).await), "INVALID_TRANSITION");
        let spy = foreigner(&world.issues).await;
        assert_eq!(reason(world.issues.get_bounty(&spy, next.id).await), "BOUNTY_NOT_FOUND");
        assert_eq!(reason(claim(&world, &spy, backlog.id).await), "BOUNTY_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_draft_is_seen_by_admins_only() {
    for world in worlds().await {
        let draft = NewBounty { status: BountyStatus::Draft, ..share(&world, Some(5)) };
        let draft = offer(&world, draft).await.unwrap().id;
        let seen = |who| world.issues.get_bounty(who, draft);
        assert!(seen(&world.admin).await.is_ok());
        assert_eq!(reason(seen(&world.aibek).await), "BOUNTY_NOT_FOUND");
        assert_eq!(reason(claim(&world, &world.aibek, draft).await), "BOUNTY_NOT_FOUND");
        for (who, count) in [(&world.admin, 1), (&world.nazira, 0)] {
            let page =
                world.issues.list_bounties(who, world.product, None, &Paging::default()).await;
            assert_eq!(page.unwrap().items.len(), count);
        }
    }
}

#[tokio::test]
async fn a_single_bounty_is_held_by_one_until_the_claim_ends() {
    for world in worlds().await {
        let bounty = offer(&world, fixed(&world, 50_000)).await.unwrap().id;
        let (one, two) =
            tokio::join!(claim(&world, &world.aibek, bounty), claim(&world, &world.nazira, bounty));
        let (first, who, other, refused) = match (one, two) {
            (Ok(first), refused) => (first, &world.aibek, &world.nazira, refused),
            (refused, Ok(first)) => (first, &world.nazira, &world.aibek, refused),
            both => panic!("{both:?}"),
        };
        assert_eq!(reason(refused), "BOUNTY_CLAIMED");
        assert_eq!(reason(claim(&world, who, bounty).await), "ALREADY_CLAIMED");
        assert_eq!(reason(submit(&world, other, bounty).await), "BOUNTY_CLAIMED");
        let abandon = |who| world.issues.abandon_claim(who, bounty, first.id);
        assert_eq!(reason(abandon(other).await), "CLAIM_NOT_FOUND");
        assert_eq!(abandon(who).await.unwrap().state, ClaimState::Abandoned);
        assert_eq!(abandon(who).await.unwrap().version, 2);

        // Fourteen days after it was claimed somebody else may, whether it was swept or not.
        claim(&world, who, bounty).await.unwrap();
        assert_eq!(reason(claim(&world, &later(other, 13), bounty).await), "BOUNTY_CLAIMED");
        let shown = world.issues.get_bounty(&later(who, 14), bounty).await.unwrap();
        assert_eq!((shown.0.claims, shown.1.len()), (0, 2));
        let second = claim(&world, &later(other, 14), bounty).await.unwrap();
        assert_eq!(second.state, ClaimState::Active);
        let at = later(other, 29).now;
        assert_eq!(world.issues.expire_claims(at).await.unwrap(), 1);
        assert_eq!(world.issues.expire_claims(at).await.unwrap(), 0);
        let told = format!("SELECT count(*) FROM outbox WHERE kind = '{}'", kind::CLAIM_EXPIRED);
        assert_eq!(world.count(&told).await, 2);
    }
}

/// The second wall: rows that no code would write are refused by the database.
#[tokio::test]
async fn the_database_refuses_a_second_holder_of_a_single_bounty() {
    for world in worlds().await {
        let bounty = offer(&world, share(&world, Some(5))).await.unwrap().id;
        let first = claim(&world, &world.aibek, bounty).await.unwrap().id;
        let copy = format!(
            "INSERT INTO claims SELECT {}, organization_id, bounty_id, organization_id, 'submitted', \
             single, expires_at, issue_id, version, created_at, updated_at FROM claims",
            if world.db.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" },
        );
        let statement = Statement::from_string(world.db.backend(), copy);
        let refused = world.db.conn().execute_raw(statement).await.unwrap_err();
        assert!(refused.to_string().to_lowercase().contains("unique"), "{refused}");
        let shown = world.issues.get_bounty(&world.admin, bounty).await.unwrap().1;
        assert_eq!(shown.iter().map(|claim| claim.id).collect::<Vec<_>>(), [first]);
    }
}

#[tokio::test]
async fn a_multiple_bounty_pays_each_accepted_submission_up_to_its_number() {
    for world in worlds().await {
        let posts = NewBounty {
            mode: ClaimMode::Multiple,
            max_claims: Some(2),
            evidence: "a link".to_owned(),
            ..fixed(&world, 20_000)
        };
        let bounty = offer(&world, posts).await.unwrap().id;
        assert_eq!(reason(submit(&world, &world.aibek, bounty).await), "INVALID_FIELD");
        let post = |who: Ctx| {
            let issues = world.issues.clone();
            let (description, evidence) = ("A post".to_owned(), "https://example.org".to_owned());
            let new = NewSubmission { bounty, description, evidence, claim: None };
            async move { issues.submit(&who, new, Answer::forgotten()).await }
        };
        let first = post(world.aibek.clone()).await.unwrap().issue;
        assert_eq!(first.body, "A post\n\nEvidence:\nhttps://example.org");
        let second = post(world.aibek.clone()).await.unwrap().issue;
        assert_eq!(reason(post(world.nazira.clone()).await), "CLAIMS_EXHAUSTED");
        assert_eq!(reject(&world, second.id).await.unwrap().issue.status, IssueStatus::Open);
        let third = post(world.nazira.clone()).await.unwrap().issue;
        for issue in [first.id, third.id] {
            let done = approve(&world, issue, Extra::default()).await.unwrap();
            let amount = done.issue.review.amount().unwrap();
            assert_eq!((amount.minor(), done.issue.review.rule()), (20_000, Some("bounty SHP-1")));
            assert!(done.view().payable);
        }
        let (bounty, claims) = world.issues.get_bounty(&world.admin, bounty).await.unwrap();
        assert_eq!((bounty.status, bounty.claims), (BountyStatus::Closed, 2));
        let states: Vec<_> = claims.iter().map(|claim| claim.state.as_str()).collect();
        assert_eq!(states, ["accepted", "rejected", "accepted"]);
        // Who took part sees their own.
        let own = world.issues.get_bounty(&world.nazira, bounty.id).await.unwrap().1;
        assert_eq!(own.len(), 1);
    }
}

#[tokio::test]
async fn a_submission_is_decided_as_one_and_not_by_its_severity() {
    for world in worlds().await {
        let bounty = offer(&world, fixed(&world, 50_000)).await.unwrap().id;
        let handed_in = submit(&world, &world.aibek, bounty).await.unwrap();
        let (issue, view) = (handed_in.issue.clone(), handed_in.view());
        assert_eq!(view.suggestion.unwrap().amount.to_text(), "$500.00");
        assert_eq!((issue.bounty, view.number.as_str()), (Some(bounty), "SHP-2"));
        assert_eq!(reason(world.approve(&world.admin, issue.id).await), "BOUNTY_SUBMISSION");
        let inbox = world.issues.list_triage(&world.admin, &Paging::default()).await.unwrap();
        assert_eq!((inbox.issue_count, inbox.page.items.len()), (0, 0));
        let points = Extra { points: Some(5), tip: None };
        assert_eq!(reason(approve(&world, issue.id, points).await), "INVALID_POINTS");
        let target = Target::of(issue.id);
        let silent =
            world.issues.reject_submission(&world.admin, target, None, Answer::forgotten()).await;
        assert_eq!(reason(silent), "INVALID_FIELD");
        let own = submit(&world, &world.admin, bounty).await;
        assert_eq!(reason(own), "BOUNTY_CLAIMED");
        let tip = Extra { points: None, tip: Some(10_000) };
        let done = approve(&world, issue.id, tip).await.unwrap().issue;
        assert_eq!(done.review.amount().unwrap().minor(), 60_000);
        assert_eq!(done.review.rule(), Some("bounty SHP-1 with a tip of $100.00"));
        let facts = world.issues.pay_facts(&world.admin, &[issue.id]).await.unwrap();
        assert_eq!(facts[0].amount.unwrap().minor(), 60_000);
        let ordinary = world.file(&world.aibek, quittance_kernel::Severity::Low).await;
        assert_eq!(
            reason(approve(&world, ordinary, Extra::default()).await),
            "SUBMISSION_NOT_FOUND"
        );
        let again = approve(&world, issue.id, Extra::default()).await;
        assert_eq!(reason(again), "INVALID_TRANSITION");
    }
}

#[tokio::test]
async fn points_are_granted_for_good_and_the_pool_grows_when_it_is_full() {
    for world in worlds().await {
        let capacity = ProductPatch { capacity_points: Some(100), ..ProductPatch::default() };
        let answer = Answer::forgotten();
        world.issues.update_product(&world.admin, world.product, capacity, answer).await.unwrap();
        let mut granted = Vec::new();
        for (who, own, given) in
            [(&world.aibek, 50, None), (&world.nazira, 40, Some(45)), (&world.aibek, 30, None)]
        {
            let bounty = offer(&world, share(&world, Some(own))).await.unwrap().id;
            let issue = submit(&world, who, bounty).await.unwrap().issue.id;
            let tip = Extra { points: None, tip: Some(5) };
            assert_eq!(reason(approve(&world, issue, tip).await), "INVALID_VALUE");
            let done = approve(&world, issue, Extra { points: given, tip: None }).await.unwrap();
            assert_eq!(done.issue.review.points(), Some(given.unwrap_or(own)));
            assert_eq!(done.view().payout_status, PayoutStatus::Approved);
            assert_eq!(done.view().blocked_by, ["profit_share"]);
            granted.push(issue);
        }
        let pool = || world.issues.reward_pool(&world.aibek, world.product);
        let full = pool().await.unwrap();
        assert_eq!((full.capacity, full.granted, full.effective()), (100, 125, 125));
        let points: Vec<_> =
            full.standings.iter().map(|of| (of.name.as_str(), of.points)).collect();
        assert_eq!(points, [("Aibek", 80), ("Nazira", 45)]);
        assert_eq!((full.share_bps(80), full.share_bps(45)), (6_400, 3_600));
        let grown: Vec<_> = full.expansions.iter().map(|of| (of.before, of.after)).collect();
        assert_eq!(grown, [(100, 125)]);

        // Points are no amount: the sums of the cycle that they stand in are of money.
        let standing = quittance_kernel::CycleId(world.product.0);
        let sums = world.issues.cycle_totals(&world.admin, standing).await.unwrap();
        assert_eq!((sums.approved_unpaid.len(), sums.paid.len()), (0, 0));
        let preview = world.issues.preview_gate(&world.admin, standing, Some(true)).await.unwrap();
        assert!(preview.becomes_blocked.is_empty());

        // An approval that is taken back takes its points along.
        reject(&world, granted[2]).await.unwrap();
        let less = pool().await.unwrap();
        assert_eq!((less.granted, less.effective(), less.expansions.len()), (95, 100, 1));
        let open = world.set(&world.admin, granted[2], IssueStatus::WontFix, None).await;
        assert!(open.is_ok());
        let spy = foreigner(&world.issues).await;
        assert_eq!(
            reason(world.issues.reward_pool(&spy, world.product).await),
            "PRODUCT_NOT_FOUND"
        );
        let told = |kind: &str| format!("SELECT count(*) FROM outbox WHERE kind = '{kind}'");
        assert_eq!(world.count(&told(kind::POINTS_GRANTED)).await, 3);
        assert_eq!(world.count(&told(kind::POINTS_REVOKED)).await, 1);
    }
}
