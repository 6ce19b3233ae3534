//! The triage inbox: a list, the issue at hand beside it, and five keys (S0-73, S0-74, S0-77).

use std::borrow::Cow;

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use wire::triage_decision::Decision;

use super::attachments::{self, Shown};
use super::form::{Typed, fresh_key};
use super::issues::Row;
use super::view::{Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::some;

const PAGE: &str = "/app/admin/triage";

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    issue: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "triage.html")]
struct TriagePage {
    frame: Frame,
    issue_count: String,
    cycle_count: String,
    rows: Vec<Row>,
    page_token: String,
    next_page: Option<String>,
    open: Option<Open>,
}

/// The issue at hand.
struct Open {
    key: String,
    row: Row,
    body: String,
    rule: String,
    previous: Option<String>,
    next: Option<String>,
    /// Where to go on after the decision.
    then: String,
    attachments: Vec<Shown>,
    similar: Vec<Similar>,
    amount: String,
    reason: String,
}

pub(super) struct Similar {
    pub(super) href: String,
    pub(super) number: String,
    pub(super) title: String,
}

impl From<wire::SimilarIssue> for Similar {
    fn from(of: wire::SimilarIssue) -> Self {
        Self {
            href: format!("/app/test-cycles/{}/issues/{}", of.cycle_id, of.issue_id),
            number: of.number,
            title: of.title,
        }
    }
}

/// Shows the inbox.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    shown(&viewer, &asked, &Typed::default(), None).await
}

async fn shown(
    viewer: &Viewer,
    asked: &Asked,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request = viewer
        .caller
        .request(wire::ListTriageRequest { page_size: 50, page_token: asked.page_token.clone() });
    let mut client = viewer.gateway.issues();
    let (frame, inbox) = tokio::join!(viewer.frame("Triage"), client.list_triage(request));
    let inbox = inbox?.into_inner();
    let at = inbox.issues.iter().position(|issue| issue.issue_id == asked.issue).unwrap_or(0);
    let neighbour = |at: Option<usize>| {
        let issue = inbox.issues.get(at?)?;
        Some(link(&issue.issue_id, &asked.page_token))
    };
    let (previous, next) = (neighbour(at.checked_sub(1)), neighbour(at.checked_add(1)));
    let open = match inbox.issues.get(at) {
        Some(issue) => Some(viewer.open(issue, previous, next, typed).await?),
        None => None,
    };
    let page = TriagePage {
        frame: frame.with(problem),
        issue_count: viewer.locale.counted(inbox.issue_count, "untriaged issue"),
        cycle_count: viewer.locale.counted(inbox.cycle_count, "cycle"),
        rows: inbox.issues.into_iter().map(|issue| viewer.row(issue)).collect(),
        page_token: asked.page_token.clone(),
        next_page: some(inbox.next_page_token),
        open,
    };
    Ok(answer(problem, &page))
}

fn link(issue: &str, page_token: &str) -> String {
    if page_token.is_empty() {
        format!("{PAGE}?issue={issue}")
    } else {
        format!("{PAGE}?issue={issue}&pageToken={page_token}")
    }
}

impl Viewer {
    async fn open(
        &self,
        issue: &wire::Issue,
        previous: Option<String>,
        next: Option<String>,
        typed: &Typed,
    ) -> Result<Open, Problem> {
        let issue_id = issue.issue_id.clone();
        let one = self.caller.request(wire::GetIssueRequest {
            issue_id: issue_id.clone(),
            cycle_id: issue.cycle_id.clone(),
        });
        let alike = self.caller.request(wire::ListSimilarIssuesRequest { issue_id });
        let (mut first, mut second) = (self.gateway.issues(), self.gateway.issues());
        let (one, alike) =
            tokio::try_join!(first.get_issue(one), second.list_similar_issues(alike))?;
        let issue = required(one.into_inner().issue, "issue")?;
        let then = next.clone().or_else(|| previous.clone()).unwrap_or_else(|| PAGE.to_owned());
        Ok(Open {
            key: fresh_key(),
            body: issue.body.clone(),
            rule: issue.suggested_rule.clone(),
            attachments: attachments::shown(&issue),
            row: self.row(issue),
            previous,
            next,
            then,
            similar: alike.into_inner().similar.into_iter().map(Similar::from).collect(),
            amount: typed.text("amount").to_owned(),
            reason: typed.text("reason").to_owned(),
        })
    }
}

/// Decides the issue at hand, and goes on to the next one.
pub(super) async fn decide(viewer: Viewer, typed: Typed) -> Response {
    let approves = typed.text("decision") != "reject";
    match decided(&viewer, &typed, approves).await {
        Ok(()) => {
            let then = typed.text("then");
            let then = if then.starts_with(PAGE) { then } else { PAGE };
            done(then, if approves { "approved" } else { "rejected" })
        }
        Err(problem) => {
            let asked = Asked {
                issue: typed.text("issue").to_owned(),
                page_token: typed.text("pageToken").to_owned(),
            };
            shown(&viewer, &asked, &typed, Some(&problem))
                .await
                .unwrap_or_else(IntoResponse::into_response)
        }
    }
}

async fn decided(viewer: &Viewer, typed: &Typed, approves: bool) -> Result<(), Problem> {
    let key = typed.key()?;
    let decision = if approves {
        let amount = typed.amount("amount", typed.text("currency"), viewer.locale)?;
        Decision::Approve(wire::TriageApproval { amount })
    } else {
        if !typed.has("reason") {
            return Err(Problem::required("reason"));
        }
        Decision::Reject(wire::TriageRejection { reason: typed.text("reason").to_owned() })
    };
    let decision =
        wire::TriageDecision { issue_id: typed.text("issue").to_owned(), decision: Some(decision) };
    let message =
        wire::DecideTriageRequest { request_id: key.request_id(), decisions: vec![decision] };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.issues().decide_triage(request).await?.into_inner();
    match reply.results.into_iter().find(|result| !result.ok) {
        Some(result) => Err(refused(result)),
        None => Ok(()),
    }
}

/// One decision of several that was refused.
pub(super) fn refused(result: wire::TriageResult) -> Problem {
    let mut problem = Problem::new(StatusCode::CONFLICT, "NOT_DECIDED", result.detail);
    if !result.code.is_empty() {
        problem.code = Cow::Owned(result.code);
    }
    problem
}
