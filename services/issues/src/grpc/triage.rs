//! A triage: many decisions in one request, each remembered by itself.
//!
//! A request that is sent again after a crash in its middle must not trip over its own first half.
//! So each decision leaves its result in its own transaction, under a key made of the request's key
//! and the issue; the whole answer is stored at the end.

use prost::Message;
use quittance_chassis::audit::{denial, is_denial};
use quittance_chassis::db::{Entry, Idempotency, Insert, Journal, WriteSet};
use quittance_chassis::problem::Problem as _;
use quittance_kernel::{Ctx, IssueId};
use quittance_proto::issues::v1 as proto;
use uuid::Uuid;

use super::convert;
use crate::app::{Answer, Issues, Judgement, Outcome};
use crate::error::{Error, StoreError};

/// As audit rows name the method.
const DECIDE: &str = "/quittance.issues.v1.IssueService/DecideTriage";

/// What became of the decisions, as they are answered.
pub(super) type Results = Vec<proto::TriageResult>;

pub(super) fn reply(results: &Results) -> proto::DecideTriageResponse {
    proto::DecideTriageResponse { results: results.clone() }
}

/// Decides one issue after the other, each in a transaction of its own.
pub(super) async fn decide(
    issues: Issues,
    ctx: Ctx,
    request_id: String,
    judgements: Vec<Judgement>,
    answer: Answer<Results>,
) -> Result<Results, Error> {
    let mut results = Vec::with_capacity(judgements.len());
    let mut denials = Vec::new();
    for judgement in judgements {
        let (result, denial) = decide_one(&issues, &ctx, &request_id, judgement).await?;
        results.push(result);
        denials.extend(denial);
    }
    leave(&issues, &ctx, answer.row(&ctx, &results), denials).await?;
    Ok(results)
}

/// The audit row of a part that was refused (rule 16). The edge sees only the request as a whole,
/// which was answered.
pub(super) fn denied(issue: IssueId, method: &str, error: &Error) -> Option<Entry> {
    is_denial(error.code()).then(|| denial("issue", issue.0, method, error.reason()))
}

/// Writes what is left to write when all parts are done: the answer, and what was refused.
pub(super) async fn leave(
    issues: &Issues,
    ctx: &Ctx,
    answer: Option<Insert>,
    denials: Vec<Entry>,
) -> Result<(), Error> {
    let mut set = WriteSet::new();
    if let Some(row) = answer {
        set.insert(row);
    }
    let mut journal = Journal::new(issues.db().service());
    for entry in denials {
        journal.note(ctx, entry);
    }
    journal.write_to(ctx, &mut set);
    if !set.is_empty() {
        set.commit(issues.db()).await?;
    }
    Ok(())
}

async fn decide_one(
    issues: &Issues,
    ctx: &Ctx,
    request_id: &str,
    judgement: Judgement,
) -> Result<(proto::TriageResult, Option<Entry>), Error> {
    let issue = judgement.issue;
    let key = part(request_id, &judgement)?;
    if let Some(known) = recall(issues, ctx, key.as_ref()).await? {
        return Ok((known, None));
    }
    let answer = match &key {
        Some(key) => {
            Answer::remembered(key.clone(), |outcome| convert::outcome(outcome).encode_to_vec())
        }
        None => Answer::forgotten(),
    };
    match issues.decide(ctx, judgement, answer).await {
        Ok(outcome) => Ok((convert::outcome(&outcome), None)),
        // The same request may be under way a second time and have been faster here.
        Err(error) => {
            if let Some(known) = recall(issues, ctx, key.as_ref()).await? {
                return Ok((known, None));
            }
            let denial = denied(issue, DECIDE, &error);
            Ok((convert::outcome(&Outcome::refused(issue, error)?), denial))
        }
    }
}

/// The key of one decision; none if the request has none.
fn part(request_id: &str, judgement: &Judgement) -> Result<Option<Idempotency>, Error> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let name = format!("{request_id}/{}", judgement.issue);
    let key = format!("triage/{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
    let body = format!("{:?}", judgement.verdict);
    Ok(Idempotency::new(&key, "DecideTriage/decision", body.as_bytes())?)
}

/// The result that one part of a request has left, if it was done before.
pub(super) async fn recall<M: Message + Default>(
    issues: &Issues,
    ctx: &Ctx,
    key: Option<&Idempotency>,
) -> Result<Option<M>, Error> {
    let Some(key) = key else { return Ok(None) };
    let Some(bytes) = key.recall(issues.db(), ctx).await? else { return Ok(None) };
    let known = M::decode(bytes.as_slice());
    let table = "idempotency_keys";
    let corrupt = |_| StoreError::Corrupt { table, id: Uuid::nil(), column: "response" };
    Ok(Some(known.map_err(corrupt)?))
}
