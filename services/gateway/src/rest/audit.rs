//! The append-only log of decisions: one list over all services, and the proof of its chains.

use std::cmp::Reverse;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use quittance_chassis::grpc::Client;
use quittance_kernel::{PageError, PageRequest, token};
use quittance_proto::audit::v1 as wire;
use quittance_proto::audit::v1::audit_service_client::AuditServiceClient;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::shapes::{Id, Page, some, stamp, time};
use crate::state::Gateway;

/// The place of a service in a token when all of its rows were shown.
const EXHAUSTED: &str = "-";

/// A long chain takes a while.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Whose decisions a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditedService {
    Issues,
    Payouts,
    Balance,
}

const SERVICES: [AuditedService; 3] =
    [AuditedService::Issues, AuditedService::Payouts, AuditedService::Balance];

impl AuditedService {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Issues => "issues",
            Self::Payouts => "payouts",
            Self::Balance => "balance",
        }
    }

    fn client(self, gateway: &Gateway) -> AuditServiceClient<Client> {
        match self {
            Self::Issues => gateway.issues_audit(),
            Self::Payouts => gateway.payouts_audit(),
            Self::Balance => gateway.balance_audit(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    pub(crate) id: Id,
    pub(crate) service: AuditedService,
    #[schema(value_type = DateTime<Utc>)]
    pub(crate) time: Option<DateTime<Utc>>,
    pub(crate) actor_id: Option<Id>,
    pub(crate) actor_role: Option<String>,
    pub(crate) impersonator_id: Option<Id>,
    pub(crate) action: String,
    pub(crate) entity: String,
    pub(crate) entity_id: Id,
    /// What changed, as it was.
    #[schema(value_type = Option<Object>)]
    pub(crate) before: Option<Value>,
    /// What changed, as it is.
    #[schema(value_type = Option<Object>)]
    pub(crate) after: Option<Value>,
    pub(crate) reason: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl AuditEntry {
    fn new(service: AuditedService, entry: wire::AuditEntry) -> Self {
        Self {
            id: Id::new(entry.audit_id),
            service,
            time: time(entry.time),
            actor_id: Id::optional(entry.actor_id),
            actor_role: some(entry.actor_role),
            impersonator_id: Id::optional(entry.impersonator_id),
            action: entry.action,
            entity: entry.entity,
            entity_id: Id::new(entry.entity_id),
            before: json(entry.before),
            after: json(entry.after),
            reason: some(entry.reason),
            request_id: some(entry.request_id),
        }
    }
}

/// Shows JSON as what it is, and any other text as a text.
fn json(text: String) -> Option<Value> {
    some(text).map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditFilter {
    /// What kind of thing it is about, such as `issue`.
    pub(crate) entity: Option<String>,
    pub(crate) entity_id: Option<Uuid>,
    /// Who decided.
    pub(crate) actor_id: Option<Uuid>,
    /// What was decided, such as `issue.approved`.
    pub(crate) action: Option<String>,
    /// The first instant that counts.
    pub(crate) from: Option<DateTime<Utc>>,
    /// The first instant that no longer counts.
    pub(crate) to: Option<DateTime<Utc>>,
    /// One service; all if not given.
    #[param(inline)]
    pub(crate) service: Option<AuditedService>,
    pub(crate) page_size: Option<i32>,
    pub(crate) page_token: Option<String>,
}

impl AuditFilter {
    /// Names the list, so that its tokens continue no other one.
    fn query(&self) -> String {
        let Self { entity, entity_id, actor_id, action, from, to, service, .. } = self;
        format!("audit?{entity:?}{entity_id:?}{actor_id:?}{action:?}{from:?}{to:?}{service:?}")
    }

    fn request(&self, size: u32, page_token: &str) -> wire::ListAuditEntriesRequest {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        wire::ListAuditEntriesRequest {
            page_size: i32::try_from(size).unwrap_or(i32::MAX),
            page_token: page_token.to_owned(),
            entity_id: id(self.entity_id),
            entity: self.entity.clone().unwrap_or_default(),
            actor_id: id(self.actor_id),
            action: self.action.clone().unwrap_or_default(),
            from: self.from.map(stamp),
            to: self.to.map(stamp),
        }
    }

    /// Where each service goes on.
    fn places(&self, page: &PageRequest) -> Result<Vec<String>, PageError> {
        match &page.after {
            Some(places) if places.len() == SERVICES.len() => Ok(places.clone()),
            Some(_) => Err(PageError::BadToken),
            None => {
                let asked = |service| self.service.is_none_or(|wanted| wanted == service);
                let start = |service| if asked(service) { "" } else { EXHAUSTED };
                Ok(SERVICES.map(|service| start(service).to_owned()).to_vec())
            }
        }
    }
}

fn refused(error: &PageError) -> Problem {
    match error {
        PageError::NegativeSize => Problem::invalid("pageSize", error.to_string()),
        PageError::BadToken => Problem::field("PAGE_TOKEN_INVALID", "pageToken", error.to_string()),
    }
}

/// Lists audit rows of all services, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/audit",
    operation_id = "listAuditEntries",
    tag = "audit",
    params(AuditFilter),
    responses((status = 200, body = Page<AuditEntry>))
)]
pub(crate) async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<AuditFilter>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let query = filter.query();
    let page_token = filter.page_token.as_deref().unwrap_or_default();
    let page = PageRequest::parse(filter.page_size.unwrap_or_default(), page_token, &query)
        .map_err(|error| refused(&error))?;
    let places = filter.places(&page).map_err(|error| refused(&error))?;
    let asked = SERVICES.iter().zip(&places).map(|(service, place)| {
        let request = caller.request(filter.request(page.size, place));
        let mut client = service.client(&gateway);
        async move {
            if place == EXHAUSTED {
                return Ok(wire::ListAuditEntriesResponse::default());
            }
            Ok::<_, Problem>(client.list_audit_entries(request).await?.into_inner())
        }
    });
    let pages = try_join_all(asked).await?;
    let size = usize::try_from(page.size).unwrap_or(usize::MAX);
    let (items, places) = merge(pages, places, size);
    let done = places.iter().all(|place| place == EXHAUSTED);
    let next_page_token = if done { String::new() } else { token::encode(&places, &query) };
    let items = items.into_iter().map(|(at, entry)| AuditEntry::new(SERVICES[at], entry)).collect();
    Ok(Json(Page { items, next_page_token: some(next_page_token) }))
}

/// Merges a page of each service into one, and says where each goes on.
fn merge(
    pages: Vec<wire::ListAuditEntriesResponse>,
    mut places: Vec<String>,
    size: usize,
) -> (Vec<(usize, wire::AuditEntry)>, Vec<String>) {
    let mut all = Vec::new();
    let mut more = Vec::new();
    for (at, page) in pages.into_iter().enumerate() {
        more.push(!page.next_page_token.is_empty());
        all.extend(page.entries.into_iter().map(|entry| (at, entry)));
    }
    // Stable: rows of one service and instant stay in their order.
    all.sort_by_key(|(_, entry)| Reverse(entry.time.map(|time| (time.seconds, time.nanos))));
    let rest = all.split_off(size.min(all.len()));
    for (at, place) in places.iter_mut().enumerate() {
        if let Some((_, last)) = all.iter().rev().find(|(of, _)| *of == at) {
            place.clone_from(&last.page_token);
        }
        if !more[at] && rest.iter().all(|(of, _)| *of != at) {
            EXHAUSTED.clone_into(place);
        }
    }
    (all, places)
}

/// The proof of one service's chain.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServiceProof {
    pub(crate) service: AuditedService,
    pub(crate) ok: bool,
    /// Rows whose seals hold, counted from the first.
    pub(crate) rows_sealed: i64,
    /// Rows that wait for their seal, which takes about a second.
    pub(crate) rows_unsealed: i64,
    /// How long the oldest of them has waited.
    pub(crate) unsealed_age_seconds: Option<i64>,
    /// The hash of the last seal that holds. Kept elsewhere, it shows that nothing was made anew.
    pub(crate) head_hash: String,
    pub(crate) first_broken: Option<BrokenLink>,
}

