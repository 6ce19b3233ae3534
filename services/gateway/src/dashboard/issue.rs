//! One issue: its way to the payment, and the card where it is approved, verified and paid (S1-10 to S1-19).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_kernel::Role;
use quittance_proto::common::v1::{IssueStatus, PayoutStatus};
use quittance_proto::issues::v1 as wire;
use quittance_proto::payouts::v1 as payouts;
use uuid::Uuid;

use super::attachments::{self, Shown};
use super::cycles::gate_text;
use super::form::{Typed, fresh_key};
use super::issues::Row;
use super::labels::{manual_methods, number, reason};
use super::triage::Similar;
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{not_payable, some};
use crate::words::StageState;

const STEPS: &str = "/app/test-cycles/{id}/issues/{issueId}/{step}";
const GATE: &str = "gate_not_verified";

/// How often, and how far apart, it is looked for a payment to arrive at its issue.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

#[derive(askama::Template)]
#[template(path = "issue.html")]
struct IssuePage {
    frame: Frame,
    key: String,
    path: String,
    cycle_path: String,
    row: Row,
    body: String,
    stages: Vec<Stage>,
    gate: &'static str,
    version: i64,
    rule: Option<String>,
    decided: Option<String>,
    reason: Option<String>,
    resolved: Option<String>,
    paid_at: Option<String>,
    attachments: Vec<Shown>,
    similar: Vec<Similar>,
    card: Card,
    /// Work for a bounty is decided and paid on a page of its own.
    submission: Option<String>,
    methods: Vec<Choice>,
    typed_amount: String,
    typed_reason: String,
    typed_reference: String,
}

struct Stage {
    tone: &'static str,
    label: String,
    state: &'static str,
}

/// What the viewer may do next.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a part of the page that is there or not"
)]
struct Card {
    decides: bool,
    pays: bool,
    payable: bool,
    /// Why it cannot be paid.
    hints: Vec<String>,
    verifies: bool,
    reverts: bool,
}

fn stage(of: wire::Stage) -> Stage {
    let (tone, state) = match StageState::read(of.state) {
        Some(StageState::Done) => ("done", "done"),
        Some(StageState::Next) => ("next", "next"),
        Some(StageState::Todo) | None => ("todo", "to do"),
    };
    Stage { tone, state, label: of.label }
}

impl Viewer {
    fn card(&self, issue: &wire::Issue) -> Card {
        if !self.may(&Method::POST, STEPS) {
            return Card::default();
        }
        // A lead who reported it has no say in it; the service would refuse them.
        let own = issue.reporter_id == self.caller.ctx.member().to_string();
        let overseer = self.has(&[Role::Admin]);
        let money = issue.payout_status();
        let is_approved = money == PayoutStatus::Approved;
        let verified = matches!(issue.status(), IssueStatus::Verified);
        let waits = issue.blocked_by.iter().any(|reason| reason == GATE);
        let of_cycle = issue.bounty_id.is_empty();
        Card {
            decides: of_cycle && !own && money == PayoutStatus::Pending,
            pays: of_cycle && is_approved,
            payable: issue.payable,
            hints: issue.blocked_by.iter().map(|word| reason(word).to_owned()).collect(),
            verifies: is_approved && !verified && (waits || overseer),
            reverts: is_approved && verified,
        }
    }
}

async fn shown(
    viewer: &Viewer,
    (cycle, issue): (Uuid, Uuid),
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let one = viewer.caller.request(wire::GetIssueRequest {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
    });
    let alike =
        viewer.caller.request(wire::ListSimilarIssuesRequest { issue_id: issue.to_string() });
    let (mut first, mut second) = (viewer.gateway.issues(), viewer.gateway.issues());
    let asked = async { tokio::try_join!(first.get_issue(one), second.list_similar_issues(alike)) };
    let (frame, asked) = tokio::join!(viewer.frame("Issue"), asked);
    let (one, alike) = asked?;
    let issue = required(one.into_inner().issue, "issue")?;
    let cycle_path = format!("/app/test-cycles/{}", issue.cycle_id);
    let paid = PayoutStatus::Paid == issue.payout_status();
    let page = IssuePage {
        frame: Frame { title: format!("{} {}", issue.number, issue.title), ..frame }.with(problem),
        key: fresh_key(),
        path: format!("{cycle_path}/issues/{}", issue.issue_id),
        cycle_path,
        body: issue.body.clone(),
        stages: issue.pipeline.iter().cloned().map(stage).collect(),
        gate: gate_text(issue.effective_gate, issue.gate_source),
        version: issue.version,
        rule: some(issue.suggested_rule.clone()),
        decided: issue.decide_time.map(|time| viewer.minute(Some(time))),
        reason: some(issue.reason.clone()),
        resolved: issue.resolve_time.map(|time| viewer.minute(Some(time))),
        paid_at: issue.pay_time.filter(|_| paid).map(|time| viewer.minute(Some(time))),
        attachments: attachments::shown(&issue),
        similar: alike.into_inner().similar.into_iter().map(Similar::from).collect(),
        card: viewer.card(&issue),
        submission: (!issue.bounty_id.is_empty())
            .then(|| format!("/app/submissions/{}", issue.issue_id)),
        methods: manual_methods(typed.text("method")),
        typed_amount: typed.text("amount").to_owned(),
        typed_reason: typed.text("reason").to_owned(),
        typed_reference: typed.text("reference").to_owned(),
        row: viewer.row(issue),
    };
    Ok(answer(problem, &page))
}

