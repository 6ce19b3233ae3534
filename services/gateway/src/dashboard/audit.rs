//! The log of decisions with the state of its chains.

use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::view::{Frame, Viewer, html};
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::audit::{self, AuditEntry, AuditFilter, ServiceProof};
use crate::rest::{Names, names};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    action: String,
    entity_id: String,
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    action: String,
    entity_id: String,
    holds: bool,
    chains: Vec<Chain>,
    entries: Vec<Entry>,
    next: Option<String>,
}

/// The state of one service's chain.
struct Chain {
    service: &'static str,
    ok: bool,
    sealed: String,
    waiting: String,
    head: String,
    broken: Option<String>,
}

struct Entry {
    when: String,
    who: String,
    role: String,
    viewer: Option<String>,
    action: String,
    entity: String,
    entity_id: String,
    reason: Option<String>,
    change: Option<String>,
}

/// Shows the log, the newest first, and whether its chains hold.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let entity_id = match asked.entity_id.trim() {
        "" => None,
        text => {
            let id = text.parse().map_err(|_| Problem::invalid("entityId", "must be an id"))?;
            Some(id)
        }
    };
    let filter = AuditFilter {
        entity_id,
        action: Some(asked.action.trim().to_owned()).filter(|action| !action.is_empty()),
        page_size: Some(50),
        page_token: Some(asked.page_token).filter(|token| !token.is_empty()),
        ..AuditFilter::default()
    };
    let state = || State(viewer.gateway.clone());
    let caller = || viewer.caller.clone();
    let asked_names =
        async { Ok(names(&viewer.gateway, &viewer.caller).await.unwrap_or_default()) };
    let all = async {
        tokio::try_join!(
            audit::list(caller(), state(), Params(filter)),
            audit::verify(caller(), state()),
            asked_names,
        )
    };
    let (frame, all) = tokio::join!(viewer.frame("Audit"), all);
    let (list, proof, names) = all?;
    let (list, proof) = (list.0, proof.0);
    let page = AuditPage {
        frame,
        action: asked.action,
        entity_id: asked.entity_id,
        holds: proof.ok,
        chains: proof.services.into_iter().map(|of| viewer.chain(of)).collect(),
        entries: list.items.into_iter().map(|of| viewer.entry(of, &names)).collect(),
        next: list.next_page_token,
    };
    Ok(html(StatusCode::OK, &page))
}

impl Viewer {
    fn chain(&self, of: ServiceProof) -> Chain {
        Chain {
            service: of.service.name(),
            ok: of.ok,
            sealed: self.locale.count(of.rows_sealed),
            waiting: self.locale.count(of.rows_unsealed),
            head: of.head_hash,
            broken: of.first_broken.map(|broken| {
                format!("row {} was {}", self.locale.count(broken.ordinal), broken.what)
            }),
        }
    }

    fn entry(&self, of: AuditEntry, names: &Names) -> Entry {
        let name = |id: &str| names.get(id).map_or_else(|| "the system".to_owned(), String::clone);
        let changes = [("before", of.before), ("after", of.after)];
        let change: Vec<_> = changes
            .into_iter()
            .filter_map(|(word, value)| Some(format!("{word} {}", value?)))
            .collect();
        Entry {
            when: of.time.map_or_else(|| "–".to_owned(), |time| self.locale.minute(time)),
            who: of.actor_id.map_or_else(|| "the system".to_owned(), |id| name(id.as_str())),
            role: of.actor_role.unwrap_or_default(),
            viewer: of.impersonator_id.map(|id| name(id.as_str())),
            action: of.action,
            entity: of.entity,
            entity_id: of.entity_id.as_str().to_owned(),
            reason: of.reason,
            change: Some(change.join("; ")).filter(|text| !text.is_empty()),
        }
    }
}
