//! Issues: filing them, reading them, moving and deciding them.

mod change;
mod filter;

use axum::Json;
use axum::extract::State;
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use tonic::metadata::MetadataMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::attachments::NewLink;
use crate::rest::issue::Issue;
use crate::rest::shapes::Page;
use crate::rest::{similar, verify};
use crate::state::Gateway;
use crate::words::{IssueStatus, Severity};

pub(super) use change::amount;
use change::{Change, IssueChange, Target};
use filter::{CycleIssueFilter, IssueFilter};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_of_cycle, file))
        .routes(routes!(one, change))
        .merge(verify::routes())
        .merge(similar::routes())
}

/// Lists all issues that the caller may see, the newest first.
#[utoipa::path(
    get,
    path = "/api/issues",
    operation_id = "listIssues",
    tag = "issues",
    params(IssueFilter),
    responses((status = 200, body = Page<Issue>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<IssueFilter>,
) -> Result<Json<Page<Issue>>, Problem> {
    page(&caller, &gateway, filter.message()).await
}

/// Lists the issues of one cycle, the newest first.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/issues",
    operation_id = "listCycleIssues",
    tag = "issues",
    params(("id" = Uuid, Path), CycleIssueFilter),
    responses((status = 200, body = Page<Issue>))
)]
async fn list_of_cycle(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(cycle): Segments<Uuid>,
    Params(filter): Params<CycleIssueFilter>,
) -> Result<Json<Page<Issue>>, Problem> {
    page(&caller, &gateway, filter.message(cycle)).await
}

async fn page(
    caller: &Caller,
    gateway: &Gateway,
    message: wire::ListIssuesRequest,
) -> Result<Json<Page<Issue>>, Problem> {
    let reply = gateway.issues().list_issues(caller.request(message)).await?.into_inner();
    Ok(Json(Page::of(reply.issues, reply.next_page_token)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewIssue {
    title: String,
    body: Option<String>,
    severity: Severity,
    /// `draft` or `open`; `open` when absent.
    status: Option<IssueStatus>,
    /// Links to what shows the defect, at most 10. Files are uploaded once there is the issue.
    #[serde(default)]
    attachments: Vec<NewLink>,
}

/// Files an issue in an open cycle, as a draft or open.
#[utoipa::path(
    post,
    path = "/api/test-cycles/{id}/issues",
    operation_id = "fileIssue",
    tag = "issues",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewIssue,
    responses((status = 201, body = Issue))
)]
async fn file(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(cycle): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<NewIssue>,
) -> Result<Reply<Issue>, Problem> {
    let message = wire::CreateIssueRequest {
        request_id: key.request_id(),
        cycle_id: cycle.to_string(),
        title: body.title,
        body: body.body.unwrap_or_default(),
        severity: body.severity.number(),
        status: body.status.map(IssueStatus::number).unwrap_or_default(),
        attachments: body.attachments.into_iter().map(NewLink::message).collect(),
    };
    let reply = gateway.issues().create_issue(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let issue = Issue::from(required(reply.issue, "issue")?);
    let location = format!("/api/test-cycles/{cycle}/issues/{}", issue.id.as_str());
    let version = issue.version;
    Ok(Reply::created(&location, issue).version(version).remembered(&metadata))
}

/// Gets an issue with its way to the payment.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/issues/{issueId}",
    operation_id = "getIssue",
    tag = "issues",
    params(("id" = Uuid, Path), ("issueId" = Uuid, Path)),
    responses((status = 200, body = Issue))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue)): Segments<(Uuid, Uuid)>,
) -> Result<Reply<Issue>, Problem> {
    let request = caller.request(wire::GetIssueRequest {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
    });
    let reply = gateway.issues().get_issue(request).await?.into_inner();
    shown(reply.issue, &MetadataMap::new())
}

fn shown(issue: Option<wire::Issue>, metadata: &MetadataMap) -> Result<Reply<Issue>, Problem> {
    let issue = Issue::from(required(issue, "issue")?);
    let version = issue.version;
    Ok(Reply::ok(issue).version(version).remembered(metadata))
}

/// Moves the status of an issue, or approves or rejects its payment: one of the two at a time.
#[utoipa::path(
    patch,
    path = "/api/test-cycles/{id}/issues/{issueId}",
    operation_id = "updateIssue",
    tag = "issues",
    params(
        ("id" = Uuid, Path),
        ("issueId" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = IssueChange,
    responses((status = 200, body = Issue))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue)): Segments<(Uuid, Uuid)>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<IssueChange>,
) -> Result<Reply<Issue>, Problem> {
    let stale = |status| Problem::from(status).of_version(version);
    let target = Target { request_id: key.request_id(), cycle, issue, version };
    let mut issues = gateway.issues();
    match body.change(target)? {
        Change::Move(message) => {
            let request = key.request(&caller, message);
            let reply = issues.set_issue_status(request).await.map_err(stale)?;
            let (metadata, reply, _) = reply.into_parts();
            shown(reply.issue, &metadata)
        }
        Change::Approve(message) => {
            let request = key.request(&caller, message);
            let reply = issues.approve_issue(request).await.map_err(stale)?;
            let (metadata, reply, _) = reply.into_parts();
            shown(reply.issue, &metadata)
        }
        Change::Reject(message) => {
            let request = key.request(&caller, message);
            let reply = issues.reject_issue(request).await.map_err(stale)?;
            let (metadata, reply, _) = reply.into_parts();
            shown(reply.issue, &metadata)
        }
    }
}
