//! "Approve & Pay": what it costs, line by line, before it is paid exactly so (S4-92).

use axum::extract::Query;
use axum::response::Response;
use http::StatusCode;
use quittance_proto::payouts::v1 as payouts;
use serde::Deserialize;
use uuid::Uuid;

use super::form::{Typed, fresh_key};
use super::submission::Found;
use super::view::{Frame, Viewer, answer};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;

/// The reason when something else would be paid than was shown.
pub(super) const QUOTED: &str = "QUOTE_CHANGED";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    tip: String,
}

#[derive(askama::Template)]
#[template(path = "approve_and_pay.html")]
struct PayPage {
    frame: Frame,
    key: String,
    id: String,
    version: i64,
    what: String,
    who: String,
    /// What the contributor gets.
    gets: String,
    currency: String,
    tip: String,
    lines: Vec<Line>,
    total: String,
    total_minor: i64,
}

/// One line of what it costs.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) amount: String,
    pub(super) is_total: bool,
}

impl Viewer {
    /// The parts of a quote. They add up to the total; what is nothing is left out.
    pub(super) fn lines(&self, quote: &payouts::Quote) -> Vec<Line> {
        let parts = [
            ("Bounty", quote.value_minor),
            ("Tip", quote.tip_minor),
            ("Platform fee", quote.platform_fee_minor),
            ("Processor fee", quote.processor_fee_minor),
            ("Rounding", quote.rounding_minor),
        ];
        let mut lines: Vec<Line> = parts
            .into_iter()
            .filter(|(_, minor)| *minor != 0)
            .map(|(name, minor)| Line {
                name,
                amount: self.locale.money(minor, &quote.currency_code),
                is_total: false,
            })
            .collect();
        let amount = self.locale.money(quote.total_minor, &quote.currency_code);
        lines.push(Line { name: "Total", amount, is_total: true });
        lines
    }

    async fn quote(&self, id: Uuid, tip_minor: i64) -> Result<payouts::Quote, Problem> {
        let request =
            self.caller.request(payouts::GetQuoteRequest { issue_id: id.to_string(), tip_minor });
        let reply = self.gateway.bounty_pay().get_quote(request).await?.into_inner();
        required(reply.quote, "quote")
    }
}

/// Shows what approving would cost.
pub(super) async fn page(
    viewer: Viewer,
    Segments(id): Segments<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    shown(&viewer, id, &Typed::of(&[("tip", &asked.tip)]), None).await
}

pub(super) async fn shown(
    viewer: &Viewer,
    id: Uuid,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let (frame, found) = tokio::join!(viewer.frame("Approve & Pay"), viewer.submission(id));
    let Found { issue, terms } = found?;
    let currency = terms.value.map(|value| value.currency_code).unwrap_or_default();
    // A tip that is none is said beside a quote without one.
    let (tip, unread) = match typed.amount("tip", &currency, viewer.locale) {
        Ok(tip) => (tip.map_or(0, |tip| tip.minor_units), None),
        Err(problem) => (0, Some(problem)),
    };
    let problem = problem.or(unread.as_ref());
    let quote = viewer.quote(id, tip).await?;
    let gets = quote.value_minor.saturating_add(quote.tip_minor);
    let page = PayPage {
        frame: frame.with(problem),
        key: fresh_key(),
        id: id.to_string(),
        version: issue.version,
        what: format!("{} {}", issue.number, issue.title),
        who: issue.reporter_name,
        gets: viewer.locale.money(gets, &quote.currency_code),
        tip: typed.text("tip").to_owned(),
        lines: viewer.lines(&quote),
        total: viewer.locale.money(quote.total_minor, &quote.currency_code),
        total_minor: quote.total_minor,
        currency,
    };
    Ok(answer(problem, &page))
}

/// Approves and pays what was shown, or says that it costs something else now.
pub(super) async fn pay(viewer: &Viewer, id: Uuid, typed: &Typed) -> Result<(), Problem> {
    let seen: i64 = typed.text("total").parse().map_err(|_| Problem::required("total"))?;
    let tip = typed.amount("tip", typed.text("currency"), viewer.locale)?;
    let tip = tip.map_or(0, |tip| tip.minor_units);
    let quote = viewer.quote(id, tip).await?;
    if quote.total_minor != seen {
        let detail = "it costs something else now than you have seen: look at it again";
        return Err(Problem::new(StatusCode::CONFLICT, QUOTED, detail));
    }
    viewer.approve(id, typed, None, (tip != 0).then_some(tip)).await
}
