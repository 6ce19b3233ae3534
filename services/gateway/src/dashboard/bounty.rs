//! One bounty: what it asks for and gives, who works on it, and handing work in.

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_proto::issues::v1 as wire;
use uuid::Uuid;

use super::bounties::{Card, PAGE};
use super::form::{Typed, fresh_key};
use super::labels::{self, Badge};
use super::view::{Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{Names, names, some};

const STEPS: &str = "/app/bounties/{id}/{step}";

#[derive(askama::Template)]
#[template(path = "bounty.html")]
struct BountyPage {
    frame: Frame,
    key: String,
    card: Card,
    product: String,
    kind: &'static str,
    description: String,
    evidence: String,
    days: String,
    claims: Vec<Claim>,
    edits: bool,
    /// The viewer's claim that still runs.
    own: Option<Claim>,
    may_claim: bool,
    may_submit: bool,
    typed_description: String,
    typed_evidence: String,
}

/// One member's reservation.
#[derive(Clone)]
struct Claim {
    id: String,
    who: String,
    status: Badge,
    expires: String,
    issue: Option<String>,
}

impl Viewer {
    fn claim(&self, of: &wire::Claim, names: &Names) -> Claim {
        let me = self.caller.ctx.member().to_string();
        Claim {
            id: of.claim_id.clone(),
            who: if of.member_id == me {
                "You".to_owned()
            } else {
                super::fields::name(names, &of.member_id)
            },
            status: labels::claim_status(of.status),
            expires: self.minute(of.expire_time),
            issue: some(of.issue_id.clone()),
        }
    }
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    // Members do not list each other; their own claim is theirs without a name.
    let people = async { names(&viewer.gateway, &viewer.caller).await.unwrap_or_default() };
    let (frame, bounty, names) = tokio::join!(viewer.frame("Bounty"), viewer.bounty(id), people);
    let bounty = bounty?;
    let me = viewer.caller.ctx.member().to_string();
    let active = |of: &&wire::Claim| of.member_id == me && of.status() == wire::ClaimStatus::Active;
    let own = bounty.claims.iter().find(active).map(|of| viewer.claim(of, &names));
    let backlog = bounty.value.is_none() && bounty.points.is_none();
    let offered = bounty.status() == wire::BountyStatus::Open && !backlog;
    let acts = offered && viewer.may(&Method::POST, STEPS);
    let title = format!("{} {}", bounty.number, bounty.title);
    let page = BountyPage {
        frame: Frame { title, ..frame }.with(problem),
        key: fresh_key(),
        card: viewer.bounty_card(&bounty),
        kind: match bounty.reward_type() {
            wire::RewardType::FixedPayment => "fixed payment, paid when the work is approved",
            wire::RewardType::ProfitShare | wire::RewardType::Unspecified => {
                "profit share: points are a lasting share of the reward pool"
            }
        },
        days: viewer.locale.counted(bounty.claim_expiry_days, "day"),
        claims: bounty.claims.iter().map(|of| viewer.claim(of, &names)).collect(),
        edits: viewer.may(&Method::POST, "/app/bounties/{id}/edit")
            && matches!(bounty.status(), wire::BountyStatus::Draft | wire::BountyStatus::Open),
        may_claim: acts && own.is_none(),
        may_submit: acts,
        own,
        typed_description: typed.text("description").to_owned(),
        typed_evidence: typed.text("evidence").to_owned(),
        product: bounty.product_id,
        description: bounty.description,
        evidence: bounty.evidence_description,
    };
    Ok(answer(problem, &page))
}

/// Shows a bounty.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None).await
}

/// Takes one step of whoever works on it. What was typed stays when it is refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments((id, step)): Segments<(Uuid, String)>,
    typed: Typed,
) -> Response {
    let here = format!("{PAGE}/{id}");
    let taken = match step.as_str() {
        "claim" => claim(&viewer, id, &typed).await.map(|()| (here, "claimed")),
        "abandon" => abandon(&viewer, id, &typed).await.map(|()| (here, "abandoned")),
        "submit" => submit(&viewer, id, &typed)
            .await
            .map(|issue| (format!("/app/submissions/{issue}"), "handed-in")),
        _ => return Problem::not_found().into_response(),
    };
    match taken {
        Ok((path, notice)) => done(&path, notice),
        Err(problem) => shown(&viewer, id, &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn claim(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message =
        wire::CreateClaimRequest { request_id: key.request_id(), bounty_id: id.to_string() };
    viewer.gateway.bounties().create_claim(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn abandon(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let request = viewer.caller.request(wire::DeleteClaimRequest {
        bounty_id: id.to_string(),
        claim_id: typed.id("claim")?.to_string(),
    });
    viewer.gateway.bounties().delete_claim(request).await?;
    Ok(())
}

async fn submit(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let message = wire::CreateSubmissionRequest {
        request_id: key.request_id(),
        bounty_id: id.to_string(),
        description: typed.text("description").to_owned(),
        evidence: typed.text("evidence").to_owned(),
        claim_id: String::new(),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.bounties().create_submission(request).await?.into_inner();
    Ok(required(reply.issue, "issue")?.issue_id)
}
