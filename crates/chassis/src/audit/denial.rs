//! Refused writes: each leaves one audit row, noted in one place for all methods of a service.
//!
//! What a call was about is read from its message by the descriptors: the first field that holds an
//! id. Handlers need not know of any of this, so none can forget it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};
use quittance_kernel::Ctx;
use serde_json::json;
use tonic::body::Body;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::db::{Db, Entry, Journal, WriteError, WriteSet, retrying};
use crate::grpc::detached;

/// How much of a message is looked at: ids come before texts.
const HEAD: usize = 1024;

/// The frame of gRPC: a flag and a length.
const PREFIX: usize = 5;

/// Whether a status with this code says no to the caller: because of who they are, or because of
/// the state of something that exists. Bad input and unknown ids are neither.
#[must_use]
pub fn is_denial(code: Code) -> bool {
    matches!(
        code,
        Code::PermissionDenied | Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted
    )
}

/// The audit row of a refused write.
#[must_use]
pub fn denial(entity: &str, entity_id: Uuid, request: &str, reason: &str) -> Entry {
    Entry::new(format!("{entity}.denied"), entity.to_owned(), entity_id)
        .after(json!({ "request": request }).to_string())
        .because(Some(reason.to_owned()))
}

/// Writes rows of their own, outside of any transaction. A failure is logged: the refusal stands.
pub(super) async fn write(db: &Db, ctx: &Ctx, entry: &Entry) {
    let written = retrying(|| async {
        let mut journal = Journal::new(db.service());
        journal.note(ctx, entry.clone());
        let mut set = WriteSet::new();
        journal.write_to(ctx, &mut set);
        set.commit(db).await
    });
    let written: Result<(), WriteError> = written.await;
    if let Err(error) = written {
        let error = crate::problem::chain(&error);
        tracing::error!(error, action = %entry.action, "a refusal left no audit row");
    }
}

/// Notes the refused writes of one service.
pub(crate) struct Denials {
    db: Db,
    subjects: HashMap<String, Subject>,
}

/// Where a request says what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    /// What it is called if the message names nothing.
    entity: String,
    /// Numbers and entities of the fields that hold ids, in order.
    ids: Vec<(u64, String)>,
}

impl Denials {
    pub(crate) fn new(db: Db) -> Self {
        let files = FileDescriptorSet::decode(quittance_proto::DESCRIPTORS).unwrap_or_default();
        Self { db, subjects: subjects(&files) }
    }

    /// Writes the row of a refused call before the call is answered.
    pub(crate) async fn note(&self, ctx: Ctx, path: &'static str, head: &Head, reason: String) {
        let (entity, id) = match self.subjects.get(path) {
            Some(subject) => subject.read(&head.bytes()),
            None => ("call", None),
        };
        let entry = denial(entity, id.unwrap_or_default(), path, &reason);
        let db = self.db.clone();
        let work = async move {
            write(&db, &ctx, &entry).await;
            Ok::<(), Status>(())
        };
        // Fails only if it panicked, which was logged.
        let _ = detached(work).await;
    }
}

/// The subjects of all methods, by path.
fn subjects(files: &FileDescriptorSet) -> HashMap<String, Subject> {
    let mut messages: HashMap<String, &DescriptorProto> = HashMap::new();
    for file in &files.file {
        for message in &file.message_type {
            messages.insert(format!(".{}.{}", file.package(), message.name()), message);
        }
    }
    let mut found = HashMap::new();
    for file in &files.file {
        for service in &file.service {
            let entity = service.name().trim_end_matches("Service").to_lowercase();
            for method in &service.method {
                let ids = messages.get(method.input_type()).map(|message| ids(message));
                let subject = Subject { entity: entity.clone(), ids: ids.unwrap_or_default() };
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                found.insert(path, subject);
            }
        }
    }
    found
}

