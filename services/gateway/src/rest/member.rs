//! One member: roles, and the cycles that they lead or are assigned to.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::cycles::Cycle;
use crate::rest::members::Member;
use crate::rest::shapes::Page;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(one, change)).routes(routes!(assign, unassign))
}

/// A cycle and in what capacity the member is in it.
#[derive(Serialize, ToSchema)]
struct MemberCycle {
    lead: bool,
    cycle: Cycle,
}

impl MemberCycle {
    fn read(wire: wire::MemberCycle) -> Result<Self, Problem> {
        Ok(Self { lead: wire.lead, cycle: Cycle::from(required(wire.cycle, "cycle")?) })
    }
}

#[derive(Serialize, ToSchema)]
struct MemberDetail {
    #[serde(flatten)]
    member: Member,
    /// Those that the member leads or is assigned to, the newest first, page by page.
    cycles: Page<MemberCycle>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CyclePaging {
    /// Of the cycles.
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Gets a member with their cycles.
#[utoipa::path(
    get,
    path = "/api/admin/members/{id}",
    operation_id = "getMember",
    tag = "members",
    params(("id" = Uuid, Path), CyclePaging),
    responses((status = 200, body = MemberDetail))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Params(paging): Params<CyclePaging>,
) -> Result<Reply<MemberDetail>, Problem> {
    let (mut members, mut cycles) = (gateway.members(), gateway.members());
    let member =
        members.get_member(caller.request(wire::GetMemberRequest { member_id: id.to_string() }));
    let cycles = cycles.list_member_cycles(caller.request(wire::ListMemberCyclesRequest {
        page_size: paging.page_size.unwrap_or_default(),
        page_token: paging.page_token.unwrap_or_default(),
        member_id: id.to_string(),
    }));
    let (member, cycles) = tokio::try_join!(member, cycles)?;
    let member = Member::from(required(member.into_inner().member, "member")?);
    let cycles = cycles.into_inner();
    let items =
        cycles.cycles.into_iter().map(MemberCycle::read).collect::<Result<Vec<_>, Problem>>()?;
    let version = member.version;
    let cycles = Page::of(items, cycles.next_page_token);
    Ok(Reply::ok(MemberDetail { member, cycles }).version(version))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberChange {
    name: Option<String>,
    /// All roles that the member has from then on; at least one.
    roles: Option<Vec<String>>,
}

/// Changes a member's name or roles. What is absent stays; the last admin remains one.
#[utoipa::path(
    patch,
    path = "/api/admin/members/{id}",
    operation_id = "updateMember",
    tag = "members",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = MemberChange,
    responses((status = 200, body = Member))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<MemberChange>,
) -> Result<Reply<Member>, Problem> {
    let message = wire::UpdateMemberRequest {
        request_id: key.request_id(),
        member_id: id.to_string(),
        version,
        name: body.name,
        roles: body.roles.map(|roles| wire::RoleList { roles }),
    };
    let reply = gateway
        .members()
        .update_member(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let member = Member::from(required(reply.member, "member")?);
    let version = member.version;
    Ok(Reply::ok(member).version(version).remembered(&metadata))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Assignment {
    lead: bool,
}

/// Assigns a member to a cycle, as a lead or not.
#[utoipa::path(
    put,
    path = "/api/admin/members/{id}/cycles/{cycleId}",
    operation_id = "assignMember",
    tag = "members",
    params(("id" = Uuid, Path), ("cycleId" = Uuid, Path)),
    request_body = Assignment,
    responses((status = 200, body = MemberCycle))
)]
async fn assign(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((member, cycle)): Segments<(Uuid, Uuid)>,
    Body(body): Body<Assignment>,
) -> Result<Json<MemberCycle>, Problem> {
    let request = caller.request(wire::AssignMemberRequest {
        cycle_id: cycle.to_string(),
        member_id: member.to_string(),
        lead: body.lead,
    });
    let reply = gateway.members().assign_member(request).await?.into_inner();
    MemberCycle::read(required(reply.cycle, "cycle")?).map(Json)
}

/// Takes a member out of a cycle.
#[utoipa::path(
    delete,
    path = "/api/admin/members/{id}/cycles/{cycleId}",
    operation_id = "unassignMember",
    tag = "members",
    params(("id" = Uuid, Path), ("cycleId" = Uuid, Path)),
    responses((status = 204))
)]
async fn unassign(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((member, cycle)): Segments<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let request = caller.request(wire::UnassignMemberRequest {
        cycle_id: cycle.to_string(),
        member_id: member.to_string(),
    });
    gateway.members().unassign_member(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
