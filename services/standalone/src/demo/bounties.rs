//! The demo organization of the bounty programme (S4): a board, work that is paid and work that waits,
//! a reward pool.

use anyhow::Context as _;
use quittance_chassis::grpc::{Caller, Client};
use quittance_proto::common::v1::Method;
use quittance_proto::issues::v1::bounty_service_client::BountyServiceClient;
use quittance_proto::issues::v1::product_service_client::ProductServiceClient;
use quittance_proto::issues::v1::{self as issues, BountyStatus, ClaimMode, RewardType};
use quittance_proto::payouts::v1::SetPayoutAccountRequest;
use quittance_proto::payouts::v1::payout_account_service_client::PayoutAccountServiceClient;

use super::data::{BOUNTIES, Gives, HandedIn, Offer};

/// Offers bounties, and has contributors hand in what the demo shows. What is approved is paid by the
/// sandbox, as their accounts say.
pub(super) async fn load(
    issues: &Client,
    payouts: &Client,
    founder: &Caller,
    contributors: &[Caller],
) -> anyhow::Result<()> {
    let mut products = ProductServiceClient::new(issues.clone());
    let request = issues::CreateProductRequest {
        name: "Aurora".to_owned(),
        key: "AUR".to_owned(),
        ..issues::CreateProductRequest::default()
    };
    let product = products.create_product(founder.request(request)).await?.into_inner().product;
    let product = product.context("no product")?.product_id;
    let mut accounts = PayoutAccountServiceClient::new(payouts.clone());
    for (at, contributor) in contributors.iter().enumerate() {
        let request = SetPayoutAccountRequest {
            method: Method::Stripe.into(),
            account_id: format!("acct_ok_demo{at}"),
            ..SetPayoutAccountRequest::default()
        };
        accounts.set_payout_account(contributor.request(request)).await?;
    }
    let mut desk = BountyServiceClient::new(issues.clone());
    for offer in &BOUNTIES {
        let bounty = offered(&mut desk, founder, &product, offer).await?;
        for (work, who) in offer.work.iter().zip(contributors.iter().cycle()) {
            handed_in(&mut desk, (founder, who), &bounty, *work).await?;
        }
    }
    Ok(())
}

async fn offered(
    desk: &mut BountyServiceClient<Client>,
    founder: &Caller,
    product: &str,
    offer: &Offer,
) -> anyhow::Result<String> {
    let (kind, value_minor, points) = match offer.gives {
        Gives::Cents(cents) => (RewardType::FixedPayment, Some(cents), None),
        Gives::Points(points) => (RewardType::ProfitShare, None, Some(points)),
        Gives::Backlog => (RewardType::ProfitShare, None, None),
    };
    let mode = if offer.room == 1 { ClaimMode::Single } else { ClaimMode::Multiple };
    let status = if offer.is_draft { BountyStatus::Draft } else { BountyStatus::Open };
    let request = issues::CreateBountyRequest {
        product_id: product.to_owned(),
        reward_type: kind.into(),
        title: offer.title.to_owned(),
        description: "What is done when it is done stands in the project's guide.".to_owned(),
        value_minor,
        points,
        claim_mode: mode.into(),
        max_claims: Some(offer.room),
        status: status.into(),
        ..issues::CreateBountyRequest::default()
    };
    let bounty = desk.create_bounty(founder.request(request)).await?.into_inner().bounty;
    Ok(bounty.context("no bounty")?.bounty_id)
}

async fn handed_in(
    desk: &mut BountyServiceClient<Client>,
    (founder, who): (&Caller, &Caller),
    bounty: &str,
    work: HandedIn,
) -> anyhow::Result<()> {
    let request = issues::CreateSubmissionRequest {
        bounty_id: bounty.to_owned(),
        description: "Done, with tests, and tried out on two devices.".to_owned(),
        ..issues::CreateSubmissionRequest::default()
    };
    let issue = desk.create_submission(who.request(request)).await?.into_inner().issue;
    let issue_id = issue.context("no issue")?.issue_id;
    match work {
        HandedIn::Waits => {}
        HandedIn::Approved => {
            let request = issues::ApproveSubmissionRequest {
                issue_id,
                ..issues::ApproveSubmissionRequest::default()
            };
            desk.approve_submission(founder.request(request)).await?;
        }
        HandedIn::Rejected => {
            let note = "It describes the version before the last.".to_owned();
            let request = issues::RejectSubmissionRequest {
                issue_id,
                note,
                ..issues::RejectSubmissionRequest::default()
            };
            desk.reject_submission(founder.request(request)).await?;
        }
    }
    Ok(())
}
