//! The audit service, which every service with a database serves over its own rows.

use prost_types::Timestamp as Stamp;
use quittance_kernel::{PageError, PageRequest, Timestamp};
use quittance_proto::audit::v1 as proto;
use quittance_proto::audit::v1::audit_service_server::{AuditService, AuditServiceServer};
use sea_orm::DbErr;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::denial::{denial, write};
use super::list::{Filter, list, place};
use super::record::Record;
use super::verify::{Broken, Flaw, verify};
use crate::db::Db;
use crate::grpc::{caller, detached};
use crate::limited;
use crate::problem::{INVALID_FIELD, Problem, invalid, status};

/// The longest word of a denial that is noted for somebody else.
const MAX_WORD: usize = 64;
const MAX_REQUEST: usize = 256;

/// The service over one database.
#[must_use]
pub fn service(db: Db) -> AuditServiceServer<Trail> {
    limited!(AuditServiceServer::new(Trail(db)))
}

/// The log of one database.
pub struct Trail(Db);

/// What can go wrong when the log is read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("database failure")]
    Database(#[from] DbErr),
}

impl Problem for AuditError {
    const DOMAIN: &'static str = "audit";

    fn code(&self) -> Code {
        match self {
            Self::Page(_) => Code::InvalidArgument,
            Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Page(PageError::NegativeSize) => INVALID_FIELD,
            Self::Page(PageError::BadToken) => "PAGE_TOKEN_INVALID",
            Self::Database(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Page(error @ PageError::NegativeSize) => {
                vec![("page_size".to_owned(), error.to_string())]
            }
            Self::Page(error @ PageError::BadToken) => {
                vec![("page_token".to_owned(), error.to_string())]
            }
            Self::Database(_) => Vec::new(),
        }
    }
}

impl From<AuditError> for Status {
    fn from(error: AuditError) -> Self {
        status(&error)
    }
}

#[tonic::async_trait]
impl AuditService for Trail {
    async fn list_audit_entries(
        &self,
        request: Request<proto::ListAuditEntriesRequest>,
    ) -> Result<Response<proto::ListAuditEntriesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let filter = Filter {
            entity_id: optional_id("entity_id", &message.entity_id)?,
            actor_id: optional_id("actor_id", &message.actor_id)?,
            entity: some(message.entity),
            action: some(message.action),
            from: message.from.map(|stamp| time("from", &stamp)).transpose()?,
            to: message.to.map(|stamp| time("to", &stamp)).transpose()?,
        };
        let query = filter.query(&self.0);
        let page = PageRequest::parse(message.page_size, &message.page_token, &query)
            .map_err(AuditError::from)?;
        let before = place(&page).map_err(AuditError::from)?;
        let mut rows = list(&self.0, ctx.organization(), &filter, before, page.size + 1)
            .await
            .map_err(AuditError::from)?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = size < rows.len();
        rows.truncate(size);
        let entries: Vec<_> =
            rows.into_iter().map(|row| entry(filter.token(&self.0, &row), row)).collect();
        let last = entries.last().filter(|_| more);
        let next_page_token = last.map(|entry| entry.page_token.clone()).unwrap_or_default();
        Ok(Response::new(proto::ListAuditEntriesResponse { entries, next_page_token }))
    }

    async fn get_audit_verification(
        &self,
        _request: Request<proto::GetAuditVerificationRequest>,
    ) -> Result<Response<proto::GetAuditVerificationResponse>, Status> {
        let found = verify(&self.0, |_, _| {}).await.map_err(AuditError::from)?;
        Ok(Response::new(proto::GetAuditVerificationResponse {
            ok: found.ok(),
            sealed_count: found.sealed,
            unsealed_count: found.unsealed,
            oldest_unsealed_time: found.oldest_unsealed.map(stamp),
            head_hash: found.head,
            first_broken: found.broken.map(broken),
        }))
    }

    async fn note_denial(
        &self,
        request: Request<proto::NoteDenialRequest>,
    ) -> Result<Response<proto::NoteDenialResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = optional_id("entity_id", &message.entity_id)?.unwrap_or_default();
        word("entity", &message.entity, MAX_WORD)?;
        word("reason", &message.reason, MAX_WORD)?;
        word("request", &message.request, MAX_REQUEST)?;
        let entry = denial(&message.entity, id, &message.request, &message.reason);
        let db = self.0.clone();
        detached(async move {
            write(&db, &ctx, &entry).await;
            Ok::<_, Status>(Response::new(proto::NoteDenialResponse {}))
        })
        .await
    }
}

fn word(field: &str, text: &str, longest: usize) -> Result<(), Status> {
    let plain = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if plain && !text.is_empty() && text.len() <= longest {
        return Ok(());
    }
    Err(invalid(field, format!("must have 1 to {longest} printable ASCII characters")))
}

fn optional_id(field: &str, text: &str) -> Result<Option<Uuid>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| invalid(field, "must be a UUID"))
}

fn time(field: &str, stamp: &Stamp) -> Result<Timestamp, Status> {
    u32::try_from(stamp.nanos)
        .ok()
        .and_then(|nanos| Timestamp::from_timestamp(stamp.seconds, nanos))
        .ok_or_else(|| invalid(field, "must be a time"))
}

fn stamp(time: Timestamp) -> Stamp {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
    Stamp { seconds: time.timestamp(), nanos }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn entry(page_token: String, row: Record) -> proto::AuditEntry {
    proto::AuditEntry {
        audit_id: row.id.to_string(),
        time: Some(stamp(row.occurred_at)),
        actor_id: row.actor_id.to_string(),
        actor_role: row.actor_role,
        impersonator_id: row.impersonator_id.map(|id| id.to_string()).unwrap_or_default(),
        action: row.action,
        entity: row.entity,
        entity_id: row.entity_id.to_string(),
        before: row.before.unwrap_or_default(),
        after: row.after.unwrap_or_default(),
        reason: row.reason.unwrap_or_default(),
        request_id: row.request_id,
        page_token,
    }
}

fn broken(broken: Broken) -> proto::BrokenSeal {
    let flaw = match broken.flaw {
        Flaw::Changed => proto::AuditFlaw::Changed,
        Flaw::Missing => proto::AuditFlaw::Missing,
        Flaw::ForgedLink => proto::AuditFlaw::ForgedLink,
    };
    let audit_id = broken.audit_id.to_string();
    proto::BrokenSeal { ordinal: broken.ordinal, audit_id, flaw: flaw.into() }
}