/// The first seal that does not hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrokenLink {
    pub(crate) ordinal: i64,
    pub(crate) audit_id: Id,
    /// `changed`, `missing` or `forged_link`.
    pub(crate) what: &'static str,
}

impl BrokenLink {
    fn new(broken: wire::BrokenSeal) -> Self {
        let what = match broken.flaw() {
            wire::AuditFlaw::Missing => "missing",
            wire::AuditFlaw::ForgedLink => "forged_link",
            wire::AuditFlaw::Changed | wire::AuditFlaw::Unspecified => "changed",
        };
        Self { ordinal: broken.ordinal, audit_id: Id::new(broken.audit_id), what }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditProof {
    pub(crate) ok: bool,
    pub(crate) services: Vec<ServiceProof>,
}

/// Recomputes the chains of hashes over the audit logs and says where they are broken.
#[utoipa::path(
    get,
    path = "/api/admin/audit/verify",
    operation_id = "verifyAudit",
    tag = "audit",
    responses((status = 200, body = AuditProof))
)]
pub(crate) async fn verify(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<AuditProof>, Problem> {
    let now = caller.ctx.now;
    let asked = SERVICES.map(|service| {
        let mut request = caller.request(wire::GetAuditVerificationRequest {});
        request.set_timeout(PATIENCE);
        let mut client = service.client(&gateway);
        async move {
            let found = client.get_audit_verification(request).await?.into_inner();
            let age = |oldest: DateTime<Utc>| (now - oldest).num_seconds().max(0);
            Ok::<_, Problem>(ServiceProof {
                service,
                ok: found.ok,
                rows_sealed: found.sealed_count,
                rows_unsealed: found.unsealed_count,
                unsealed_age_seconds: time(found.oldest_unsealed_time).map(age),
                head_hash: found.head_hash,
                first_broken: found.first_broken.map(BrokenLink::new),
            })
        }
    });
    let services = try_join_all(asked).await?;
    Ok(Json(AuditProof { ok: services.iter().all(|service| service.ok), services }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, seconds: &[i64], more: bool) -> wire::ListAuditEntriesResponse {
        let entries = seconds.iter().map(|seconds| wire::AuditEntry {
            time: Some(prost_types::Timestamp { seconds: *seconds, nanos: 0 }),
            page_token: format!("{name}{seconds}"),
            ..wire::AuditEntry::default()
        });
        let next_page_token = if more { "more".to_owned() } else { String::new() };
        wire::ListAuditEntriesResponse { entries: entries.collect(), next_page_token }
    }

    #[test]
    fn pages_are_merged_by_time_and_each_service_goes_on_where_it_was_left() {
        let start = vec![String::new(); 3];
        let pages =
            vec![page("a", &[9, 5], true), page("b", &[8, 7], false), page("c", &[], false)];
        let (items, places) = merge(pages.clone(), start.clone(), 2);
        let tokens: Vec<_> = items.iter().map(|(_, entry)| entry.page_token.as_str()).collect();
        assert_eq!(tokens, ["a9", "b8"]);
        assert_eq!(places, ["a9", "b8", EXHAUSTED]);
        let (items, places) = merge(pages, start, 3);
        assert_eq!(items.len(), 3);
        assert_eq!(places, ["a9", EXHAUSTED, EXHAUSTED]);
    }
}