/// Shows an issue.
pub(super) async fn page(
    viewer: Viewer,
    Segments(ids): Segments<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    shown(&viewer, ids, &Typed::default(), None).await
}

/// Takes one step with an issue. What was typed stays when it is refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments((cycle, issue, step)): Segments<(Uuid, Uuid, String)>,
    typed: Typed,
) -> Response {
    let taken = match step.as_str() {
        "approve" => approve(&viewer, cycle, issue, &typed).await.map(|()| "approved"),
        "reject" => reject(&viewer, cycle, issue, &typed).await.map(|()| "rejected"),
        "verify" => {
            let to = IssueStatus::Verified;
            moved(&viewer, cycle, issue, &typed, to).await.map(|()| "verified")
        }
        "revert" => {
            let to = IssueStatus::Triaged;
            moved(&viewer, cycle, issue, &typed, to).await.map(|()| "reverted")
        }
        "pay" => pay(&viewer, cycle, issue, &typed).await.map(|()| "paid"),
        _ => return Problem::not_found().into_response(),
    };
    match taken {
        Ok(notice) => done(&format!("/app/test-cycles/{cycle}/issues/{issue}"), notice),
        Err(problem) => shown(&viewer, (cycle, issue), &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

fn version(typed: &Typed) -> i64 {
    typed.text("version").parse().unwrap_or_default()
}

async fn approve(viewer: &Viewer, cycle: Uuid, issue: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::ApproveIssueRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        version: version(typed),
        amount: typed.amount("amount", typed.text("currency"), viewer.locale)?,
        reason: String::new(),
    };
    viewer.gateway.issues().approve_issue(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn reject(viewer: &Viewer, cycle: Uuid, issue: Uuid, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::RejectIssueRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        version: version(typed),
        reason: typed.text("reason").to_owned(),
    };
    viewer.gateway.issues().reject_issue(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn moved(
    viewer: &Viewer,
    cycle: Uuid,
    issue: Uuid,
    typed: &Typed,
    to: IssueStatus,
) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::SetIssueStatusRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        version: version(typed),
        status: to.into(),
        reason: typed.text("reason").to_owned(),
        duplicate_of: String::new(),
    };
    viewer.gateway.issues().set_issue_status(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn pay(viewer: &Viewer, cycle: Uuid, issue: Uuid, typed: &Typed) -> Result<(), Problem> {
    use payouts::pay_issue_response::Outcome;

    let key = typed.key()?;
    let message = payouts::PayIssueRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        method: number(typed.text("method")),
        reference: typed.text("reference").to_owned(),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.payouts().pay_issue(request).await?.into_inner();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(_) => {
            told(viewer, cycle, issue).await;
            Ok(())
        }
        Outcome::Refused(refused) => Err(not_payable(vec![refused], true)),
    }
}

/// An issue hears of its payment by an event. The page that follows waits a moment for it, so that it
/// does not show what was just paid as unpaid; the payment stands, however long that takes.
async fn told(viewer: &Viewer, cycle: Uuid, issue: Uuid) {
    for _ in 0..LOOKS {
        let request = viewer.caller.request(wire::GetIssueRequest {
            issue_id: issue.to_string(),
            cycle_id: cycle.to_string(),
        });
        let reply =
            viewer.gateway.issues().get_issue(request).await.map(|of| of.into_inner().issue);
        if let Ok(Some(issue)) = reply
            && issue.payout_status() == PayoutStatus::Paid
        {
            return;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_says_in_words_what_its_colour_says() {
        let of = |state: wire::StageState| {
            stage(wire::Stage { label: "Paid".into(), state: state.into(), ..Default::default() })
        };
        assert_eq!(of(wire::StageState::Done).state, "done");
        assert_eq!(of(wire::StageState::Next).tone, "next");
        assert_eq!(of(wire::StageState::Unspecified).state, "to do");
    }
}
