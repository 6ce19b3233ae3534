use std::pin::Pin;

use futures_util::{Stream, stream};
use quittance_chassis::grpc::{caller, detached};
use quittance_kernel::{Ctx, IssueId, IssueStatus};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::issue_service_server::IssueService;
use tonic::{Request, Response, Status};

use super::once::Once;
use super::{convert, parse, triage, verify};
use crate::app::{IssueDetail, IssueFilter, Issues, NewIssue, Paging};
use crate::domain::text::{FieldError, reason};
use crate::error::Error;

fn new_issue(message: &proto::CreateIssueRequest) -> Result<NewIssue, Error> {
    let missing = || FieldError::new("severity", "must be given");
    Ok(NewIssue {
        cycle: parse::id("cycle_id", &message.cycle_id)?,
        title: message.title.clone(),
        body: message.body.clone(),
        severity: parse::severity("severity", message.severity)?.ok_or_else(missing)?,
        status: parse::status("status", message.status)?.unwrap_or(IssueStatus::Open),
        links: message
            .attachments
            .iter()
            .map(|link| (link.url.clone(), link.name.clone()))
            .collect(),
    })
}

fn filter(message: &proto::ListIssuesRequest) -> Result<IssueFilter, Error> {
    Ok(IssueFilter {
        cycle: parse::optional_id("cycle_id", &message.cycle_id)?,
        product: parse::optional_id("product_id", &message.product_id)?,
        reporter: parse::optional_id("reporter_id", &message.reporter_id)?,
        status: parse::status("status", message.status)?,
        payout_status: parse::payout_status("payout_status", message.payout_status)?,
        severity: parse::severity("severity", message.severity)?,
        words: parse::words("query", &message.query)?,
    })
}

/// The next message of a stream of snapshots, and where the one after it begins. Bodies are left
/// out: no projection needs them, and they would not fit.
async fn snapshot(
    (issues, ctx, after): (Issues, Ctx, Option<IssueId>),
) -> Result<Option<(proto::StreamSnapshotsResponse, (Issues, Ctx, Option<IssueId>))>, Status> {
    let mut page = issues.snapshots(&ctx, after).await?;
    let Some(last) = page.last().map(|last| last.issue.id) else { return Ok(None) };
    for detail in &mut page {
        detail.issue.body.clear();
    }
    let message = proto::StreamSnapshotsResponse { issues: convert::issues(&page) };
    Ok(Some((message, (issues, ctx, Some(last)))))
}

