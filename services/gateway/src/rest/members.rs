//! People of the organization.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_kernel::MAX_PAGE_SIZE;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::member;
use crate::rest::shapes::{Id, Page, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).merge(member::routes())
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    id: Id,
    name: String,
    email: String,
    roles: Vec<String>,
    pub(super) version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Member> for Member {
    fn from(member: wire::Member) -> Self {
        Self {
            id: Id::new(member.member_id),
            name: member.name,
            email: member.email,
            roles: member.roles,
            version: member.version,
            created_at: time(member.create_time),
            updated_at: time(member.update_time),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MemberFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists the members of the organization by name.
#[utoipa::path(
    get,
    path = "/api/admin/members",
    operation_id = "listMembers",
    tag = "members",
    params(MemberFilter),
    responses((status = 200, body = Page<Member>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<MemberFilter>,
) -> Result<Json<Page<Member>>, Problem> {
    let request = caller.request(wire::ListMembersRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let reply = gateway.members().list_members(request).await?.into_inner();
    Ok(Json(Page::of(reply.members, reply.next_page_token)))
}

/// Names by member id.
pub(crate) type Names = HashMap<String, String>;

/// Returns the names of the first page of members: all of them, in most organizations.
pub(crate) async fn names(gateway: &Gateway, caller: &Caller) -> Result<Names, Status> {
    let page_size = i32::try_from(MAX_PAGE_SIZE).unwrap_or_default();
    let request = caller.request(wire::ListMembersRequest { page_size, page_token: String::new() });
    let reply = gateway.members().list_members(request).await?.into_inner();
    Ok(reply.members.into_iter().map(|member| (member.member_id, member.name)).collect())
}
