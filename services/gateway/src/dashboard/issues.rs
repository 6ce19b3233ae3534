//! All issues, and filing one.

use axum::extract::Query;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{Method, StatusCode};
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::form::{Typed, fresh_key};
use super::labels::{self, Badge, number};
use super::view::{Choice, Frame, Viewer, answer, done, html};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::some;

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    /// `1`: my reports.
    mine: String,
    cycle: String,
    status: String,
    payout: String,
    severity: String,
    q: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "issues.html")]
struct IssuesPage {
    frame: Frame,
    mine: bool,
    q: String,
    cycle: String,
    statuses: Vec<Choice>,
    payouts: Vec<Choice>,
    severities: Vec<Choice>,
    issues: Vec<Row>,
    next: Option<String>,
    files: bool,
    filtered: bool,
}

/// An issue in a list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) cycle: String,
    pub(super) reporter: String,
    pub(super) severity: Badge,
    pub(super) status: Badge,
    pub(super) payout: Badge,
    pub(super) amount: String,
    pub(super) suggested: String,
    pub(super) currency: String,
    pub(super) date: String,
    pub(super) typed: String,
    pub(super) refused: Option<String>,
}

impl Viewer {
    pub(super) fn row(&self, issue: wire::Issue) -> Row {
        let suggested = issue.suggested_amount.as_ref();
        Row {
            href: format!("/app/test-cycles/{}/issues/{}", issue.cycle_id, issue.issue_id),
            amount: self.money(issue.amount.as_ref()),
            suggested: self.money(suggested),
            currency: suggested.map(|money| money.currency_code.clone()).unwrap_or_default(),
            severity: labels::severity(issue.severity),
            status: labels::status(issue.status),
            payout: labels::payout(issue.payout_status),
            date: self.day(issue.create_time),
            id: issue.issue_id,
            number: issue.number,
            title: issue.title,
            cycle: issue.cycle_name,
            reporter: issue.reporter_name,
            typed: String::new(),
            refused: None,
        }
    }
}

impl Filter {
    fn message(&self, me: &str) -> wire::ListIssuesRequest {
        let mine = self.mine == "1";
        wire::ListIssuesRequest {
            page_size: 50,
            page_token: self.page_token.clone(),
            cycle_id: self.cycle.clone(),
            product_id: String::new(),
            reporter_id: if mine { me.to_owned() } else { String::new() },
            status: number(&self.status),
            payout_status: number(&self.payout),
            severity: number(&self.severity),
            query: self.q.trim().to_owned(),
        }
    }

    fn is_set(&self) -> bool {
        [&self.status, &self.payout, &self.severity, &self.q, &self.mine, &self.cycle]
            .into_iter()
            .any(|field| !field.is_empty())
    }
}

/// Lists what the viewer may see, the newest first.
pub(super) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let me = viewer.caller.ctx.member().to_string();
    let request = viewer.caller.request(filter.message(&me));
    let mut client = viewer.gateway.issues();
    let title = if filter.mine == "1" { "My reports" } else { "All issues" };
    let (frame, reply) = tokio::join!(viewer.frame(title), client.list_issues(request));
    let reply = reply?.into_inner();
    let next = some(reply.next_page_token);
    Ok(html(
        StatusCode::OK,
        &IssuesPage {
            frame,
            mine: filter.mine == "1",
            filtered: filter.is_set(),
            statuses: labels::statuses("any status", &filter.status),
            payouts: labels::payouts("any payout", &filter.payout),
            severities: labels::severities("any severity", &filter.severity),
            issues: reply.issues.into_iter().map(|issue| viewer.row(issue)).collect(),
            next,
            files: viewer.may(&Method::POST, "/app/issues/new"),
            q: filter.q,
            cycle: filter.cycle,
        },
    ))
}

#[derive(askama::Template)]
#[template(path = "new_issue.html")]
struct NewIssuePage {
    frame: Frame,
    key: String,
    cycles: Vec<Choice>,
    severities: Vec<Choice>,
    title: String,
    body: String,
}

async fn new_page(viewer: &Viewer, typed: &Typed, problem: Option<&Problem>) -> Response {
    let request = viewer.caller.request(wire::ListCyclesRequest {
        page_size: 200,
        status: wire::CycleStatus::Open.into(),
        ..wire::ListCyclesRequest::default()
    });
    let mut client = viewer.gateway.cycles();
    let (frame, cycles) =
        tokio::join!(viewer.frame("Report an issue"), client.list_cycles(request));
    let cycles = match cycles {
        Ok(reply) => reply.into_inner().cycles,
        Err(status) => return Problem::from(status).into_response(),
    };
    let chosen = typed.text("cycle");
    let page = NewIssuePage {
        frame: frame.with(problem),
        key: fresh_key(),
        cycles: cycles.iter().map(|of| Choice::new(&of.cycle_id, &of.name, chosen)).collect(),
        severities: labels::severities("choose one", typed.text("severity")),
        title: typed.text("title").to_owned(),
        body: typed.text("body").to_owned(),
    };
    answer(problem, &page)
}

/// Shows the form of a new issue.
pub(super) async fn new(viewer: Viewer, Query(filter): Query<Filter>) -> Response {
    new_page(&viewer, &Typed::of(&[("cycle", &filter.cycle)]), None).await
}

/// Files an issue. What was typed stays when it is refused.
pub(super) async fn file(viewer: Viewer, typed: Typed) -> Response {
    match filed(&viewer, &typed).await {
        Ok(path) => done(&path, "filed"),
        Err(problem) => new_page(&viewer, &typed, Some(&problem)).await,
    }
}

async fn filed(viewer: &Viewer, typed: &Typed) -> Result<String, Problem> {
    let key = typed.key()?;
    let message = wire::CreateIssueRequest {
        request_id: key.request_id(),
        cycle_id: typed.text("cycle").to_owned(),
        title: typed.text("title").to_owned(),
        body: typed.text("body").to_owned(),
        severity: number(typed.text("severity")),
        status: 0,
        attachments: Vec::new(),
    };
    let request = key.request(&viewer.caller, message);
    let reply = viewer.gateway.issues().create_issue(request).await?.into_inner();
    let issue = required(reply.issue, "issue")?;
    Ok(format!("/app/test-cycles/{}/issues/{}", issue.cycle_id, issue.issue_id))
}

/// Leads to the page of an issue of which only the id is known.
pub(super) async fn find(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    let request = viewer
        .caller
        .request(wire::GetIssueRequest { issue_id: id.to_string(), cycle_id: String::new() });
    let reply = viewer.gateway.issues().get_issue(request).await?.into_inner();
    let issue = required(reply.issue, "issue")?;
    let path = format!("/app/test-cycles/{}/issues/{}", issue.cycle_id, issue.issue_id);
    Ok(Redirect::to(&path).into_response())
}