#[tonic::async_trait]
impl IssueService for Issues {
    async fn create_issue(
        &self,
        request: Request<proto::CreateIssueRequest>,
    ) -> Result<Response<proto::CreateIssueResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = new_issue(&message)?;
        let once = Once::new(self, &ctx, "CreateIssue", message)?;
        detached(once.run(
            |issue| proto::CreateIssueResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { issues.create_issue(&ctx, new, answer).await }
            },
        ))
        .await
    }

    async fn get_issue(
        &self,
        request: Request<proto::GetIssueRequest>,
    ) -> Result<Response<proto::GetIssueResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let id = parse::id("issue_id", &message.issue_id)?;
        let cycle = parse::optional_id("cycle_id", &message.cycle_id)?;
        let issue = self.get_whole_issue(&ctx, id, cycle).await?;
        Ok(Response::new(proto::GetIssueResponse { issue: Some(convert::issue(&issue)) }))
    }

    async fn list_issues(
        &self,
        request: Request<proto::ListIssuesRequest>,
    ) -> Result<Response<proto::ListIssuesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let filter = filter(&message)?;
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = Issues::list_issues(self, &ctx, &filter, &paging).await?;
        let issues = convert::issues(&page.items);
        Ok(Response::new(proto::ListIssuesResponse { issues, next_page_token: page.next }))
    }

    async fn set_issue_status(
        &self,
        request: Request<proto::SetIssueStatusRequest>,
    ) -> Result<Response<proto::SetIssueStatusResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let target = parse::target(&message.issue_id, &message.cycle_id, message.version)?;
        let missing = || Error::from(FieldError::new("status", "must be given"));
        let to = parse::status("status", message.status)?.ok_or_else(missing)?;
        let reason = reason("reason", &message.reason).map_err(Error::from)?;
        let original = parse::original(to, &message.duplicate_of)?;
        let once = Once::new(self, &ctx, "SetIssueStatus", message)?;
        detached(once.run(
            |issue| proto::SetIssueStatusResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| {
                let reason = reason.clone();
                async move {
                    match original {
                        None => issues.set_status(&ctx, target, to, reason, answer).await,
                        Some(original) => {
                            issues.end_as_duplicate(&ctx, target, original, reason, answer).await
                        }
                    }
                }
            },
        ))
        .await
    }

    async fn approve_issue(
        &self,
        request: Request<proto::ApproveIssueRequest>,
    ) -> Result<Response<proto::ApproveIssueResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let target = parse::target(&message.issue_id, &message.cycle_id, message.version)?;
        let amount = parse::money("amount", message.amount.as_ref())?;
        let reason = reason("reason", &message.reason).map_err(Error::from)?;
        let once = Once::new(self, &ctx, "ApproveIssue", message)?;
        detached(once.run(
            |issue: &IssueDetail| proto::ApproveIssueResponse {
                issue: Some(convert::issue(issue)),
            },
            move |issues, ctx, answer| {
                let reason = reason.clone();
                async move { issues.approve(&ctx, target, amount, reason, answer).await }
            },
        ))
        .await
    }

    async fn reject_issue(
        &self,
        request: Request<proto::RejectIssueRequest>,
    ) -> Result<Response<proto::RejectIssueResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let target = parse::target(&message.issue_id, &message.cycle_id, message.version)?;
        let reason = reason("reason", &message.reason).map_err(Error::from)?;
        let once = Once::new(self, &ctx, "RejectIssue", message)?;
        detached(once.run(
            |issue| proto::RejectIssueResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| {
                let reason = reason.clone();
                async move { issues.reject(&ctx, target, reason, answer).await }
            },
        ))
        .await
    }

    async fn list_triage(
        &self,
        request: Request<proto::ListTriageRequest>,
    ) -> Result<Response<proto::ListTriageResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListTriageRequest { page_size, page_token } = request.into_inner();
        let paging = Paging { size: page_size, token: page_token };
        let inbox = Issues::list_triage(self, &ctx, &paging).await?;
        Ok(Response::new(proto::ListTriageResponse {
            issues: convert::issues(&inbox.page.items),
            next_page_token: inbox.page.next,
            issue_count: inbox.issue_count,
            cycle_count: inbox.cycle_count,
        }))
    }

    async fn decide_triage(
        &self,
        request: Request<proto::DecideTriageRequest>,
    ) -> Result<Response<proto::DecideTriageResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let judgements = parse::judgements(&message.decisions)?;
        Issues::check_triage(&judgements)?;
        let key = message.request_id.clone();
        let once = Once::new(self, &ctx, "DecideTriage", message)?;
        detached(once.run(triage::reply, move |issues, ctx, answer| {
            triage::decide(issues, ctx, key.clone(), judgements.clone(), answer)
        }))
        .await
    }

    async fn bulk_verify(
        &self,
        request: Request<proto::BulkVerifyRequest>,
    ) -> Result<Response<proto::BulkVerifyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let ids = parse::ids("issue_ids", &message.issue_ids)?;
        Issues::check_bulk_verify(&ids)?;
        let key = message.request_id.clone();
        let once = Once::new(self, &ctx, "BulkVerify", message)?;
        detached(once.run(verify::reply, move |issues, ctx, answer| {
            verify::verify(issues, ctx, key.clone(), ids.clone(), answer)
        }))
        .await
    }

    async fn list_similar_issues(
        &self,
        request: Request<proto::ListSimilarIssuesRequest>,
    ) -> Result<Response<proto::ListSimilarIssuesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("issue_id", &request.get_ref().issue_id)?;
        let similar = self.similar_issues(&ctx, id).await?;
        let similar = similar.iter().map(convert::similar).collect();
        Ok(Response::new(proto::ListSimilarIssuesResponse { similar }))
    }

    async fn list_pending_review(
        &self,
        request: Request<proto::ListPendingReviewRequest>,
    ) -> Result<Response<proto::ListPendingReviewResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListPendingReviewRequest { page_size, page_token } = request.into_inner();
        let paging = Paging { size: page_size, token: page_token };
        let pending = Issues::list_pending_review(self, &ctx, &paging).await?;
        Ok(Response::new(proto::ListPendingReviewResponse {
            issues: convert::issues(&pending.page.items),
            next_page_token: pending.page.next,
            total_count: pending.total,
        }))
    }

    async fn batch_get_pay_facts(
        &self,
        request: Request<proto::BatchGetPayFactsRequest>,
    ) -> Result<Response<proto::BatchGetPayFactsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let ids = parse::ids("issue_ids", &request.get_ref().issue_ids)?;
        let facts = self.pay_facts(&ctx, &ids).await?;
        let facts = facts.iter().map(convert::fact).collect();
        Ok(Response::new(proto::BatchGetPayFactsResponse { facts }))
    }

    type StreamSnapshotsStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamSnapshotsResponse, Status>> + Send>>;

    async fn stream_snapshots(
        &self,
        request: Request<proto::StreamSnapshotsRequest>,
    ) -> Result<Response<Self::StreamSnapshotsStream>, Status> {
        let ctx = caller(&request)?.ctx;
        let after = parse::optional_id("after_issue_id", &request.get_ref().after_issue_id)?;
        let messages = stream::try_unfold((self.clone(), ctx, after), snapshot);
        Ok(Response::new(Box::pin(messages)))
    }
}