fn ids(message: &DescriptorProto) -> Vec<(u64, String)> {
    let single = |label| label != Label::Repeated;
    let fields = message.field.iter().filter(|f| f.r#type() == Type::String && single(f.label()));
    fields
        .filter_map(|field| {
            // The id of the request itself says nothing of what it is about.
            let entity = field.name().strip_suffix("_id").filter(|name| *name != "request")?;
            Some((u64::try_from(field.number()).ok()?, entity.to_owned()))
        })
        .collect()
}

impl Subject {
    /// What a message is about, as far as its beginning tells.
    fn read(&self, message: &[u8]) -> (&str, Option<Uuid>) {
        let mut rest = message.get(PREFIX..).unwrap_or_default();
        while let Some((number, value)) = field(&mut rest) {
            let entity = self.ids.iter().find(|(id, _)| *id == number).map(|(_, name)| name);
            let id = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            if let (Some(entity), Some(id)) = (entity, id) {
                return (entity, Some(id));
            }
        }
        (&self.entity, None)
    }
}

/// Takes one field off a message: its number, and its bytes if it has a length.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let key = varint(rest)?;
    let length = match key & 7 {
        0 => {
            varint(rest)?;
            return Some((key >> 3, &[]));
        }
        1 => 8,
        2 => usize::try_from(varint(rest)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (value, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some((key >> 3, value))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The beginning of a request's body, as it went by.
#[derive(Clone, Default)]
pub(crate) struct Head(Arc<Mutex<Vec<u8>>>);

impl Head {
    /// Reads the beginning of a body that nobody else will read.
    pub(crate) async fn of(mut body: Body) -> Self {
        let head = Self::default();
        while head.bytes().len() < HEAD
            && let Some(Ok(frame)) = body.frame().await
        {
            head.keep(&frame);
        }
        head
    }

    /// Listens to a body while it is read.
    pub(crate) fn overhear(&self, body: Body) -> Body {
        Body::new(Overheard { body, head: self.clone() })
    }

    fn keep(&self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = HEAD.saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(&data[..wanted]);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Overheard {
    body: Body,
    head: Head,
}

impl http_body::Body for Overheard {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.head.keep(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use quittance_proto::issues::v1::{CreateProductRequest, SetIssueStatusRequest};
    use quittance_proto::payouts::v1::BatchPayRequest;

    use super::*;

    fn framed(message: &impl prost::Message) -> Vec<u8> {
        let mut bytes = vec![0; PREFIX];
        bytes.extend(message.encode_to_vec());
        bytes
    }

    fn about(path: &str, bytes: &[u8]) -> (String, Option<Uuid>) {
        let files = FileDescriptorSet::decode(quittance_proto::DESCRIPTORS).unwrap();
        let subjects = subjects(&files);
        let (entity, id) = subjects[path].read(bytes);
        (entity.to_owned(), id)
    }

    #[test]
    fn a_request_is_about_its_first_id_and_not_about_itself() {
        let id = Uuid::now_v7();
        let set = SetIssueStatusRequest {
            request_id: Uuid::now_v7().to_string(),
            issue_id: id.to_string(),
            cycle_id: Uuid::now_v7().to_string(),
            ..SetIssueStatusRequest::default()
        };
        let path = "/quittance.issues.v1.IssueService/SetIssueStatus";
        assert_eq!(about(path, &framed(&set)), ("issue".into(), Some(id)));
        // Whatever is sent: no more than nothing is found in it.
        for end in 0..framed(&set).len() {
            about(path, &framed(&set)[..end]);
        }
        assert_eq!(about(path, &[0xff; 99]), ("issue".into(), None));
    }

    #[test]
    fn a_request_without_an_id_is_about_its_service() {
        let product = CreateProductRequest { name: "Shop".into(), ..Default::default() };
        let path = "/quittance.issues.v1.ProductService/CreateProduct";
        assert_eq!(about(path, &framed(&product)), ("product".into(), None));
        let path = "/quittance.payouts.v1.PayoutService/BatchPay";
        assert_eq!(about(path, &framed(&BatchPayRequest::default())), ("payout".into(), None));
    }
}
