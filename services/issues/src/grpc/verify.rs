//! Verifying many issues in one request, each remembered by itself, as the decisions of a triage are.

use prost::Message as _;
use quittance_chassis::db::{Entry, Idempotency};
use quittance_kernel::{Ctx, IssueId};
use quittance_proto::issues::v1 as proto;
use uuid::Uuid;

use super::convert;
use super::triage::{denied, leave, recall};
use crate::app::{Answer, IssueDetail, Issues, Outcome};
use crate::error::Error;

/// As audit rows name the method.
const VERIFY: &str = "/quittance.issues.v1.IssueService/BulkVerify";

/// What became of the issues, as they are answered.
pub(super) type Results = Vec<proto::VerifyResult>;

pub(super) fn reply(results: &Results) -> proto::BulkVerifyResponse {
    proto::BulkVerifyResponse { results: results.clone() }
}

/// Verifies one issue after the other, each in a transaction of its own.
pub(super) async fn verify(
    issues: Issues,
    ctx: Ctx,
    request_id: String,
    ids: Vec<IssueId>,
    answer: Answer<Results>,
) -> Result<Results, Error> {
    let mut results = Vec::with_capacity(ids.len());
    let mut denials = Vec::new();
    for id in ids {
        let (result, denial) = verify_one(&issues, &ctx, &request_id, id).await?;
        results.push(result);
        denials.extend(denial);
    }
    leave(&issues, &ctx, answer.row(&ctx, &results), denials).await?;
    Ok(results)
}

async fn verify_one(
    issues: &Issues,
    ctx: &Ctx,
    request_id: &str,
    issue: IssueId,
) -> Result<(proto::VerifyResult, Option<Entry>), Error> {
    let key = part(request_id, issue)?;
    if let Some(known) = recall(issues, ctx, key.as_ref()).await? {
        return Ok((known, None));
    }
    let answer = match &key {
        Some(key) => Answer::remembered(key.clone(), |done| verified(done).encode_to_vec()),
        None => Answer::forgotten(),
    };
    match issues.verify(ctx, issue, answer).await {
        Ok(done) => Ok((verified(&done), None)),
        // The same request may be under way a second time and have been faster here.
        Err(error) => {
            if let Some(known) = recall(issues, ctx, key.as_ref()).await? {
                return Ok((known, None));
            }
            let denial = denied(issue, VERIFY, &error);
            Ok((refused(&Outcome::refused(issue, error)?), denial))
        }
    }
}

/// The key of one issue; none if the request has none.
fn part(request_id: &str, issue: IssueId) -> Result<Option<Idempotency>, Error> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let name = format!("{request_id}/{issue}");
    let key = format!("verify/{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
    Ok(Idempotency::new(&key, "BulkVerify/issue", issue.to_string().as_bytes())?)
}

fn verified(detail: &IssueDetail) -> proto::VerifyResult {
    let issue = convert::issue(detail);
    proto::VerifyResult {
        issue_id: issue.issue_id,
        ok: true,
        resolve_time: issue.resolve_time,
        verified_by: issue.verified_by,
        payable: issue.payable,
        version: issue.version,
        ..proto::VerifyResult::default()
    }
}

fn refused(outcome: &Outcome) -> proto::VerifyResult {
    let proto::TriageResult { issue_id, code, detail, .. } = convert::outcome(outcome);
    proto::VerifyResult { issue_id, code, detail, ..proto::VerifyResult::default() }
}
