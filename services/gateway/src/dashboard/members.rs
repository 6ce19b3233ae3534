//! Members: their roles and cycles, and viewing as one of them (S0-101, S0-103).

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use quittance_kernel::Principal;
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::cycles::Cycle;
use super::form::Typed;
use super::session::{Cookies, Session};
use super::sign_in::LIFETIME;
use super::view::{Choice, Frame, Viewer, answer, done, html};
use crate::auth::{Caller, refused};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::{principal, some, time};
use crate::state::Gateway;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "members.html")]
struct MembersPage {
    frame: Frame,
    members: Vec<Member>,
    next: Option<String>,
}

struct Member {
    id: String,
    name: String,
    email: String,
    roles: String,
}

impl From<wire::Member> for Member {
    fn from(of: wire::Member) -> Self {
        Self { id: of.member_id, name: of.name, email: of.email, roles: of.roles.join(", ") }
    }
}

/// Lists the members by name.
pub(super) async fn list(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let request = viewer
        .caller
        .request(wire::ListMembersRequest { page_size: 100, page_token: asked.page_token });
    let mut client = viewer.gateway.members();
    let (frame, reply) = tokio::join!(viewer.frame("Members"), client.list_members(request));
    let reply = reply?.into_inner();
    let members = reply.members.into_iter().map(Member::from).collect();
    let next = some(reply.next_page_token);
    Ok(html(StatusCode::OK, &MembersPage { frame, members, next }))
}

#[derive(askama::Template)]
#[template(path = "member.html")]
struct MemberPage {
    frame: Frame,
    member: Member,
    cycles: Vec<Assigned>,
    open_cycles: Vec<Choice>,
    assigns: bool,
    views: bool,
    reason: String,
}

struct Assigned {
    cycle: Cycle,
    lead: bool,
}

async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let caller = &viewer.caller;
    let member_id = id.to_string();
    let member = caller.request(wire::GetMemberRequest { member_id: member_id.clone() });
    let theirs = caller.request(wire::ListMemberCyclesRequest {
        page_size: 200,
        page_token: String::new(),
        member_id,
    });
    let open = caller.request(wire::ListCyclesRequest {
        page_size: 200,
        status: wire::CycleStatus::Open.into(),
        ..wire::ListCyclesRequest::default()
    });
    let (mut first, mut second, mut third) =
        (viewer.gateway.members(), viewer.gateway.members(), viewer.gateway.cycles());
    let asked = async {
        tokio::try_join!(
            first.get_member(member),
            second.list_member_cycles(theirs),
            third.list_cycles(open)
        )
    };
    let (frame, asked) = tokio::join!(viewer.frame("Member"), asked);
    let (member, theirs, open) = asked?;
    let member = Member::from(required(member.into_inner().member, "member")?);
    let assigned = |of: wire::MemberCycle| {
        Some(Assigned { cycle: Cycle::from(of.cycle.as_ref()?), lead: of.lead })
    };
    let page = MemberPage {
        frame: Frame { title: member.name.clone(), ..frame }.with(problem),
        cycles: theirs.into_inner().cycles.into_iter().filter_map(assigned).collect(),
        open_cycles: open
            .into_inner()
            .cycles
            .iter()
            .map(|of| Choice::new(&of.cycle_id, &of.name, typed.text("cycle")))
            .collect(),
        assigns: viewer.may(&Method::POST, "/app/admin/members/{id}/cycles"),
        views: viewer.may(&Method::POST, "/app/admin/members/{id}/view-as")
            && id != caller.ctx.member().0,
        reason: typed.text("reason").to_owned(),
        member,
    };
    Ok(answer(problem, &page))
}

/// Shows a member.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::default(), None).await
}

/// Assigns a member to a cycle, or takes them out of it.
pub(super) async fn assign(viewer: Viewer, Segments(id): Segments<Uuid>, typed: Typed) -> Response {
    let cycle_id = typed.text("cycle").to_owned();
    let member_id = id.to_string();
    let mut client = viewer.gateway.members();
    let changed = if typed.has("remove") {
        let request = wire::UnassignMemberRequest { cycle_id, member_id };
        client.unassign_member(viewer.caller.request(request)).await.map(|_| "saved")
    } else {
        let lead = typed.has("lead");
        let request = wire::AssignMemberRequest { cycle_id, member_id, lead };
        client.assign_member(viewer.caller.request(request)).await.map(|_| "assigned")
    };
    match changed {
        Ok(notice) => done(&format!("/app/admin/members/{id}"), notice),
        Err(status) => again(&viewer, id, &typed, &Problem::from(status)).await,
    }
}

async fn again(viewer: &Viewer, id: Uuid, typed: &Typed, problem: &Problem) -> Response {
    let page = shown(viewer, id, typed, Some(problem)).await;
    page.unwrap_or_else(IntoResponse::into_response)
}

/// Begins to view as a member. One's own session waits in a cookie of its own.
pub(super) async fn view_as(
    viewer: Viewer,
    Extension(session): Extension<Session>,
    Segments(id): Segments<Uuid>,
    typed: Typed,
) -> Response {
    match begun(&viewer, id, typed.text("reason")).await {
        Ok(token) => {
            let mut response = Redirect::to("/app/test-cycles/balance").into_response();
            let mut cookies = Cookies { response: &mut response, mode: viewer.gateway.mode };
            // The token ends by itself; the cookie stays so that its end is noticed.
            cookies.sign_in(&token, LIFETIME);
            if let Some(own) = &session.token {
                cookies.keep_own(own, LIFETIME);
            }
            response
        }
        Err(problem) => again(&viewer, id, &typed, &problem).await,
    }
}

async fn begun(viewer: &Viewer, id: Uuid, reason: &str) -> Result<String, Problem> {
    let verifier = &viewer.gateway.verifier;
    // Nobody is said to view who cannot be given a token.
    verifier.opens_sessions().map_err(|error| refused(&error))?;
    let request = viewer.caller.request(wire::StartImpersonationRequest {
        member_id: id.to_string(),
        reason: reason.to_owned(),
    });
    let reply = viewer.gateway.impersonations().start_impersonation(request).await?.into_inner();
    let begun = required(reply.impersonation, "impersonation")?;
    let member = principal(&required(reply.member, "member")?)?;
    let seen_as = Principal { impersonator: Some(viewer.caller.ctx.member()), ..member };
    let id = begun.impersonation_id.parse();
    let id = id.map_err(|_| Problem::internal("the reply has an id that is no UUID"))?;
    let until = required(time(begun.expire_time), "expire_time")?;
    verifier.mint_impersonation(&seen_as, id, until).map_err(|error| refused(&error))
}

/// Ends viewing as somebody else.
pub(super) async fn end_view(
    caller: Caller,
    State(gateway): State<Gateway>,
    Extension(session): Extension<Session>,
    _typed: Typed,
) -> Result<Response, Problem> {
    if let Some(viewing) = &caller.viewing {
        let impersonation_id = viewing.impersonation_id.clone();
        let request = caller.request(wire::EndImpersonationRequest { impersonation_id });
        gateway.impersonations().end_impersonation(request).await?;
    }
    let mut response = Redirect::to("/app?notice=view-over").into_response();
    let mut cookies = Cookies { response: &mut response, mode: gateway.mode };
    if let Some(own) = &session.own {
        cookies.sign_in(own, LIFETIME);
        cookies.forget_own();
    }
    Ok(response)
}
