//! The board: work of a product that is offered in advance (S4-61).

use axum::extract::Query;
use axum::response::Response;
use http::{Method, StatusCode};
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;

use super::labels::{self, Badge};
use super::product::Tabs;
use super::view::{Frame, Viewer, html};
use crate::problem::Problem;

pub(super) const PAGE: &str = "/app/bounties";

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) product: String,
}

#[derive(askama::Template)]
#[template(path = "bounties.html")]
struct BountiesPage {
    frame: Frame,
    tabs: Tabs,
    columns: Vec<Column>,
    /// There are more than a board has room for.
    more: bool,
    offers: bool,
}

struct Column {
    title: &'static str,
    cards: Vec<Card>,
}

/// One bounty as a card.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) reward: String,
    pub(super) claims: String,
    pub(super) status: Badge,
}

impl Viewer {
    pub(super) fn bounty_card(&self, of: &wire::Bounty) -> Card {
        let room = match of.claim_mode() {
            wire::ClaimMode::Multiple => of.max_claims,
            wire::ClaimMode::Single | wire::ClaimMode::Unspecified => Some(1),
        };
        let claims = match room {
            Some(room) => format!(
                "{} of {}",
                self.locale.count(of.claim_count),
                self.locale.counted(room, "claim")
            ),
            None => self.locale.counted(of.claim_count, "claim"),
        };
        Card {
            id: of.bounty_id.clone(),
            number: of.number.clone(),
            title: of.title.clone(),
            reward: self.reward(of),
            claims,
            status: labels::bounty_status(of.status),
        }
    }

    /// What a card shows: the amount, the points, or "Backlog".
    pub(super) fn reward(&self, of: &wire::Bounty) -> String {
        match (&of.value, of.points) {
            (Some(value), _) => self.money(Some(value)),
            (None, Some(points)) => format!("{} pts", self.locale.count(points)),
            (None, None) => "Backlog".to_owned(),
        }
    }
}

/// Where on the board a bounty stands.
fn place(of: &wire::Bounty) -> usize {
    match of.status() {
        wire::BountyStatus::Draft => 2,
        wire::BountyStatus::Closed | wire::BountyStatus::Cancelled => 3,
        wire::BountyStatus::Open | wire::BountyStatus::Unspecified => {
            usize::from(of.value.is_none() && of.points.is_none())
        }
    }
}

/// Shows the board of a product.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let (product, tabs) = viewer.product(&asked.product, PAGE).await?;
    let listed = async {
        let Some(product) = &product else { return Ok(wire::ListBountiesResponse::default()) };
        let request = viewer.caller.request(wire::ListBountiesRequest {
            product_id: product.product_id.clone(),
            page_size: 200,
            ..wire::ListBountiesRequest::default()
        });
        viewer.gateway.bounties().list_bounties(request).await.map(tonic::Response::into_inner)
    };
    let (frame, listed) = tokio::join!(viewer.frame("Bounties"), listed);
    let listed = listed?;
    let mut columns: Vec<Column> = ["Open", "Backlog", "Drafts", "Ended"]
        .map(|title| Column { title, cards: Vec::new() })
        .into();
    for bounty in &listed.bounties {
        if let Some(column) = columns.get_mut(place(bounty)) {
            column.cards.push(viewer.bounty_card(bounty));
        }
    }
    columns.retain(|column| !column.cards.is_empty());
    let page = BountiesPage {
        frame,
        columns,
        more: !listed.next_page_token.is_empty(),
        offers: product.is_some() && viewer.may(&Method::POST, "/app/bounties/new"),
        tabs,
    };
    Ok(html(StatusCode::OK, &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_is_what_is_open_and_gives_nothing_yet() {
        let open = |points| wire::Bounty {
            status: wire::BountyStatus::Open.into(),
            points,
            ..wire::Bounty::default()
        };
        assert_eq!(place(&open(Some(5))), 0);
        assert_eq!(place(&open(None)), 1);
        let draft = wire::Bounty { status: wire::BountyStatus::Draft.into(), ..open(None) };
        assert_eq!(place(&draft), 2);
        let closed = wire::Bounty { status: wire::BountyStatus::Closed.into(), ..open(None) };
        assert_eq!(place(&closed), 3);
    }
}
