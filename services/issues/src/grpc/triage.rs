//! A triage: many decisions in one request, each remembered by itself.
//!
//! A request that is sent again after a crash in its middle must not trip over its own first half.
//! So each decision leaves its result in its own transaction, under a key made of the request's key
//! and the issue; the whole answer is stored at the end.

use prost::Message;
use quittance_chassis::db::{Idempotency, WriteSet};
use quittance_kernel::Ctx;
use quittance_proto::issues::v1 as proto;
use uuid::Uuid;

use super::convert;
use crate::app::{Answer, Issues, Judgement, Outcome};
use crate::error::{Error, StoreError};

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
    for judgement in judgements {
        results.push(decide_one(&issues, &ctx, &request_id, judgement).await?);
    }
    let mut set = WriteSet::new();
    if let Some(row) = answer.row(&ctx, &results) {
        set.insert(row);
        set.commit(issues.db()).await?;
    }
    Ok(results)
}

async fn decide_one(
    issues: &Issues,
    ctx: &Ctx,
    request_id: &str,
    judgement: Judgement,
) -> Result<proto::TriageResult, Error> {
    let issue = judgement.issue;
    let key = part(request_id, &judgement)?;
    if let Some(known) = recall(issues, ctx, key.as_ref()).await? {
        return Ok(known);
    }
    let answer = match &key {
        Some(key) => {
            Answer::remembered(key.clone(), |outcome| convert::outcome(outcome).encode_to_vec())
        }
        None => Answer::forgotten(),
    };
    match issues.decide(ctx, judgement, answer).await {
        Ok(outcome) => Ok(convert::outcome(&outcome)),
        // The same request may be under way a second time and have been faster here.
        Err(error) => match recall(issues, ctx, key.as_ref()).await? {
            Some(known) => Ok(known),
            None => Ok(convert::outcome(&Outcome::refused(issue, error)?)),
        },
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
