//! Test cycles: the list, one with its issues and totals, and its settings.

use axum::extract::Query;
use axum::response::Response;
use http::{Method, StatusCode};
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use uuid::Uuid;

use super::issues::Row;
use super::labels::{self, Badge};
use super::view::{Frame, Viewer, html};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::some;
use crate::words::GateSource;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "cycles.html")]
struct CyclesPage {
    frame: Frame,
    cycles: Vec<Cycle>,
    next: Option<String>,
}

/// A cycle as pages name it.
pub(super) struct Cycle {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: Badge,
    pub(super) gate: &'static str,
    pub(super) own_rates: bool,
}

/// Where the gate comes from, as the panel says it (S1-29).
pub(super) fn gate_text(effective: bool, source: i32) -> &'static str {
    match (effective, GateSource::read(source)) {
        (true, Some(GateSource::Cycle)) => "Required by this cycle",
        (true, Some(GateSource::Product)) => "Required by product",
        (true, _) => "Required",
        (false, Some(GateSource::Cycle)) => "Not required by this cycle",
        (false, Some(GateSource::Product)) => "Not required by product",
        (false, _) => "Not required",
    }
}

impl From<&wire::Cycle> for Cycle {
    fn from(of: &wire::Cycle) -> Self {
        Self {
            id: of.cycle_id.clone(),
            name: of.name.clone(),
            status: labels::cycle_status(of.status),
            gate: gate_text(of.effective_gate, of.gate_source),
            own_rates: of.payout_rates.is_some(),
        }
    }
}

/// Lists all cycles, the newest first.
pub(super) async fn list(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::ListCyclesRequest {
        page_size: 50,
        page_token: asked.page_token,
        ..wire::ListCyclesRequest::default()
    });
    let mut client = viewer.gateway.cycles();
    let (frame, reply) = tokio::join!(viewer.frame("Test cycles"), client.list_cycles(request));
    let reply = reply?.into_inner();
    let cycles = reply.cycles.iter().map(Cycle::from).collect();
    let next = some(reply.next_page_token);
    Ok(html(StatusCode::OK, &CyclesPage { frame, cycles, next }))
}

#[derive(askama::Template)]
#[template(path = "cycle.html")]
struct CyclePage {
    frame: Frame,
    cycle: Cycle,
    sums: Option<Sums>,
    issues: Vec<Row>,
    next: Option<String>,
    settings: bool,
}

struct Sums {
    unpaid: String,
    paid: String,
    committed: String,
}

impl Viewer {
    pub(super) async fn cycle(&self, id: Uuid) -> Result<wire::Cycle, Problem> {
        let request = self.caller.request(wire::GetCycleRequest { cycle_id: id.to_string() });
        let reply = self.gateway.cycles().get_cycle(request).await?.into_inner();
        required(reply.cycle, "cycle")
    }

    /// The sums of a cycle, for those who may see them. A lead sees those of their own cycles.
    async fn cycle_sums(&self, id: Uuid) -> Result<Option<Sums>, Problem> {
        if !self.may(&Method::GET, "/app/test-cycles/{id}/settings") {
            return Ok(None);
        }
        let request = self.caller.request(wire::GetCycleTotalsRequest { cycle_id: id.to_string() });
        let reply = match self.gateway.cycles().get_cycle_totals(request).await {
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            reply => reply?.into_inner(),
        };
        Ok(Some(Sums {
            unpaid: self.sums(&reply.approved_unpaid),
            paid: self.sums(&reply.paid),
            committed: self.sums(&reply.committed),
        }))
    }
}

/// Shows one cycle with its issues.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::ListIssuesRequest {
        page_size: 50,
        page_token: asked.page_token,
        cycle_id: id.to_string(),
        ..wire::ListIssuesRequest::default()
    });
    let mut client = viewer.gateway.issues();
    let listed = async { Ok::<_, Problem>(client.list_issues(request).await?.into_inner()) };
    let asked = async { tokio::try_join!(viewer.cycle(id), viewer.cycle_sums(id), listed) };
    let (frame, asked) = tokio::join!(viewer.frame("Test cycle"), asked);
    let (cycle, sums, listed) = asked?;
    Ok(html(
        StatusCode::OK,
        &CyclePage {
            frame: Frame { title: cycle.name.clone(), ..frame },
            settings: sums.is_some(),
            cycle: Cycle::from(&cycle),
            sums,
            issues: listed.issues.into_iter().map(|issue| viewer.row(issue)).collect(),
            next: some(listed.next_page_token),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panel_says_who_requires_the_verification() {
        let number = |source: wire::GateSource| i32::from(source);
        assert_eq!(gate_text(true, number(wire::GateSource::Product)), "Required by product");
        assert_eq!(gate_text(true, number(wire::GateSource::Cycle)), "Required by this cycle");
        let off = gate_text(false, number(wire::GateSource::Cycle));
        assert_eq!(off, "Not required by this cycle");
        assert_eq!(gate_text(false, number(wire::GateSource::Default)), "Not required");
    }
}
