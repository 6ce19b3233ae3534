//! Writes that may be sent again: the first answer is given to every repetition.

use prost::Message;
use quittance_chassis::db::Idempotency;
use quittance_kernel::Ctx;
use quittance_proto::issues::v1 as proto;
use tonic::Response;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

use crate::app::{Answer, Issues};
use crate::error::{Error, StoreError};

/// How often a race for the same key is looked at again.
const TRIES: u32 = 3;

/// Response metadata of an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";

/// A request that carries its key.
pub(super) trait Keyed: Message {
    /// Takes the key out, so that what is left identifies the request.
    fn take_request_id(&mut self) -> String;
}

macro_rules! keyed {
    ($($request:ident),+ $(,)?) => {$(
        impl Keyed for proto::$request {
            fn take_request_id(&mut self) -> String {
                std::mem::take(&mut self.request_id)
            }
        }
    )+};
}

keyed!(
    CreateProductRequest,
    UpdateProductRequest,
    CreateCycleRequest,
    UpdateCycleRequest,
    CreateIssueRequest,
    SetIssueStatusRequest,
    ApproveIssueRequest,
    RejectIssueRequest,
    DecideTriageRequest,
    BulkVerifyRequest,
    UpdateMemberRequest,
    CreateBountyRequest,
    UpdateBountyRequest,
    CreateClaimRequest,
    CreateSubmissionRequest,
    ApproveSubmissionRequest,
    RejectSubmissionRequest,
    CreateEndpointRequest,
    UpdateEndpointRequest,
);

/// One request and, if it carries one, its key.
pub(super) struct Once {
    issues: Issues,
    ctx: Ctx,
    key: Option<Idempotency>,
}

impl Once {
    pub(super) fn new<M: Keyed>(
        issues: &Issues,
        ctx: &Ctx,
        method: &str,
        mut message: M,
    ) -> Result<Self, Error> {
        let id = message.take_request_id();
        let key = Idempotency::new(&id, method, &message.encode_to_vec())?;
        Ok(Self { issues: issues.clone(), ctx: ctx.clone(), key })
    }

    /// Answers as before, or runs the use case and lets it remember its answer.
    pub(super) async fn run<T: 'static, R, F, W>(
        self,
        reply: fn(&T) -> R,
        work: W,
    ) -> Result<Response<R>, Error>
    where
        R: Message + Default + 'static,
        F: Future<Output = Result<T, Error>>,
        W: Fn(Issues, Ctx, Answer<T>) -> F,
    {
        let mut tries = 1;
        loop {
            if let Some(known) = self.recall().await? {
                return Ok(replayed(known));
            }
            let answer = match &self.key {
                Some(key) => {
                    Answer::remembered(key.clone(), move |done| reply(done).encode_to_vec())
                }
                None => Answer::forgotten(),
            };
            match work(self.issues.clone(), self.ctx.clone(), answer).await {
                Ok(done) => return Ok(Response::new(reply(&done))),
                Err(error) if error.is_replay() && tries < TRIES => tries += 1,
                Err(error) => {
                    // The same request may have won the race, so that this one came too late.
                    return match self.recall().await? {
                        Some(known) => Ok(replayed(known)),
                        None => Err(error),
                    };
                }
            }
        }
    }

    async fn recall<R: Message + Default>(&self) -> Result<Option<R>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(bytes) = key.recall(self.issues.db(), &self.ctx).await? else { return Ok(None) };
        let corrupt = |_| StoreError::Corrupt {
            table: "idempotency_keys",
            id: Uuid::nil(),
            column: "response",
        };
        Ok(Some(R::decode(bytes.as_slice()).map_err(corrupt)?))
    }
}

fn replayed<R>(known: R) -> Response<R> {
    let mut response = Response::new(known);
    response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
    response
}
