//! The snapshot service, which every owner of entities serves over its own rows: to those who keep
//! projections of them, all organizations alike.

use async_trait::async_trait;
use quittance_events::{Envelope, Payload, encode};
use quittance_kernel::{EventId, OrganizationId, Timestamp};
use quittance_proto::snapshots::v1 as proto;
use quittance_proto::snapshots::v1::snapshot_service_server::{
    SnapshotService, SnapshotServiceServer,
};
use sea_orm::DbErr;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::limited;
use crate::problem::{Problem, invalid, status};

/// The most entities in one answer.
const MAX_PAGE: i32 = 1_000;
const USUAL_PAGE: i32 = 500;

/// What an owner has, by kind.
#[async_trait]
pub trait Snapshots: Send + Sync + 'static {
    /// Reads entities in the order of their ids; none of a kind that is not the owner's.
    async fn list(&self, wanted: &Wanted) -> Result<Vec<Snapshot>, DbErr>;
    /// Counts and sums those of an organization.
    async fn totals(&self, organization: OrganizationId) -> Result<Vec<SnapshotTotal>, DbErr>;
}

/// Which entities are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub organization: OrganizationId,
    /// The kind of entity.
    pub entity: String,
    pub after: Option<Uuid>,
    /// When not empty, only these.
    pub ids: Vec<Uuid>,
    /// When given: only payouts that were paid from the first instant on and before the second.
    pub paid: Option<(Timestamp, Timestamp)>,
    pub limit: u32,
}

/// One entity as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: Uuid,
    pub version: i64,
    pub changed_at: Timestamp,
    /// The type of an event that could tell it.
    pub kind: &'static str,
    /// That event; empty if there is none of this kind of entity.
    pub event: String,
}

/// A sum over entities in one state and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotTotal {
    pub entity: &'static str,
    pub state: String,
    pub currency: String,
    pub count: i64,
    pub minor: i64,
}

impl Snapshot {
    /// Tells an entity in the words of an event, as of its last change.
    #[must_use]
    pub fn told<T: Payload>(
        owner: (&'static str, OrganizationId),
        version: i64,
        changed_at: Timestamp,
        kind: &'static str,
        payload: T,
    ) -> Self {
        let (service, organization) = owner;
        let id = payload.subject();
        let event = EventId::new().0;
        let envelope =
            Envelope::new(event, service, kind, organization.0, changed_at, None, payload);
        Self { id, version, changed_at, kind, event: encode(&envelope) }
    }
}

/// The service over an owner's rows.
#[must_use]
pub fn service<S: Snapshots>(owner: S) -> SnapshotServiceServer<Owner<S>> {
    limited!(SnapshotServiceServer::new(Owner(owner)))
}

/// An owner, as it is served.
#[derive(Debug)]
pub struct Owner<S>(S);

/// What can go wrong when snapshots are read.
#[derive(Debug, thiserror::Error)]
#[error("database failure")]
struct SnapshotError(#[from] DbErr);

impl Problem for SnapshotError {
    const DOMAIN: &'static str = "snapshots";

    fn code(&self) -> Code {
        Code::Internal
    }

    fn reason(&self) -> &'static str {
        "INTERNAL"
    }
}

impl From<SnapshotError> for Status {
    fn from(error: SnapshotError) -> Self {
        status(&error)
    }
}

#[tonic::async_trait]
impl<S: Snapshots> SnapshotService for Owner<S> {
    async fn list_snapshots(
        &self,
        request: Request<proto::ListSnapshotsRequest>,
    ) -> Result<Response<proto::ListSnapshotsResponse>, Status> {
        let message = request.into_inner();
        let size = if message.page_size == 0 { USUAL_PAGE } else { message.page_size };
        if !(1..=MAX_PAGE).contains(&size) {
            return Err(invalid("page_size", "must be between 1 and 1000"));
        }
        if usize::try_from(MAX_PAGE).is_ok_and(|most| most < message.entity_ids.len()) {
            return Err(invalid("entity_ids", "must be at most 1000"));
        }
        let id =
            |field, text: &str| text.parse::<Uuid>().map_err(|_| invalid(field, "must be a UUID"));
        let ids = message.entity_ids.iter().map(|text| id("entity_ids", text));
        let after = Some(message.after_id.as_str()).filter(|text| !text.is_empty());
        let organization = Some(message.organization_id.as_str()).filter(|text| !text.is_empty());
        let wanted = Wanted {
            organization: OrganizationId(
                organization
                    .map(|text| id("organization_id", text))
                    .transpose()?
                    .unwrap_or_default(),
            ),
            after: after.map(|text| id("after_id", text)).transpose()?,
            ids: ids.collect::<Result<_, _>>()?,
            paid: match (message.paid_from, message.paid_to) {
                (Some(from), Some(to)) => Some((time("paid_from", from)?, time("paid_to", to)?)),
                (None, _) | (_, None) => None,
            },
            entity: message.entity,
            limit: size.unsigned_abs(),
        };
        let found = self.0.list(&wanted).await.map_err(SnapshotError)?;
        let snapshots = found.into_iter().map(wire).collect();
        Ok(Response::new(proto::ListSnapshotsResponse { snapshots }))
    }

    async fn get_snapshot_totals(
        &self,
        request: Request<proto::GetSnapshotTotalsRequest>,
    ) -> Result<Response<proto::GetSnapshotTotalsResponse>, Status> {
        let organization = request.into_inner().organization_id;
        let organization =
            organization.parse().map_err(|_| invalid("organization_id", "must be a UUID"))?;
        let totals = self.0.totals(OrganizationId(organization)).await.map_err(SnapshotError)?;
        let totals = totals
            .into_iter()
            .map(|total| proto::SnapshotTotal {
                entity: total.entity.to_owned(),
                state: total.state,
                currency_code: total.currency,
                count: total.count,
                amount_minor: total.minor,
            })
            .collect();
        Ok(Response::new(proto::GetSnapshotTotalsResponse { totals }))
    }
}

fn time(field: &'static str, stamp: prost_types::Timestamp) -> Result<Timestamp, Status> {
    let nanos = u32::try_from(stamp.nanos).ok();
    let time = nanos.and_then(|nanos| chrono::DateTime::from_timestamp(stamp.seconds, nanos));
    time.ok_or_else(|| invalid(field, "must be a time"))
}

fn wire(snapshot: Snapshot) -> proto::Snapshot {
    let Snapshot { id, version, changed_at, kind, event } = snapshot;
    proto::Snapshot {
        entity_id: id.to_string(),
        version,
        change_time: Some(prost_types::Timestamp {
            seconds: changed_at.timestamp(),
            // Less than a second, hence within 32 bits.
            nanos: i32::try_from(changed_at.timestamp_subsec_nanos()).unwrap_or_default(),
        }),
        event_type: kind.to_owned(),
        event: event.into_bytes(),
    }
}
